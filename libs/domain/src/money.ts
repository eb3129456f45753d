import { assert } from './assert.ts';
import type { Branded } from './branded.ts';

/** Fen, cents: the smallest unit of a currency. Never negative in a Money. */
export type MinorUnits = Branded<bigint, 'MinorUnits'>;
/** ISO 4217, three upper-case letters. */
export type Currency = Branded<string, 'Currency'>;
/** An amount and what it is an amount of; never apart. */
export type Money = { readonly currency: Currency; readonly minorUnits: MinorUnits };

/** The same limit as in proto/tillmesh/money/v1/money.proto. */
export const MINOR_UNITS_MAX = 100_000_000_000n;

/** Currencies without minor units, of those that our channels take (ISO 4217). */
const CURRENCIES_WITHOUT_MINOR_UNITS: ReadonlySet<string> = new Set(['JPY', 'KRW', 'VND', 'CLP']);

/** The amount, or undefined where currency or number is out of range. */
export const parseMoney = (currency: string, minorUnits: bigint): Money | undefined =>
  /^[A-Z]{3}$/.test(currency) && minorUnits >= 0n && minorUnits <= MINOR_UNITS_MAX
    ? { currency: currency as Currency, minorUnits: minorUnits as MinorUnits }
    : undefined;

/** An amount from values that are known to be right; throws where they are not. */
export const money = (currency: string, minorUnits: bigint | number): Money => {
  const parsed = parseMoney(currency, BigInt(minorUnits));
  assert(parsed !== undefined, `not an amount: ${minorUnits} ${currency}`);
  return parsed;
};

/** Same currency and same number. */
export const equalMoney = (a: Money, b: Money): boolean => a.currency === b.currency && a.minorUnits === b.minorUnits;

/** a + b; both in one currency. */
export const addMoney = (a: Money, b: Money): Money => {
  assert(a.currency === b.currency, `${a.currency} and ${b.currency} cannot be added`);
  return money(a.currency, a.minorUnits + b.minorUnits);
};

/** a - b; both in one currency, b at most a. */
export const subtractMoney = (a: Money, b: Money): Money => {
  assert(a.currency === b.currency, `${b.currency} cannot be taken from ${a.currency}`);
  assert(a.minorUnits >= b.minorUnits, 'an amount would fall below zero');
  return money(a.currency, a.minorUnits - b.minorUnits);
};

const decimalsOf = (currency: string): number => (CURRENCIES_WITHOUT_MINOR_UNITS.has(currency) ? 0 : 2);

/** The main unit with its decimals and no sign, such as `12.30`; the form that Alipay sends. */
export const toDecimalText = (amount: Money): string => {
  const decimals = decimalsOf(amount.currency);
  if (decimals === 0) return amount.minorUnits.toString();
  const digits = amount.minorUnits.toString().padStart(decimals + 1, '0');
  return `${digits.slice(0, -decimals)}.${digits.slice(-decimals)}`;
};

/** Reads `12.3`, `12.30` or `12`; undefined for anything else, a third decimal included. */
export const fromDecimalText = (currency: string, text: string): Money | undefined => {
  const decimals = decimalsOf(currency);
  const match = /^([0-9]{1,12})(?:\.([0-9]+))?$/.exec(text);
  const [, whole, fraction = ''] = match ?? [];
  if (whole === undefined || fraction.length > decimals) return undefined;
  return parseMoney(currency, BigInt(whole + fraction.padEnd(decimals, '0')));
};
