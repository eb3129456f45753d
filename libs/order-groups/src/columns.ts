import { assert, fromOrderKey, type OrderKey, type OrderNo } from '@tillmesh/domain';
import type { Row } from './connection.ts';

// The driver gives BIGINT columns as text and smaller ones as numbers; these read both.

/** A column's value as text; undefined for NULL and for a column that is not there. */
export const optionalText = (row: Row | undefined, column: string): string | undefined => {
  const value = row?.[column];
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  assert(value === null || value === undefined, `column ${column} is neither text nor a number`);
  return undefined;
};

/** The same for a column that is never NULL. */
export const text = (row: Row | undefined, column: string): string => {
  const value = optionalText(row, column);
  assert(value !== undefined, `column ${column} is empty`);
  return value;
};

/** A whole number of at most 2^53 - 1; undefined for NULL. */
export const optionalWhole = (row: Row | undefined, column: string): number | undefined => {
  const value = optionalText(row, column);
  if (value === undefined) return undefined;
  assert(Number.isSafeInteger(Number(value)), `column ${column} is no whole number`);
  return Number(value);
};

/** The same for a column that is never NULL. */
export const whole = (row: Row | undefined, column: string): number => {
  const value = optionalWhole(row, column);
  assert(value !== undefined, `column ${column} is empty`);
  return value;
};

/** A 64-bit number. */
export const big = (row: Row | undefined, column: string): bigint => BigInt(text(row, column));

/** A column that holds an order or refund number. */
export const orderNoOf = (row: Row | undefined, column: string): OrderNo => fromOrderKey(big(row, column) as OrderKey);

/** A binary column; undefined for NULL. */
export const optionalBytes = (row: Row | undefined, column: string): Buffer | undefined => {
  const value = row?.[column];
  if (Buffer.isBuffer(value)) return value;
  assert(value === null || value === undefined, `column ${column} is not binary`);
  return undefined;
};

/** The same for a column that is never NULL. */
export const bytes = (row: Row | undefined, column: string): Buffer => {
  const value = optionalBytes(row, column);
  assert(value !== undefined, `column ${column} is empty`);
  return value;
};
