import { createHmac, type KeyObject, timingSafeEqual } from 'node:crypto';
import type { Money, OrderNo } from '@tillmesh/domain';
import { counter } from '@tillmesh/telemetry';
import type { RowKeys } from './row-keys.ts';

const tampered = counter(
  'tillmesh_rows_tampered_total',
  'Rows whose integrity code does not fit what stands in them.',
  ['table'],
);

/** A row was changed by somebody who does not have the key, or the key is not configured here. Nothing is done with it. */
export class RowTampered extends Error {
  override readonly name = 'RowTampered';

  constructor(table: string, number: OrderNo, why: string) {
    super(`the ${table} ${number} cannot be trusted: ${why}`);
    tampered.add({ table });
  }
}

/** What of a payment decides about money. */
export type PaymentFacts = {
  readonly orderNo: OrderNo;
  readonly merchantId: string;
  readonly merchantOrderNo: string;
  readonly amount: Money;
  readonly isPaid: boolean;
  readonly refundReserved: Money;
  readonly refunded: Money;
};

/** What of a refund decides about money. */
export type RefundFacts = {
  readonly refundNo: OrderNo;
  readonly orderNo: OrderNo;
  readonly amount: Money;
  readonly isGiven: boolean;
};

/** Makes and checks the integrity codes of rows: one byte of key id, 16 of HMAC-SHA-256. */
export type RowSeal = {
  ofPayment(facts: PaymentFacts): Buffer;
  ofRefund(facts: RefundFacts): Buffer;
  /** @throws {RowTampered} */
  checkPayment(facts: PaymentFacts, seal: Buffer): void;
  /** @throws {RowTampered} */
  checkRefund(facts: RefundFacts, seal: Buffer): void;
};

/** 128 bits: nobody guesses one, and a row stays narrow. */
const CODE_BYTES = 16;

// No field of ours contains a line feed, so no two sets of facts give the same text.
const paymentText = (facts: PaymentFacts): string =>
  [
    'payment',
    facts.orderNo,
    facts.merchantId,
    facts.merchantOrderNo,
    facts.amount.currency,
    facts.amount.minorUnits,
    facts.isPaid ? 'paid' : '',
    facts.refundReserved.minorUnits,
    facts.refunded.minorUnits,
  ].join('\n');

const refundText = ({ refundNo, orderNo, amount, isGiven }: RefundFacts): string =>
  ['refund', refundNo, orderNo, amount.currency, amount.minorUnits, isGiven ? 'given' : ''].join('\n');

/** Creates the seal over these keys. */
export const createRowSeal = (keys: RowKeys): RowSeal => {
  const codeOf = (integrity: KeyObject, text: string): Buffer =>
    createHmac('sha256', integrity).update(text).digest().subarray(0, CODE_BYTES);

  const seal = (text: string): Buffer => {
    const { id, integrity } = keys.current;
    return Buffer.concat([Buffer.of(id), codeOf(integrity, text)]);
  };

  const check = (table: string, number: OrderNo, text: string, given: Buffer): void => {
    const key = keys.find(given[0] ?? 0);
    if (key === undefined) throw new RowTampered(table, number, `its key ${given[0] ?? 0} is not configured`);
    const expected = codeOf(key.integrity, text);
    const isRight = given.length === CODE_BYTES + 1 && timingSafeEqual(expected, given.subarray(1));
    if (!isRight) throw new RowTampered(table, number, 'its integrity code does not fit');
  };

  return {
    ofPayment: (facts) => seal(paymentText(facts)),
    ofRefund: (facts) => seal(refundText(facts)),
    checkPayment: (facts, given) => check('payment', facts.orderNo, paymentText(facts), given),
    checkRefund: (facts, given) => check('refund', facts.refundNo, refundText(facts), given),
  };
};
