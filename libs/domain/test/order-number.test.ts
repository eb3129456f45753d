import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  ATTEMPTS_MAX,
  type AttemptNo,
  checkDigitOf,
  DAY_MAX,
  DAY_MS,
  firstOrderKeyAt,
  formatOrderNo,
  fromOrderKey,
  GROUP_TAG_MAX,
  groupTag,
  groupTagOf,
  ORDER_EPOCH_MS,
  type OrderKey,
  type OrderNumberParts,
  parseAttemptNo,
  parseChannelOrderNo,
  parseOrderNo,
  SEQUENCE_MAX,
  toChannelOrderNo,
  toOrderKey,
  WORKER_ID_MAX,
} from '../src/index.ts';

const upTo = (max: number) => fc.integer({ min: 0, max });

const partsOf = fc.record({
  day: upTo(DAY_MAX),
  msOfDay: upTo(DAY_MS - 1),
  groupTag: upTo(GROUP_TAG_MAX).map(groupTag),
  workerId: upTo(WORKER_ID_MAX),
  sequence: upTo(SEQUENCE_MAX),
});

/** The parts of a moment in UTC, worker 1 of group 1. */
const at = (iso: string): OrderNumberParts => {
  const sinceEpochMs = Date.parse(iso) - ORDER_EPOCH_MS;
  return {
    day: Math.floor(sinceEpochMs / DAY_MS),
    msOfDay: sinceEpochMs % DAY_MS,
    groupTag: groupTag(1),
    workerId: 1,
    sequence: 1,
  };
};

const withCheckDigit = (body: string): string => body + checkDigitOf(body);

describe('an order number', () => {
  test('says what it was made from, whatever that was', () => {
    fc.assert(
      fc.property(partsOf, (parts) => {
        const orderNo = formatOrderNo(parts);
        expect(orderNo).toMatch(/^1[0-9]{24}$/);
        expect(parseOrderNo(orderNo)).toEqual({ orderNo, parts });
        expect(groupTagOf(orderNo)).toBe(parts.groupTag);
        expect(fromOrderKey(toOrderKey(orderNo))).toBe(orderNo);
      }),
      { numRuns: 2_000 },
    );
  });

  for (const [moment, digits] of [
    ['2026-01-01T00:00:00.000Z', '1 260101 00000000 001 001 001'],
    ['2026-12-31T23:59:59.999Z', '1 261231 86399999 001 001 001'],
    ['2028-02-29T12:00:00.000Z', '1 280229 43200000 001 001 001'],
    ['2099-12-31T23:59:59.999Z', '1 991231 86399999 001 001 001'],
    ['2100-02-28T00:00:00.000Z', '1 000228 00000000 001 001 001'],
    ['2100-03-01T00:00:00.000Z', '1 000301 00000000 001 001 001'],
    ['2104-02-29T00:00:00.000Z', '1 040229 00000000 001 001 001'],
    ['2115-01-01T00:00:00.000Z', '1 150101 00000000 001 001 001'],
  ] as const) {
    test(`of ${moment} reads ${digits} and leads back to that moment`, () => {
      const orderNo = formatOrderNo(at(moment));
      expect(orderNo.slice(0, -1)).toBe(digits.replaceAll(' ', ''));
      expect(parseOrderNo(orderNo)?.parts).toEqual(at(moment));
    });
  }

  test('can be made for every day from 2026 to the last that fits, and each of them is another date', () => {
    const dates = new Set<string>();
    for (let day = 0; day <= DAY_MAX; day += 1) {
      const orderNo = formatOrderNo({ ...at('2026-01-01T00:00:00.000Z'), day });
      dates.add(orderNo.slice(1, 7));
      if (parseOrderNo(orderNo)?.parts.day !== day) expect.fail(`day ${day} does not lead back from ${orderNo}`);
    }
    expect(dates.size).toBe(DAY_MAX + 1);
  });

  for (const [field, value] of [
    ['day', -1],
    ['day', DAY_MAX + 1],
    ['msOfDay', DAY_MS],
    ['msOfDay', 0.5],
    ['workerId', WORKER_ID_MAX + 1],
    ['sequence', SEQUENCE_MAX + 1],
    ['sequence', -1],
    ['groupTag', GROUP_TAG_MAX + 1],
    ['groupTag', Number.NaN],
  ] as const) {
    test(`is not made from ${field} ${value}`, () => {
      const parts = { ...at('2026-06-01T00:00:00.000Z'), [field]: value };
      expect(() => formatOrderNo(parts)).toThrow(/does not fit an order number/);
    });
  }
});

