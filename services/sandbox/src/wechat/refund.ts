import type { Fen } from '../fen.ts';

export type RefundEnd = 'SUCCESS' | 'ABNORMAL' | 'CLOSED';

type Common = {
  /** `mchid/out_refund_no`. */
  readonly key: string;
  readonly refundId: string;
  readonly mchid: string;
  readonly outRefundNo: string;
  readonly outTradeNo: string;
  readonly transactionId: string;
  readonly amount: Fen;
  readonly total: Fen;
  readonly notifyUrl: string | undefined;
  readonly createdAtMs: number;
};

/** The bank is at it; it ends at `endsAtMs`. */
export type RefundProcessing = Common & {
  readonly status: 'PROCESSING';
  readonly endsAtMs: number;
  readonly ends: RefundEnd;
};
export type RefundEnded = Common & { readonly status: RefundEnd; readonly endedAtMs: number };
export type WechatRefund = RefundProcessing | RefundEnded;

export const refundKeyOf = (mchid: string, outRefundNo: string): string => `${mchid}/${outRefundNo}`;

export const refundEnded = ({ ends, endsAtMs, ...refund }: RefundProcessing): RefundEnded => ({
  ...refund,
  status: ends,
  endedAtMs: endsAtMs,
});

/** Where the simulated money goes back to. */
export const RECEIVED_ACCOUNT = '支付用户零钱';
