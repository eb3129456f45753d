import { addMoney, equalMoney, type Money, money, subtractMoney } from './money.ts';
import { LEARNED_BY, type LearnedBy } from './outcome.ts';

/** Where a payer's money came from. */
export type FundingKind = 'balance' | 'debit' | 'credit' | 'prepaid' | 'mixed' | 'other';
/** Where a payer's money came from, and the channel's own word for it; at most 64 characters. */
export type Funding = { readonly kind: FundingKind; readonly source: string };
export type DiscountKind = 'coupon' | 'reduction' | 'points';
/** Who bears a discount: only what the merchant bears lessens what the merchant is credited. */
export type DiscountFunder = 'channel' | 'merchant' | 'other';
/** One reduction of what the payer had to pay; a coupon that two bear is two of them. */
export type Discount = {
  readonly kind: DiscountKind;
  /** At most 64 characters, like the id; both may be empty. */
  readonly name: string;
  readonly id: string;
  readonly amount: Money;
  readonly fundedBy: DiscountFunder;
};

/** What a channel tells of a paid payment beyond that it is paid; a field that is undefined was not told. */
export type PaymentDetails = {
  /** The payer's id at the channel; at most 128 characters. */
  readonly payerId?: string | undefined;
  /** The payer's account or card, masked; at most 64 characters. */
  readonly payerAccount?: string | undefined;
  readonly funding?: Funding | undefined;
  /** Empty: the payer paid all. */
  readonly discounts?: readonly Discount[] | undefined;
  /** The amount without the discounts. */
  readonly payerPaid?: Money | undefined;
  /** What the merchant is credited before fees, in the currency that is settled in. */
  readonly settled?: Money | undefined;
};

export const DETAIL_FIELDS = [
  'payerId',
  'payerAccount',
  'funding',
  'discounts',
  'payerPaid',
  'settled',
] as const satisfies readonly (keyof PaymentDetails)[];
export type DetailField = (typeof DETAIL_FIELDS)[number];

type Known<Value> = { readonly value: Value; readonly from: LearnedBy };

/** Details, each with the way on which it became known. */
export type KnownDetails = {
  readonly [Field in DetailField]?: Known<NonNullable<PaymentDetails[Field]>> | undefined;
};

/** Why something that was told does not count. */
export type LeftOutWhy = 'unreadable' | 'too_long' | 'too_much' | 'other_currency' | 'sum_does_not_fit';
export type LeftOut = { readonly field: DetailField; readonly why: LeftOutWhy };

export const PAYER_ID_CHARACTERS_MAX = 128;
export const DETAIL_CHARACTERS_MAX = 64;
export const DISCOUNTS_MAX = 64;

const TEXT = /^\P{Cc}+$/u;

const whyNotText = (text: string | undefined, charactersMax: number): LeftOutWhy | undefined => {
  if (text === undefined) return undefined;
  if (text.length > charactersMax) return 'too_long';
  return TEXT.test(text) ? undefined : 'unreadable';
};

const isPlain = (text: string): boolean => text === '' || TEXT.test(text);

const whyNotDiscounts = (discounts: readonly Discount[] | undefined, amount: Money): LeftOutWhy | undefined => {
  if (discounts === undefined) return undefined;
  if (discounts.length > DISCOUNTS_MAX) return 'too_long';
  if (!discounts.every(({ name, id }) => isPlain(name) && isPlain(id))) return 'unreadable';
  if (discounts.some(({ amount: off }) => off.currency !== amount.currency)) return 'other_currency';
  // In bigints: a sum beyond what a Money takes is too much as well.
  const sum = discounts.reduce((total, { amount: off }) => total + off.minorUnits, 0n);
  return sum > amount.minorUnits ? 'too_much' : undefined;
};

const whyNotPayerPaid = (paid: Money | undefined, amount: Money): LeftOutWhy | undefined => {
  if (paid === undefined) return undefined;
  if (paid.currency !== amount.currency) return 'other_currency';
  return paid.minorUnits > amount.minorUnits ? 'too_much' : undefined;
};

// A settlement in another currency cannot be compared: it is the channel's exchange.
const whyNotSettled = (settled: Money | undefined, amount: Money): LeftOutWhy | undefined =>
  settled?.currency === amount.currency && settled.minorUnits > amount.minorUnits ? 'too_much' : undefined;

const sumOf = (discounts: readonly Discount[], amount: Money): Money =>
  discounts.reduce((sum, { amount: off }) => addMoney(sum, off), money(amount.currency, 0n));

const textOf = ({ kind, name, id, amount, fundedBy }: Discount): string =>
  JSON.stringify([id, name, fundedBy, kind, amount.currency, amount.minorUnits.toString()]);

const compare = (a: string, b: string): number => Number(a > b) - Number(a < b);

/** Discounts of nothing are none; names are cut, so that a channel's long one costs no field. Channels list them in any order. */
const inOrder = (discounts: readonly Discount[]): readonly Discount[] =>
  discounts
    .filter(({ amount }) => amount.minorUnits > 0n)
    .map((discount) => ({
      ...discount,
      name: discount.name.slice(0, DETAIL_CHARACTERS_MAX),
      id: discount.id.slice(0, DETAIL_CHARACTERS_MAX),
    }))
    .map((discount) => ({ discount, text: textOf(discount) }))
    .sort((a, b) => compare(a.text, b.text))
    .map(({ discount }) => discount);

/**
 * What counts of told details: fields that cannot be right are left out, and those that follow from others are added (all paid by the
 * payer: no discount; discounts known: what the payer paid).
 *
 * @param amount what was paid for, from the same verified answer.
 */
