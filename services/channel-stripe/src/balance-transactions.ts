import {
  type BillLimits,
  type BillLine,
  type BillRead,
  BrokenBill,
  isJsonObject,
  type JsonObject,
  objectAt,
  parseJsonObject,
  RepeatedLines,
  type TextLine,
  textAt,
  textLinesOf,
  wholeNumberAt,
} from '@tillmesh/channel-kit';
import { ORDER_NO } from './intent.ts';
import { REFUND_NO } from './refund.ts';

// docs.stripe.com/reports/balance-transaction-types. What is not listed is told as `other`.
const KINDS: ReadonlyMap<string, BillLine['kind']> = new Map([
  ['charge', 'payment'],
  ['payment', 'payment'],
  ['refund', 'refund'],
  ['payment_refund', 'refund'],
  ['stripe_fee', 'fee'],
  ['stripe_fx_fee', 'fee'],
  ['tax_fee', 'fee'],
  ['network_cost', 'fee'],
]);

const bad = (what: string, line: TextLine): BrokenBill => new BrokenBill('bad_line', what, line.number);

/** A whole number, below 0 as well. */
const signedAt = (content: JsonObject, name: string, line: TextLine): bigint => {
  const value = content[name];
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw bad(`${name} cannot be read`, line);
  return BigInt(value);
};

const currencyAt = (content: JsonObject, line: TextLine): string => {
  const currency = textAt(content, 'currency') ?? '';
  if (!/^[a-z]{3}$/.test(currency)) throw bad('a currency cannot be read', line);
  return currency.toUpperCase();
};

/** What the payer paid or got back, in the payer's currency: the balance may be kept in another one. */
const movedOf = (kind: BillLine['kind'], content: JsonObject, source: JsonObject | undefined, line: TextLine) => {
  if (source === undefined || (kind !== 'payment' && kind !== 'refund')) {
    return { amount: signedAt(content, 'amount', line), currency: currencyAt(content, line) };
  }
  const amount = signedAt(source, 'amount', line);
  if (amount < 0n) throw bad('an amount is below 0', line);
  return { amount: kind === 'refund' ? -amount : amount, currency: currencyAt(source, line) };
};

const lineOf = (content: JsonObject, line: TextLine, repeated: boolean): BillLine => {
  if (textAt(content, 'object') !== 'balance_transaction') throw bad('it is no balance transaction', line);
  const type = textAt(content, 'type') ?? '';
  const kind = KINDS.get(type) ?? 'other';
  const source = objectAt(content, 'source');
  const created = wholeNumberAt(content, 'created');
  if (created === undefined) throw bad('a time cannot be read', line);
  if ((kind === 'payment' || kind === 'refund') && source === undefined) throw bad('what moved is not told', line);
  return {
    lineNumber: line.number,
    kind,
    channelOrderNo: textAt(source, 'metadata', ORDER_NO) ?? '',
    refundNo: textAt(source, 'metadata', REFUND_NO) ?? '',
    channelTransactionId: textAt(source, 'payment_intent') ?? textAt(source, 'id') ?? textAt(content, 'id') ?? '',
    channelRefundId: kind === 'refund' ? (textAt(source, 'id') ?? '') : '',
    ...movedOf(kind, content, source, line),
    fee: signedAt(content, 'fee', line),
    feeCurrency: currencyAt(content, line),
    happenedAtMs: created * 1_000,
    state: 'succeeded',
    channelState: type,
    repeated,
  };
};

/**
 * Reads balance transactions, one JSON object a line, each with its source (a charge or a refund) in it. They tell no totals.
 *
 * @throws {BrokenBill}
 */
export const readBalanceTransactions = async function* (
  bytes: AsyncIterable<Uint8Array>,
  limits: Pick<BillLimits, 'lineBytesMax' | 'linesMax'>,
): AsyncGenerator<readonly BillLine[], BillRead> {
  const seen = new RepeatedLines();
  for await (const batch of textLinesOf(bytes, 'utf-8', limits)) {
    yield batch.map((line) => {
      const content = parseJsonObject(line.text);
      if (!isJsonObject(content)) throw bad('it is no JSON object', line);
      const id = textAt(content, 'id') ?? '';
      if (id === '') throw bad('it has no id', line);
      return lineOf(content, line, seen.add(id));
    });
  }
  return { totalsChecked: false };
};