describe('the check digit', () => {
  test('finds every single wrong digit', () => {
    fc.assert(
      fc.property(partsOf, upTo(24), fc.integer({ min: 1, max: 9 }), (parts, place, shift) => {
        const orderNo = formatOrderNo(parts);
        const wrong = (Number(orderNo[place]) + shift) % 10;
        expect(checkDigitOf(orderNo.slice(0, place) + wrong + orderNo.slice(place + 1))).not.toBe('0');
      }),
      { numRuns: 3_000 },
    );
  });

  test('finds every swap of neighbours, 09 and 90 included', () => {
    fc.assert(
      fc.property(partsOf, upTo(23), (parts, place) => {
        const orderNo = formatOrderNo(parts);
        const [left, right] = [orderNo[place], orderNo[place + 1]];
        fc.pre(left !== right);
        expect(checkDigitOf(`${orderNo.slice(0, place)}${right}${left}${orderNo.slice(place + 2)}`)).not.toBe('0');
      }),
      { numRuns: 3_000 },
    );
    for (let left = 0; left < 10; left += 1) {
      for (let right = 0; right < 10; right += 1) {
        if (left !== right) expect(checkDigitOf(`${right}${left}${checkDigitOf(`${left}${right}`)}`)).not.toBe('0');
      }
    }
  });

  test('is the one of the published example', () => {
    // H. M. Damm's own example: 572 has the check digit 4.
    expect(checkDigitOf('572')).toBe('4');
  });
});

describe('a text is refused as an order number', () => {
  const good = formatOrderNo(at('2026-06-01T10:20:30.400Z'));
  for (const [why, text] of [
    ['because it is empty', ''],
    ['because it has 24 digits', good.slice(0, 24)],
    ['because it has 26 digits', `${good}0`],
    ['because of a space before it', ` ${good}`],
    ['because of a line break behind it', `${good}\n`],
    ['because it holds a letter', `${good.slice(0, 10)}O${good.slice(11)}`],
    ['because its digits are full-width', good.replaceAll('0', '０')],
    ['because of version 2', withCheckDigit(`2${good.slice(1, 24)}`)],
    ['because of month 13', withCheckDigit('126130100000000001001001')],
    ['because of month 00', withCheckDigit('126000100000000001001001')],
    ['because of 29 February 2026', withCheckDigit('126022900000000001001001')],
    ['because of 29 February 2100, which was no leap year', withCheckDigit('100022900000000001001001')],
    ['because of 31 April', withCheckDigit('126043100000000001001001')],
    ['because of day 00', withCheckDigit('126010000000000001001001')],
    ['because of a year after 2115', withCheckDigit('116010100000000001001001')],
    ['because of a year before 2026', withCheckDigit('125123100000000001001001')],
    ['because the day has no such millisecond', withCheckDigit('126010186400000001001001')],
    ['because of group tag 128', withCheckDigit('126010100000000128001001')],
    ['because of worker 256', withCheckDigit('126010100000000001256001')],
    ['because of sequence 128', withCheckDigit('126010100000000001001128')],
    ['because of its check digit', good.slice(0, 24) + ((Number(good[24]) + 1) % 10)],
  ] as const) {
    test(why, () => {
      expect(parseOrderNo(text)).toBeUndefined();
    });
  }

  test('unless it is one', () => {
    expect(parseOrderNo(withCheckDigit('126010100000000001001001'))).toBeDefined();
  });
});