export const soundDetails = (
  told: PaymentDetails,
  amount: Money,
): { readonly details: PaymentDetails; readonly leftOut: readonly LeftOut[] } => {
  const whyNot: Readonly<Record<DetailField, LeftOutWhy | undefined>> = {
    payerId: whyNotText(told.payerId, PAYER_ID_CHARACTERS_MAX),
    payerAccount: whyNotText(told.payerAccount, DETAIL_CHARACTERS_MAX),
    funding: whyNotText(told.funding?.source, DETAIL_CHARACTERS_MAX),
    discounts: whyNotDiscounts(told.discounts, amount),
    payerPaid: whyNotPayerPaid(told.payerPaid, amount),
    settled: whyNotSettled(told.settled, amount),
  };
  const leftOut: LeftOut[] = DETAIL_FIELDS.flatMap((field) => {
    const why = whyNot[field];
    return why === undefined ? [] : [{ field, why }];
  });
  const kept = <Field extends DetailField>(field: Field): PaymentDetails[Field] =>
    whyNot[field] === undefined ? told[field] : undefined;

  const discounts = kept('discounts');
  const payerPaid = kept('payerPaid');
  const off = discounts && sumOf(discounts, amount);
  // Either may be the wrong one.
  const fits = off === undefined || payerPaid === undefined || equalMoney(addMoney(off, payerPaid), amount);
  if (!fits) {
    leftOut.push({ field: 'discounts', why: 'sum_does_not_fit' }, { field: 'payerPaid', why: 'sum_does_not_fit' });
  }
  const nothingOff = payerPaid !== undefined && equalMoney(payerPaid, amount) ? [] : undefined;
  return {
    details: {
      payerId: kept('payerId'),
      payerAccount: kept('payerAccount'),
      funding: kept('funding'),
      discounts: fits ? inOrderOrNone(discounts ?? nothingOff) : undefined,
      payerPaid: fits ? (payerPaid ?? (off && subtractMoney(amount, off))) : undefined,
      settled: kept('settled'),
    },
    leftOut,
  };
};

const inOrderOrNone = (discounts: readonly Discount[] | undefined): readonly Discount[] | undefined =>
  discounts && inOrder(discounts);

/** Details that came one way. */
export const detailsFrom = (details: PaymentDetails, from: LearnedBy): KnownDetails => {
  const of = <Value>(value: Value | undefined) => (value === undefined ? undefined : { value, from });
  return {
    payerId: of(details.payerId),
    payerAccount: of(details.payerAccount),
    funding: of(details.funding),
    discounts: of(details.discounts),
    payerPaid: of(details.payerPaid),
    settled: of(details.settled),
  };
};

/** Details without the way on which they became known. */
export const detailsOf = (known: KnownDetails): PaymentDetails => ({
  payerId: known.payerId?.value,
  payerAccount: known.payerAccount?.value,
  funding: known.funding?.value,
  discounts: known.discounts?.value,
  payerPaid: known.payerPaid?.value,
  settled: known.settled?.value,
});

/** A field's value as text: equal texts are equal values. */
const valueText = (value: unknown): string =>
  JSON.stringify(value, (_key, each: unknown) => {
    if (typeof each === 'bigint') return each.toString();
    if (typeof each !== 'object' || each === null || Array.isArray(each)) return each;
    return Object.fromEntries(Object.entries(each).sort(([a], [b]) => compare(a, b)));
  });

// In the order of LEARNED_BY the later one knows better: a notification before an answer, a query before both.
const rankOf = ({ from }: Known<unknown>): number => LEARNED_BY.indexOf(from);

/** The one that counts. Of two of one rank the greater text: any fixed choice makes the result independent of their order. */
const better = <Value>(a: Known<Value>, b: Known<Value>): Known<Value> => {
  if (rankOf(a) !== rankOf(b)) return rankOf(a) > rankOf(b) ? a : b;
  return valueText(a.value) >= valueText(b.value) ? a : b;
};

/**
 * Two sources' knowledge in one. What one does not know the other does not lose; where they contradict each other the more authoritative one counts
 * (query, notification, answer). Commutative, associative and idempotent, so news may come in any order and more than once.
 *
 * @returns `contradicted`: the fields of which both told something else.
 */
export const mergeDetails = (
  a: KnownDetails,
  b: KnownDetails,
): { readonly known: KnownDetails; readonly contradicted: readonly DetailField[] } => {
  const contradicted: DetailField[] = [];
  const merged = <Value>(
    field: DetailField,
    mine: Known<Value> | undefined,
    theirs: Known<Value> | undefined,
  ): Known<Value> | undefined => {
    if (mine === undefined || theirs === undefined) return mine ?? theirs;
    if (valueText(mine.value) !== valueText(theirs.value)) contradicted.push(field);
    return better(mine, theirs);
  };
  const known: KnownDetails = {
    payerId: merged('payerId', a.payerId, b.payerId),
    payerAccount: merged('payerAccount', a.payerAccount, b.payerAccount),
    funding: merged('funding', a.funding, b.funding),
    discounts: merged('discounts', a.discounts, b.discounts),
    payerPaid: merged('payerPaid', a.payerPaid, b.payerPaid),
    settled: merged('settled', a.settled, b.settled),
  };
  return { known, contradicted };
};

/** Whether two know the same, whoever told it. */
export const equalValues = (a: KnownDetails, b: KnownDetails): boolean =>
  DETAIL_FIELDS.every((field) => valueText(a[field]?.value ?? null) === valueText(b[field]?.value ?? null));

/** Whether two know the same, from the same sources. */
export const equalDetails = (a: KnownDetails, b: KnownDetails): boolean =>
  DETAIL_FIELDS.every((field) => valueText(a[field] ?? null) === valueText(b[field] ?? null));
