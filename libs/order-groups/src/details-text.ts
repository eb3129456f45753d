import { DETAIL_FIELDS, type KnownDetails } from '@tillmesh/domain';

// JSON has no bigint: minor units are written as digits.

/** What is known of a paid payment, as the text that its column encrypts. */
export const detailsToText = (known: KnownDetails): string =>
  JSON.stringify(
    Object.fromEntries(DETAIL_FIELDS.flatMap((field) => (known[field] === undefined ? [] : [[field, known[field]]]))),
    (_key, each: unknown) => (typeof each === 'bigint' ? each.toString() : each),
  );

/** Reads that text: our own JSON, written by this library. */
export const detailsFromText = (text: string): KnownDetails =>
  JSON.parse(text, (key, each: unknown) =>
    key === 'minorUnits' && typeof each === 'string' ? BigInt(each) : each,
  ) as KnownDetails;
