import type { Fen } from '../fen.ts';
import type { Act } from '../script.ts';

/** An order at UnionPay, by code or to scan. */
export type UnionpayOrder = {
  /** `merId/orderId`. */
  readonly key: string;
  readonly accountId: string;
  readonly merId: string;
  readonly orderId: string;
  /** Part of the order's name: a query with another one finds nothing. */
  readonly txnTime: string;
  readonly subject: string;
  readonly amount: Fen;
  readonly backUrl: string | undefined;
  readonly paymentCode: string | undefined;
  readonly qrCode: string | undefined;
  readonly parameters: string;
  readonly acts: readonly Act[];
  readonly createdAtMs: number;
  readonly endsAtMs: number;
  readonly state: 'open' | 'paid' | 'failed' | 'expired';
  readonly payerId: string | undefined;
  /** Someone is typing. */
  readonly atWork: { readonly endsAtMs: number; readonly then: 'pays' | 'gives_up' } | undefined;
  readonly queryId: string;
  readonly paidAtMs: number | undefined;
  readonly refunded: Fen;
  /** Of a failed one. */
  readonly respCode: string;
};

/** Money that goes back; found by a query as an order is. */
export type UnionpayRefund = {
  readonly key: string;
  readonly merId: string;
  readonly orderId: string;
  readonly txnTime: string;
  readonly origQryId: string;
  readonly orderKey: string;
  readonly queryId: string;
  readonly amount: Fen;
  readonly parameters: string;
};

export const keyOf = (merId: string, orderId: string): string => `${merId}/${orderId}`;
