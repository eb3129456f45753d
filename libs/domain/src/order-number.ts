import { assert } from './assert.ts';
import type { Branded } from './branded.ts';
import { ATTEMPTS_MAX, type AttemptNo, parseAttemptNo } from './ids.ts';

/** 25 digits: version, yymmdd, ms of the day, group tag, worker, sequence, check digit. Names payments and refunds. */
export type OrderNo = Branded<string, 'OrderNo'>;
/** 26 digits: an order number with its attempt number behind; what the channel knows. */
export type ChannelOrderNo = Branded<string, 'ChannelOrderNo'>;
/** The order number as one 64-bit number, time first: what the database orders by. */
export type OrderKey = Branded<bigint, 'OrderKey'>;
/** A database group, 0 to 127. Tags are never reused. */
export type GroupTag = Branded<number, 'GroupTag'>;

/** What an order number says. */
export type OrderNumberParts = {
  /** Days since 2026-01-01 UTC, 0 to 32,767 (the year 2115). */
  readonly day: number;
  /** Milliseconds of that day, 0 to 86,399,999. */
  readonly msOfDay: number;
  /** 0 to 127. */
  readonly groupTag: GroupTag;
  /** 0 to 255; no two order-store instances have the same at the same time. */
  readonly workerId: number;
  /** 0 to 127 within one ms of one worker. */
  readonly sequence: number;
};

export const DAY_MS = 86_400_000;
export const GROUP_TAG_MAX = 127;
export const WORKER_ID_MAX = 255;
export const SEQUENCE_MAX = 127;
export const DAY_MAX = 2 ** 15 - 1;
/** Day 0 of order numbers. */
export const ORDER_EPOCH_MS = Date.UTC(2026, 0, 1);

const VERSION = '1';

// Damm's check digit over the totally anti-symmetric quasigroup of order 10 from H. M. Damm's thesis (2004): it finds
// every wrong digit and every swap of neighbours, 09/90 included, which Luhn does not.
const DAMM: readonly (readonly number[])[] = [
  [0, 3, 1, 7, 5, 9, 8, 6, 4, 2],
  [7, 0, 9, 2, 1, 5, 4, 8, 6, 3],
  [4, 2, 0, 6, 8, 7, 1, 3, 5, 9],
  [1, 7, 5, 0, 9, 8, 3, 4, 2, 6],
  [6, 1, 2, 3, 0, 4, 5, 9, 7, 8],
  [3, 6, 7, 4, 2, 0, 9, 5, 8, 1],
  [5, 8, 6, 9, 7, 2, 0, 1, 3, 4],
  [8, 9, 4, 5, 3, 6, 2, 0, 1, 7],
  [9, 4, 3, 8, 6, 1, 7, 2, 0, 5],
  [2, 5, 8, 1, 4, 3, 6, 7, 9, 0],
];

/** The digit that makes the Damm sum of `digits` plus itself zero. */
export const checkDigitOf = (digits: string): string => {
  let interim = 0;
  for (const digit of digits) interim = DAMM[interim]?.[digit.charCodeAt(0) - 48] ?? Number.NaN;
  return String(interim);
};

/** The group tag, or undefined where it is not 0 to 127. */
export const parseGroupTag = (value: number): GroupTag | undefined =>
  Number.isInteger(value) && value >= 0 && value <= GROUP_TAG_MAX ? (value as GroupTag) : undefined;

/** A group tag that is known to be right; throws where it is not. */
export const groupTag = (value: number): GroupTag => {
  const tag = parseGroupTag(value);
  assert(tag !== undefined, `group tag ${value} is not 0 to ${GROUP_TAG_MAX}`);
  return tag;
};

const inRange = (value: number, max: number): boolean => Number.isInteger(value) && value >= 0 && value <= max;

const assertParts = (parts: OrderNumberParts): void => {
  assert(inRange(parts.day, DAY_MAX), `day ${parts.day} does not fit an order number`);
  assert(inRange(parts.msOfDay, DAY_MS - 1), `ms of day ${parts.msOfDay} does not fit an order number`);
  assert(inRange(parts.groupTag, GROUP_TAG_MAX), `group tag ${parts.groupTag} does not fit an order number`);
  assert(inRange(parts.workerId, WORKER_ID_MAX), `worker ${parts.workerId} does not fit an order number`);
  assert(inRange(parts.sequence, SEQUENCE_MAX), `sequence ${parts.sequence} does not fit an order number`);
};

/** The day that an order number names, since 2026-01-01 UTC. The number must have been parsed before. */
export const dayOfOrderNo = (orderNo: OrderNo): number => dayOfDate(Number(orderNo.slice(1, 7)));

// Orders of one day come together: the date of the last one is mostly the date of this one.
let lastDate = { yymmdd: 260_101, day: 0 };
const dayOfDate = (yymmdd: number): number => {
  if (lastDate.yymmdd !== yymmdd) {
    const [yy, month, dayOfMonth] = [Math.floor(yymmdd / 10_000), Math.floor(yymmdd / 100) % 100, yymmdd % 100];
    lastDate = { yymmdd, day: (Date.UTC(fullYear(yy), month - 1, dayOfMonth) - ORDER_EPOCH_MS) / DAY_MS };
  }
  return lastDate.day;
};

