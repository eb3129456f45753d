import { groupTag } from '@tillmesh/domain';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readPageToken, writePageToken } from '../src/page-token.ts';

const KEY_MAX = 2n ** 64n - 1n;
const keys = fc.bigInt({ min: 0n, max: KEY_MAX });
const tokens = fc.record({
  floor: keys,
  position: fc.record({
    before: keys,
    behind: fc
      .uniqueArray(fc.tuple(fc.integer({ min: 0, max: 127 }).map(groupTag), keys), { selector: ([tag]) => tag })
      .map((places) => new Map(places)),
  }),
});

describe('a page token', () => {
  test('reads back as it was written, and fits the request with a place for every possible group', () => {
    fc.assert(
      fc.property(tokens, fc.string(), (token, question) => {
        const written = writePageToken(token, question);
        expect(written.length).toBeLessThanOrEqual(2_048);
        expect(readPageToken(written, question)).toEqual(token);
      }),
    );
  });

  test('is refused for another question, when it is cut, changed or none at all', () => {
    const token = { floor: 1n, position: { before: 9n, behind: new Map([[groupTag(3), 12n]]) } };
    const written = writePageToken(token, 'of m-1');
    expect(readPageToken(written, 'of m-2')).toBeUndefined();
    expect(readPageToken(written.slice(0, -4), 'of m-1')).toBeUndefined();
    const ofLaterForm = Buffer.from(written, 'base64url').fill(2, 0, 1).toString('base64url');
    expect(readPageToken(ofLaterForm, 'of m-1')).toBeUndefined();
    expect(readPageToken('', 'of m-1')).toBeUndefined();
    expect(readPageToken('no token!', 'of m-1')).toBeUndefined();
  });
});