describe('the key of an order number', () => {
  test('orders numbers by time, then by group, worker and sequence', () => {
    const rank = (parts: OrderNumberParts) => [
      parts.day,
      parts.msOfDay,
      parts.groupTag,
      parts.workerId,
      parts.sequence,
    ];
    const compare = (a: readonly number[], b: readonly number[]) =>
      a.map((value, index) => Math.sign(value - (b[index] ?? 0))).find((sign) => sign !== 0) ?? 0;
    fc.assert(
      fc.property(partsOf, partsOf, upTo(4), (a, other, sameUntil) => {
        // Numbers that are equal in their leading fields are what random numbers alone would never show.
        const fields = ['day', 'msOfDay', 'groupTag', 'workerId', 'sequence'] as const;
        const b = { ...other, ...Object.fromEntries(fields.slice(0, sameUntil).map((field) => [field, a[field]])) };
        const difference = toOrderKey(formatOrderNo(a)) - toOrderKey(formatOrderNo(b));
        expect(difference > 0n ? 1 : difference < 0n ? -1 : 0).toBe(compare(rank(a), rank(b)));
      }),
      { numRuns: 2_000 },
    );
  });

  test('has 64 bits at most, and the largest uses all of them but the unused milliseconds', () => {
    const last = formatOrderNo({
      day: DAY_MAX,
      msOfDay: DAY_MS - 1,
      groupTag: groupTag(GROUP_TAG_MAX),
      workerId: WORKER_ID_MAX,
      sequence: SEQUENCE_MAX,
    });
    expect(toOrderKey(last)).toBe((2n ** 15n - 1n) * 2n ** 49n + 86_399_999n * 2n ** 22n + 2n ** 22n - 1n);
    expect(toOrderKey(last) < 2n ** 64n).toBe(true);
  });

  test('lies below the first key of a moment exactly when the number is older', () => {
    fc.assert(
      fc.property(partsOf, fc.integer({ min: -2, max: 2 }), (parts, differenceMs) => {
        const drawnMs = ORDER_EPOCH_MS + parts.day * DAY_MS + parts.msOfDay;
        const isOlder = toOrderKey(formatOrderNo(parts)) < firstOrderKeyAt(drawnMs + differenceMs);
        // The very last moment that numbers can say stands for all that come after.
        fc.pre(parts.day < DAY_MAX);
        expect(isOlder).toBe(differenceMs > 0);
      }),
    );
    expect(firstOrderKeyAt(0)).toBe(0n);
  });

  for (const key of [-1n, 2n ** 64n, (2n ** 27n - 1n) << 22n]) {
    test(`is not ${key}, which no number has`, () => {
      expect(() => fromOrderKey(key as OrderKey)).toThrow();
    });
  }
});

describe("a channel's order number", () => {
  const orderNo = formatOrderNo(at('2026-06-01T10:20:30.400Z'));

  test('leads back to payment and attempt', () => {
    fc.assert(
      fc.property(partsOf, fc.integer({ min: 1, max: ATTEMPTS_MAX }), (parts, attempt) => {
        const number = formatOrderNo(parts);
        const attemptNo = parseAttemptNo(attempt) as AttemptNo;
        const text = toChannelOrderNo(number, attemptNo);
        expect(text).toHaveLength(26);
        expect(parseChannelOrderNo(text)).toEqual({ orderNo: number, attemptNo });
      }),
    );
  });

  for (const [why, text] of [
    ['it has no attempt', orderNo],
    ['it has attempt 0', `${orderNo}0`],
    ['it has two digits of attempt', `${orderNo}12`],
    ['its attempt is a letter', `${orderNo}a`],
    ['its attempt is a space', `${orderNo} `],
    ['its order number is wrong', `${orderNo.slice(0, 24)}${(Number(orderNo[24]) + 1) % 10}1`],
    ['it is empty', ''],
    ['it is that of another shop', '1217752501201407033233368018'],
  ] as const) {
    test(`is none of ours when ${why}`, () => {
      expect(parseChannelOrderNo(text)).toBeUndefined();
    });
  }
});