/** The range of day numbers is 2026 to 2115: two digits of the year name it without doubt. */
const fullYear = (yy: number): number => (yy >= 26 ? 2000 + yy : 2100 + yy);

const padded = (value: number, width: number): string => String(value).padStart(width, '0');

/** Writes the 25 digits. Throws where a part does not fit its field. */
export const formatOrderNo = (parts: OrderNumberParts): OrderNo => {
  assertParts(parts);
  const date = new Date(ORDER_EPOCH_MS + parts.day * DAY_MS);
  const yymmdd =
    padded(date.getUTCFullYear() % 100, 2) + padded(date.getUTCMonth() + 1, 2) + padded(date.getUTCDate(), 2);
  const body =
    VERSION +
    yymmdd +
    padded(parts.msOfDay, 8) +
    padded(parts.groupTag, 3) +
    padded(parts.workerId, 3) +
    padded(parts.sequence, 3);
  return (body + checkDigitOf(body)) as OrderNo;
};

/** Reads 25 digits; undefined where form, check digit, date or a field is wrong. */
export const parseOrderNo = (
  text: string,
): { readonly orderNo: OrderNo; readonly parts: OrderNumberParts } | undefined => {
  if (!/^1[0-9]{24}$/.test(text) || checkDigitOf(text) !== '0') return undefined;
  const field = (start: number, end: number) => Number(text.slice(start, end));
  const [yy, month, dayOfMonth] = [field(1, 3), field(3, 5), field(5, 7)];
  const dateMs = Date.UTC(fullYear(yy), month - 1, dayOfMonth);
  const date = new Date(dateMs);
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== dayOfMonth) return undefined;
  const tag = parseGroupTag(field(15, 18));
  const parts = {
    day: (dateMs - ORDER_EPOCH_MS) / DAY_MS,
    msOfDay: field(7, 15),
    workerId: field(18, 21),
    sequence: field(21, 24),
  };
  const fits =
    inRange(parts.day, DAY_MAX) &&
    inRange(parts.msOfDay, DAY_MS - 1) &&
    inRange(parts.workerId, WORKER_ID_MAX) &&
    inRange(parts.sequence, SEQUENCE_MAX);
  if (tag === undefined || !fits) return undefined;
  return { orderNo: text as OrderNo, parts: { ...parts, groupTag: tag } };
};

/** The group that an order number names. The number must have been parsed before. */
export const groupTagOf = (orderNo: OrderNo): GroupTag => groupTag(Number(orderNo.slice(15, 18)));

// The low 22 bits are group tag (7), worker (8), sequence (7); what lies above fits a JavaScript number.
const LOW_BITS = 22n;

/** day (15 bits) | ms of day (27) | group tag (7) | worker (8) | sequence (7): inserts append to the clustered index. */
export const toOrderKey = (orderNo: OrderNo): OrderKey => {
  const field = (start: number, end: number) => Number(orderNo.slice(start, end));
  const high = dayOfOrderNo(orderNo) * 2 ** 27 + field(7, 15);
  const low = (field(15, 18) << 15) | (field(18, 21) << 7) | field(21, 24);
  assert(Number.isSafeInteger(high) && high >= 0, `not an order number: ${orderNo}`);
  return ((BigInt(high) << LOW_BITS) | BigInt(low)) as OrderKey;
};

/** No order number of this moment or later has a smaller key; times outside of what numbers can say count as their first or last. */
export const firstOrderKeyAt = (wallMs: number): bigint => {
  const sinceEpochMs = Math.min(Math.max(0, Math.ceil(wallMs) - ORDER_EPOCH_MS), (DAY_MAX + 1) * DAY_MS - 1);
  return (BigInt(Math.floor(sinceEpochMs / DAY_MS)) << 49n) | (BigInt(sinceEpochMs % DAY_MS) << 22n);
};

/** The order number that a 64-bit key stands for. */
export const fromOrderKey = (key: OrderKey): OrderNo => {
  assert(key >= 0n && key < 2n ** 64n, 'an order key has 64 bits');
  const bits = (shift: bigint, width: bigint) => Number((key >> shift) & ((1n << width) - 1n));
  return formatOrderNo({
    day: bits(49n, 15n),
    msOfDay: bits(22n, 27n),
    groupTag: groupTag(bits(15n, 7n)),
    workerId: bits(7n, 8n),
    sequence: bits(0n, 7n),
  });
};

/** The number that a channel is given for one attempt. */
export const toChannelOrderNo = (orderNo: OrderNo, attemptNo: AttemptNo): ChannelOrderNo =>
  `${orderNo}${attemptNo}` as ChannelOrderNo;

/** Leads from a channel's number back to payment, attempt and group; undefined where it is none of ours. */
export const parseChannelOrderNo = (
  text: string,
): { readonly orderNo: OrderNo; readonly attemptNo: AttemptNo } | undefined => {
  const parsed = parseOrderNo(text.slice(0, 25));
  const attemptNo =
    text.length === 26 && /^[0-9]$/.test(text.slice(25)) ? parseAttemptNo(Number(text.slice(25))) : undefined;
  if (parsed === undefined || attemptNo === undefined || attemptNo > ATTEMPTS_MAX) return undefined;
  return { orderNo: parsed.orderNo, attemptNo };
};
