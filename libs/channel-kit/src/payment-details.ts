import {
  DETAIL_FIELDS,
  type DetailField,
  type LeftOut,
  type Money,
  type Outcome,
  type PaymentDetails,
  parseMoney,
  soundDetails,
} from '@tillmesh/domain';

/** Stands for a field that a channel told, and that nobody can read: another type, a negative amount, something that is no number. */
export const unreadable: unique symbol = Symbol('unreadable');

/** What a channel told of a payment's details, before anything of it counts. */
export type ToldDetails = {
  readonly [Field in DetailField]?: PaymentDetails[Field] | typeof unreadable;
};

/** Details that count, and what was left out, to be counted. */
export type ReadDetails = { readonly details: PaymentDetails; readonly leftOut: readonly LeftOut[] };

/**
 * A value that may be absent (undefined, null and empty text) and otherwise has to be readable.
 *
 * @param read undefined where the value cannot be read.
 */
export const toldValue = <Value>(
  raw: unknown,
  read: (raw: unknown) => Value | undefined,
): Value | undefined | typeof unreadable =>
  raw === undefined || raw === null || raw === '' || raw === 'null' ? undefined : (read(raw) ?? unreadable);

/** Text that may be absent. */
export const toldText = (raw: unknown): string | undefined | typeof unreadable =>
  toldValue(raw, (value) => (typeof value === 'string' ? value : undefined));

/** A list that may be absent; one element that cannot be read makes the whole unreadable, for a part would tell a wrong sum. */
export const toldList = <Value>(
  raw: unknown,
  read: (element: unknown) => readonly Value[] | undefined,
): readonly Value[] | undefined | typeof unreadable =>
  toldValue(raw, (value) => {
    if (!Array.isArray(value)) return undefined;
    const all: Value[] = [];
    for (const element of value as readonly unknown[]) {
      const some = read(element);
      if (some === undefined) return undefined;
      all.push(...some);
    }
    return all;
  });

/** What counts of what a channel told of a success; undefined for any other outcome. Never changes the outcome. */
export const readDetails = (outcome: Outcome, told: ToldDetails): ReadDetails | undefined => {
  if (outcome.kind !== 'succeeded') return undefined;
  const of = <Field extends DetailField>(field: Field): PaymentDetails[Field] => {
    const value = told[field];
    return value === unreadable ? undefined : (value as PaymentDetails[Field]);
  };
  const { details, leftOut } = soundDetails(
    {
      payerId: of('payerId'),
      payerAccount: of('payerAccount'),
      funding: of('funding'),
      discounts: of('discounts'),
      payerPaid: of('payerPaid'),
      settled: of('settled'),
    },
    outcome.paid,
  );
  const illegible = DETAIL_FIELDS.filter((field) => told[field] === unreadable);
  return { details, leftOut: [...illegible.map((field) => ({ field, why: 'unreadable' }) as const), ...leftOut] };
};

/** The amount without what the merchant bears, for channels that do not name it; undefined where the discounts are not told. */
export const settledWithout = (
  amount: Money | undefined,
  discounts: PaymentDetails['discounts'] | typeof unreadable,
): Money | undefined => {
  if (amount === undefined || discounts === undefined || discounts === unreadable) return undefined;
  const borne = discounts
    .filter(({ fundedBy }) => fundedBy === 'merchant')
    .reduce((sum, { amount: off }) => sum + off.minorUnits, 0n);
  return parseMoney(amount.currency, amount.minorUnits - borne);
};

/** Whether a query would tell more than this news does. */
export const queryTellsMore = (told: ReadDetails | undefined, queryTells: readonly DetailField[] = []): boolean =>
  queryTells.some((field) => told?.details[field] === undefined);
