import { seededRandom, systemRandom } from '@tillmesh/clock';
import { describe, expect, test } from 'vitest';
import { type Token, Tokens } from '../src/tokens.ts';

/** Ten requests a second; half a request may be saved up for each a second. */
const TEN = 10_000;
const burstOf = (share: number): number => share * 500;
const started = (share: number, nowMs = 0): Tokens => {
  const tokens = new Tokens(burstOf, nowMs);
  tokens.resize(share, nowMs);
  return tokens;
};
const takeAll = (tokens: Tokens, nowMs: number): Token[] => {
  const taken: Token[] = [];
  for (let token = tokens.take(nowMs); token !== undefined; token = tokens.take(nowMs)) taken.push(token);
  return taken;
};
/** Takes and uses. */
const sendAll = (tokens: Tokens, nowMs: number): number =>
  takeAll(tokens, nowMs).filter((token) => tokens.use(token, nowMs)).length;

describe('tokens', () => {
  test('begin with nothing and come with the share, 3 % slower for clocks that are fast', () => {
    const tokens = started(TEN);
    expect(tokens.take(0)).toBeUndefined();
    expect(tokens.waitMs(0)).toBeCloseTo(1_000 / 9.7, 3);
    expect(sendAll(tokens, 400)).toBe(3);
    expect(sendAll(tokens, 413)).toBe(1);
  });

  test('that are saved up are no more than the burst, however long it took', () => {
    const tokens = started(TEN);
    expect(sendAll(tokens, 3_600_000)).toBe(5);
    expect(sendAll(tokens, 3_600_001)).toBe(0);
    // The hour in which the bucket was full counts no more.
    expect(sendAll(tokens, 3_600_104)).toBe(1);
  });

  test('in hand take room: what is used late does not come on top of a full bucket', () => {
    const tokens = started(TEN);
    const inHand = takeAll(tokens, 10_000);
    expect(inHand).toHaveLength(5);
    expect(tokens.take(20_000)).toBeUndefined();
    expect(tokens.waitMs(20_000)).toBe(Number.POSITIVE_INFINITY);
    expect(inHand.filter((token) => tokens.use(token, 20_000))).toHaveLength(5);
    expect(sendAll(tokens, 20_000)).toBe(0);
  });

  test('that are given back are there again; a second use and a second return are nothing', () => {
    const tokens = started(TEN);
    const [first, second] = takeAll(tokens, 10_000);
    if (first === undefined || second === undefined) throw new Error('there are five');
    tokens.giveBack(first, 10_000);
    tokens.giveBack(first, 10_000);
    expect(tokens.use(second, 10_000)).toBe(true);
    expect(tokens.use(second, 10_000)).toBe(false);
    tokens.giveBack(second, 10_000);
    expect(sendAll(tokens, 10_000)).toBe(1);
  });

  test('above a smaller share are gone, in hand or not; a larger share brings none', () => {
    const tokens = started(TEN);
    const inHand = [tokens.take(10_000), tokens.take(10_000), tokens.take(10_000)];
    tokens.resize(TEN / 2, 10_000);
    expect(inHand.map((token) => token !== undefined && tokens.use(token, 10_000))).toEqual([true, true, false]);
    expect(sendAll(tokens, 10_000)).toBe(0);
    tokens.resize(10 * TEN, 10_000);
    expect(sendAll(tokens, 10_000)).toBe(0);
  });

  test('never come faster than the share in any window, whatever is done in whatever order', () => {
    const seed = systemRandom.below(1_000_000);
    console.log(`seed ${seed}`);
    const random = seededRandom(seed);
    for (let run = 0; run < 300; run += 1) {
      let nowMs = 0;
      let level = 0;
      let usedAtMs = 0;
      const tokens = started(TEN);
      let inHand: Token[] = [];
      for (let step = 0; step < 300; step += 1) {
        nowMs += random.below(4) === 0 ? random.below(2_000) : random.fraction() * 50;
        const dice = random.below(10);
        if (dice < 5) {
          const token = tokens.take(nowMs);
          if (token !== undefined) inHand.push(token);
        } else if (dice < 9) {
          const token = inHand.shift();
          if (token === undefined || !tokens.use(token, nowMs)) continue;
          // A bucket that leaks with the rate holds what any window has beyond it.
          level = Math.max(0, level - ((nowMs - usedAtMs) * TEN) / 1_000_000) + 1;
          usedAtMs = nowMs;
          expect(level).toBeLessThanOrEqual(5 + 1e-6);
        } else {
          for (const token of inHand) tokens.giveBack(token, nowMs);
          inHand = [];
        }
      }
    }
  });

  test('that were wanted in vain are part of the demand', () => {
    const tokens = started(TEN);
    tokens.takeDemand(10_000);
    expect(sendAll(tokens, 11_000)).toBe(5);
    tokens.refuse();
    tokens.setWaiting(4);
    expect(tokens.takeDemand(12_000)).toBe(TEN / 2);
    tokens.setWaiting(0);
    expect(tokens.takeDemand(13_000)).toBe(0);
  });
});
