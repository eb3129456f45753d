import { describe, expect, test } from 'vitest';
import {
  ATTEMPTS_MAX,
  parseAccountId,
  parseAttemptNo,
  parseChannelId,
  parseGroupTag,
  parseMerchantId,
  parseMerchantOrderNo,
  parseMerchantRefundNo,
} from '../src/index.ts';

const PARSERS = {
  'a merchant id': {
    parse: parseMerchantId,
    longest: 32,
    taken: ['m', 'M-1_a', '0'],
    refused: ['', 'a b', 'a|b', 'a*', 'ä', 'a\n'],
  },
  'a merchant order number': {
    parse: parseMerchantOrderNo,
    longest: 64,
    taken: ['1', 'a_b|c*d-e', '0'],
    refused: ['', 'a b', 'a/b', 'ä', "a'b", 'a\n', '１'],
  },
  'a merchant refund number': {
    parse: parseMerchantRefundNo,
    longest: 64,
    taken: ['1', 'R|1*'],
    refused: ['', ' ', 'a\n'],
  },
  'a channel id': {
    parse: parseChannelId,
    longest: 32,
    taken: ['wechat', 'a-1', '0'],
    refused: ['', '-a', 'WeChat', 'a_b', 'a\n', '../x'],
  },
  'an account id': {
    parse: parseAccountId,
    longest: 32,
    taken: ['wechat-a', '1'],
    refused: ['', '-a', 'A', 'a.b', 'a\n'],
  },
} as const;

for (const [what, { parse, longest, taken, refused }] of Object.entries(PARSERS)) {
  describe(what, () => {
    for (const text of [...taken, 'a'.repeat(longest)]) {
      test(`may be ${JSON.stringify(text)}`, () => {
        expect(parse(text)).toBe(text);
      });
    }
    for (const text of [...refused, 'a'.repeat(longest + 1)]) {
      test(`may not be ${JSON.stringify(text)}`, () => {
        expect(parse(text)).toBeUndefined();
      });
    }
  });
}

test('attempts are numbered from 1 to 9, because one digit tells them apart', () => {
  const taken = [-1, 0, 1, 1.5, 5, 9, 10, Number.NaN].filter((value) => parseAttemptNo(value) !== undefined);
  expect(taken).toEqual([1, 5, 9]);
  expect(ATTEMPTS_MAX).toBe(9);
});

test('group tags go from 0 to 127', () => {
  const taken = [-1, 0, 0.5, 127, 128, Number.NaN].filter((value) => parseGroupTag(value) !== undefined);
  expect(taken).toEqual([0, 127]);
});
