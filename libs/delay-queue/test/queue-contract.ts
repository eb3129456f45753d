import { type Random, seededRandom } from '@tillmesh/clock';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Claim,
  type DelayQueue,
  DelayQueueError,
  type DelayQueueErrorCode,
  type DelayQueueLimits,
  type Entry,
  sizeOf,
} from '../src/index.ts';

/** A queue that nobody else uses, and its time. */
export type OpenedQueue = {
  readonly queue: DelayQueue;
  /** Resolves when at least so much of the queue's time has passed. */
  pass(ms: number): Promise<void>;
  /** Of the queue's time, to compare with itself, ms. */
  nowMs(): number;
};
export type OpenQueue = (limits?: Partial<DelayQueueLimits>) => Promise<OpenedQueue>;

const LONG_MS = 30_000;
/** By how much a machine's clocks may differ in what they call the same moment, ms. */
const CLOCKS_MS = 3;

export const entry = (id: string, afterMs = 0, more: Partial<Entry> = {}): Entry => ({
  id,
  payload: `payload of ${id}`,
  afterMs,
  ifWaiting: 'sooner',
  ...more,
});

/** Whatever is due in any shard. */
export const claimAll = async (
  queue: DelayQueue,
  visibilityMs = LONG_MS,
  limit = queue.limits.batchMax,
): Promise<Claim[]> => {
  const batches = await Promise.all(
    Array.from({ length: queue.shardCount }, (_, shard) => queue.claim({ shard, limit, visibilityMs })),
  );
  return batches.flatMap(({ claims }) => claims);
};

const idsOf = (claims: readonly { readonly id: string }[]): string[] => claims.map(({ id }) => id).toSorted();
const idsUpTo = (count: number): string[] => Array.from({ length: count }, (_, n) => `entry-${n}`);
const one = async (queue: DelayQueue, visibilityMs = LONG_MS): Promise<Claim> => {
  const [claim] = await claimAll(queue, visibilityMs);
  if (claim === undefined) throw new Error('nothing was due');
  return claim;
};
const codeOf = (call: Promise<unknown>): Promise<DelayQueueErrorCode | 'none'> =>
  call.then(
    () => 'none',
    (error: unknown) => {
      if (!(error instanceof DelayQueueError)) throw error;
      return error.code;
    },
  );

/**
 * What every tier promises.
 *
 * @param shortMs long enough for several calls on a busy machine, short enough for many tests.
 */
export const promises = (open: OpenQueue, shortMs: number): void => {
  describe('an entry', () => {
    test('is claimed when it is due and not before, with its payload', async () => {
      const { queue, pass } = await open();
      expect(await queue.add([entry('it', shortMs), entry('later', LONG_MS)])).toEqual(['added', 'added']);
      expect(await claimAll(queue)).toEqual([]);
      await pass(shortMs + 1);
      const claim = await one(queue);
      expect(claim).toMatchObject({ id: 'it', payload: 'payload of it', shard: queue.shardOf('it') });
      expect(claim.lateMs).toBeGreaterThanOrEqual(0);
    });

    test('is nobody else’s for its visibility time, and comes again after it', async () => {
      const { queue, pass } = await open();
      await queue.add([entry('it')]);
      await pass(1);
      const first = await one(queue, shortMs);
      expect(await claimAll(queue)).toEqual([]);
      await pass(shortMs + 1);
      const second = await one(queue);
      expect([second.id, second.payload]).toEqual([first.id, first.payload]);
      // Who had it first is too late.
      expect(await queue.ack([first])).toEqual(['fenced']);
      expect(await queue.again([{ ...first, afterMs: 0 }])).toEqual(['fenced']);
      expect(await queue.extend([first], LONG_MS)).toEqual([undefined]);
      expect(await sizeOf(queue)).toBe(1);
      expect(await queue.ack([second])).toEqual(['held']);
      expect(await sizeOf(queue)).toBe(0);
    });

    test('that is acknowledged never comes again; acknowledged a second time it is nobody’s', async () => {
      const { queue, pass } = await open();
      await queue.add(idsUpTo(5).map((id) => entry(id)));
      await pass(1);
      const claims = await claimAll(queue, shortMs);
      expect(await queue.ack(claims.slice(0, 4))).toEqual(['held', 'held', 'held', 'held']);
      expect(await queue.ack(claims)).toEqual(['fenced', 'fenced', 'fenced', 'fenced', 'held']);
      await pass(shortMs + 1);
      expect(await claimAll(queue)).toEqual([]);
    });

    test('may still be acknowledged late by who had it last', async () => {
      const { queue, pass } = await open();
      await queue.add([entry('it')]);
      await pass(1);
      const claim = await one(queue, 1);
      await pass(3);
      expect(await queue.ack([claim])).toEqual(['held']);
      expect(await sizeOf(queue)).toBe(0);
    });

    test('comes again when its claimer wants it to', async () => {
      const { queue, pass } = await open();
      await queue.add([entry('it')]);
      await pass(1);
      const claim = await one(queue);
      expect(await queue.again([{ ...claim, afterMs: shortMs }])).toEqual(['held']);
      expect(await claimAll(queue)).toEqual([]);
      await pass(shortMs + 1);
      const next = await one(queue);
      expect(next).toMatchObject({ id: 'it', payload: 'payload of it' });
      expect(await queue.ack([claim])).toEqual(['fenced']);
      expect(await queue.ack([next])).toEqual(['held']);
    });

    test('stays its claimer’s for longer when that is asked for, never for less', async () => {
      const { queue, pass } = await open();
      await queue.add([entry('it')]);
      await pass(1);
      const claim = await one(queue, shortMs);
      const [longer] = await queue.extend([claim], LONG_MS);
      const [notShorter] = await queue.extend(longer === undefined ? [] : [longer], 1);
      await pass(shortMs + 1);
      expect(await claimAll(queue)).toEqual([]);
      expect(await queue.ack(notShorter === undefined ? [] : [notShorter])).toEqual(['held']);
    });

    test('that is removed is gone for everybody', async () => {
      const { queue, pass } = await open();
      await queue.add([entry('waiting', LONG_MS), entry('claimed'), entry('stays')]);
      await pass(1);
      const claims = await claimAll(queue, shortMs);
      expect(await queue.remove(['waiting', 'claimed', 'unknown'])).toBe(2);
      expect(await queue.ack(claims.filter(({ id }) => id === 'claimed'))).toEqual(['fenced']);
      await pass(shortMs + 1);
      expect(idsOf(await claimAll(queue))).toEqual(['stays']);
    });

    test('is dropped when nobody has ended it for long after its time, and counted', async () => {
      const { queue, pass } = await open({ keepMs: shortMs });
      await queue.add([entry('never claimed'), entry('again and again')]);
      await pass(1);
      const shards = [queue.shardOf('never claimed'), queue.shardOf('again and again')];
      await queue.claim({ shard: shards[1] ?? 0, limit: 1, visibilityMs: 1 });
      await pass(shortMs + 300);
      const batches = [];
      for (const shard of new Set(shards)) {
        batches.push(await queue.claim({ shard, limit: 10, visibilityMs: LONG_MS }));
      }
      expect(batches.flatMap(({ claims }) => claims)).toEqual([]);
      expect(batches.reduce((sum, { stale }) => sum + stale, 0)).toBe(2);
      expect(await sizeOf(queue)).toBe(0);
    });
  });

  describe('an id that waits already', () => {
    test('keeps the sooner of its times, unless the new one is to replace it', async () => {
      const { queue, pass } = await open();
      await queue.add([entry('it', LONG_MS)]);
      expect(await queue.add([entry('it', LONG_MS * 2)])).toEqual(['kept']);
      expect(await queue.add([entry('it', shortMs, { payload: 'the latest' })])).toEqual(['moved']);
      expect(await queue.add([entry('it', LONG_MS, { payload: 'the latest' })])).toEqual(['kept']);
      expect(await sizeOf(queue)).toBe(1);
      await pass(shortMs + 1);
      expect(await one(queue)).toMatchObject({ id: 'it', payload: 'the latest' });
      expect(await queue.add([entry('other', shortMs)])).toEqual(['added']);
      expect(await queue.add([entry('other', LONG_MS, { ifWaiting: 'replace' })])).toEqual(['moved']);
      await pass(shortMs + 1);
      expect(await claimAll(queue)).toEqual([]);
    });

    test('that somebody is at work on comes after them: news that came meanwhile is not acknowledged with the old', async () => {
      const { queue, pass } = await open();
      await queue.add([entry('it')]);
      await pass(1);
      const claim = await one(queue);
      expect(await queue.add([entry('it', 0, { payload: 'news' })])).toEqual(['after_claim']);
      // Two must not be at work on it at once.
      await pass(2);
      expect(await claimAll(queue)).toEqual([]);
      expect(await queue.ack([claim])).toEqual(['held']);
      await pass(2);
      const next = await one(queue);
      expect(next).toMatchObject({ id: 'it', payload: 'news' });
      expect(await queue.ack([next])).toEqual(['held']);
      expect(await sizeOf(queue)).toBe(0);
    });

    test('that somebody is at work on comes at the sooner of what they and others want', async () => {
      const { queue, pass } = await open();
      await queue.add([entry('it')]);
      await pass(1);
      const claim = await one(queue);
      await queue.add([entry('it', LONG_MS)]);
      await queue.add([entry('it', 1)]);
      await queue.again([{ ...claim, afterMs: LONG_MS }]);
      await pass(3);
      const next = await one(queue);
      await queue.add([entry('it', LONG_MS)]);
      await queue.again([{ ...next, afterMs: 1 }]);
      await pass(3);
      await queue.ack([await one(queue)]);
      expect(await sizeOf(queue)).toBe(0);
    });

    test('is not lost when its claimer, whose time was over, acknowledges at last', async () => {
      const { queue, pass } = await open();
      await queue.add([entry('it')]);
      await pass(1);
      const claim = await one(queue, 1);
      await pass(3);
      await queue.add([entry('it')]);
      expect(await queue.ack([claim])).toEqual(['fenced']);
      await pass(1);
      expect(await one(queue)).toMatchObject({ id: 'it' });
    });
  });

  describe('a claim', () => {
    test('takes at most its limit, the longest due first, and says when there is more', async () => {
      const { queue, pass } = await open();
      const shard = queue.shardOf('entry-0');
      const own = idsUpTo(1_000)
        .filter((id) => queue.shardOf(id) === shard)
        .slice(0, 6);
      for (const [place, id] of own.entries()) await queue.add([entry(id, (own.length - place) * 10)]);
      await pass(own.length * 10 + 2);
      const first = await queue.claim({ shard, limit: 2, visibilityMs: LONG_MS });
      expect(first.claims.map(({ id }) => id)).toEqual([own[5], own[4]]);
      expect(first.nextInMs).toBe(0);
      const rest = await queue.claim({ shard, limit: 100, visibilityMs: LONG_MS });
      expect(rest.claims.map(({ id }) => id)).toEqual([own[3], own[2], own[1], own[0]]);
      // All are hidden now.
      expect(rest.nextInMs ?? 0).toBeGreaterThan(0);
      await queue.ack([...first.claims, ...rest.claims]);
      expect((await queue.claim({ shard, limit: 1, visibilityMs: LONG_MS })).nextInMs).toBeUndefined();
    });

    test('gives each entry to one of several who ask at once', async () => {
      const { queue, pass } = await open();
      const all = idsUpTo(300);
      await queue.add(all.map((id) => entry(id)));
      await pass(1);
      const claimed: Claim[] = [];
      for (let round = 0; round < 100 && claimed.length < all.length; round += 1) {
        const answers = await Promise.all(Array.from({ length: 4 }, () => claimAll(queue, LONG_MS, 2)));
        claimed.push(...answers.flat());
      }
      expect(idsOf(claimed)).toEqual(all.toSorted());
    });
  });

  test('a look says how many wait and how long the oldest has been due', async () => {
    const { queue, pass } = await open();
    const shard = queue.shardOf('it');
    expect(await queue.look(shard)).toEqual({ count: 0, overdueMs: 0 });
    await queue.add([entry('it', 1)]);
    await pass(shortMs);
    const look = await queue.look(shard);
    expect(look.count).toBe(1);
    expect(look.overdueMs).toBeGreaterThanOrEqual(shortMs - 10);
    await claimAll(queue);
    expect(await queue.look(shard)).toEqual({ count: 1, overdueMs: 0 });
  });

  describe('is refused, and changes nothing:', () => {
    const many = (count: number) => idsUpTo(count).map((id) => entry(id));
    const claimOf = (id: string): Claim => ({ id, payload: '', shard: 0, token: 1, lateMs: 0 });
    const CALLS: readonly (readonly [
      what: string,
      code: DelayQueueErrorCode,
      call: (queue: DelayQueue) => Promise<unknown>,
    ])[] = [
      ['too many entries at once', 'batch_too_large', (queue) => queue.add(many(501))],
      ['an id twice', 'id_twice', (queue) => queue.add([entry('it'), entry('it')])],
      ['no id', 'id_invalid', (queue) => queue.add([entry('')])],
      ['an id that is too long', 'id_invalid', (queue) => queue.add([entry('é'.repeat(65))])],
      ['half a character', 'id_invalid', (queue) => queue.add([entry('\ud800')])],
      [
        'a payload too large',
        'payload_too_large',
        (queue) => queue.add([entry('it', 0, { payload: 'é'.repeat(513) })]),
      ],
      ['a good entry beside a bad one', 'id_invalid', (queue) => queue.add([entry('it'), entry('')])],
      ['a time that is over', 'time_invalid', (queue) => queue.add([entry('it', -1)])],
      ['a time too far', 'time_invalid', (queue) => queue.add([entry('it', 30 * 86_400_000 + 1)])],
      ['half a millisecond', 'time_invalid', (queue) => queue.add([entry('it', 0.5)])],
      ['no time', 'time_invalid', (queue) => queue.add([entry('it', Number.NaN)])],
      ['a claim of nothing', 'batch_too_large', (queue) => queue.claim({ shard: 0, limit: 0, visibilityMs: 1 })],
      ['a claim of too many', 'batch_too_large', (queue) => queue.claim({ shard: 0, limit: 501, visibilityMs: 1 })],
      ['a claim for no time', 'time_invalid', (queue) => queue.claim({ shard: 0, limit: 1, visibilityMs: 0 })],
      ['a claim for too long', 'time_invalid', (queue) => queue.claim({ shard: 0, limit: 1, visibilityMs: 600_001 })],
      [
        'a shard that is not there',
        'shard_invalid',
        (queue) => queue.claim({ shard: queue.shardCount, limit: 1, visibilityMs: 1 }),
      ],
      ['a look at a shard that is not there', 'shard_invalid', (queue) => queue.look(-1)],
      ['a wrong new time', 'time_invalid', (queue) => queue.again([{ ...claimOf('it'), afterMs: -1 }])],
      ['too many acknowledgements', 'batch_too_large', (queue) => queue.ack(idsUpTo(501).map(claimOf))],
      ['a wrong extension', 'time_invalid', (queue) => queue.extend([claimOf('it')], 0)],
    ];
    for (const [what, code, call] of CALLS) {
      test(what, async () => {
        const { queue } = await open();
        expect(await codeOf(call(queue))).toBe(code);
        expect(await sizeOf(queue)).toBe(0);
      });
    }

    test('an entry for a full shard, by its name; what waits may still be moved', async () => {
      const { queue } = await open({ shardEntriesMax: 2 });
      const shard = queue.shardOf('entry-0');
      const own = idsUpTo(1_000)
        .filter((id) => queue.shardOf(id) === shard)
        .slice(0, 3);
      const refused = await queue.add(own.map((id) => entry(id, LONG_MS))).catch((error: unknown) => error);
      expect(refused).toMatchObject({ code: 'shard_full', ids: [own[2]] });
      expect(await queue.add([entry(own[0] ?? '', 1)])).toEqual(['moved']);
      expect(await sizeOf(queue)).toBe(2);
    });
  });

  test('nothing is nothing: empty calls are answered', async () => {
    const { queue } = await open();
    expect(await queue.add([])).toEqual([]);
    expect(await queue.ack([])).toEqual([]);
    expect(await queue.again([])).toEqual([]);
    expect(await queue.extend([], 1)).toEqual([]);
    expect(await queue.remove([])).toBe(0);
  });

  test('ids and payloads are any text: line ends, braces, spaces, other scripts, nothing', async () => {
    const { queue, pass } = await open();
    const texts = ['{63}', 'a b\r\nc', '支付 💳', '*', ':due', '/', '__proto__', '\0'];
    await queue.add(texts.map((text) => entry(text, 0, { payload: text === '*' ? '' : text })));
    await pass(1);
    const claims = await claimAll(queue);
    const payloads = new Map(claims.map(({ id, payload }) => [id, payload]));
    expect(payloads).toEqual(new Map(texts.map((text) => [text, text === '*' ? '' : text])));
    expect(new Set(await queue.ack(claims))).toEqual(new Set(['held']));
  });
};

type Known = {
  /** Of the latest claim, while it may still be acknowledged. */
  claim: { readonly token: number; readonly hiddenUntilMs: number } | undefined;
  /** An `add` came during the claim, for this time. */
  wantedMs: number | undefined;
};

/**
 * Workers that come, work, fall asleep and die, by chance: nothing that waits is lost, nobody gets what another one has, and who comes
 * late changes nothing.
 */
export const survivesWorkers = (
  open: OpenQueue,
  scale: { readonly runs: number; readonly steps: number; readonly visibilityMs: number },
): void => {
  const { runs, steps, visibilityMs } = scale;

  const live = async (random: Random): Promise<void> => {
    const { queue, pass, nowMs } = await open();
    const known = new Map<string, Known>();
    /** In the hands of workers, the slow and the dead among them. */
    let hands: Claim[] = [];
    /** What the queue and this model may see differently, because it happened at the same moment. */
    const doubtful = new Set<string>();

    const add = async (id: string, afterMs: number, ifWaiting: Entry['ifWaiting']): Promise<void> => {
      const before = known.get(id);
      const atMs = nowMs();
      const [came] = await queue.add([entry(id, afterMs, { ifWaiting })]);
      if (doubtful.delete(id) && came === 'added') known.delete(id);
      else expect(came === 'added').toBe(before === undefined);
      if (came === 'after_claim') {
        expect(before?.claim).toBeDefined();
        const wantedMs = atMs + afterMs;
        const sooner = ifWaiting === 'sooner' ? (before?.wantedMs ?? wantedMs) : wantedMs;
        known.set(id, { claim: before?.claim, wantedMs: Math.min(wantedMs, sooner) });
      } else known.set(id, { claim: undefined, wantedMs: undefined });
    };

    const take = async (forMs: number): Promise<Claim[]> => {
      const atMs = nowMs();
      const claims = await claimAll(queue, forMs, 1 + random.below(10));
      const untilMs = nowMs();
      for (const { id, token } of claims) {
        const before = known.get(id);
        if (before === undefined) {
          expect(doubtful.has(id), `${id} came although it was ended`).toBe(true);
          doubtful.delete(id);
        }
        expect(untilMs, `${id} is in two hands`).toBeGreaterThanOrEqual(
          (before?.claim?.hiddenUntilMs ?? Number.NEGATIVE_INFINITY) - CLOCKS_MS,
        );
        const wantedMs = before?.wantedMs;
        if (wantedMs !== undefined && Math.abs(wantedMs - untilMs) < CLOCKS_MS + untilMs - atMs) doubtful.add(id);
        known.set(id, {
          claim: { token, hiddenUntilMs: atMs + forMs },
          wantedMs: wantedMs !== undefined && wantedMs > atMs ? wantedMs : undefined,
        });
      }
      return claims;
    };

    const end = async (claims: readonly Claim[]): Promise<void> => {
      const held = await queue.ack(claims);
      for (const [place, { id, token }] of claims.entries()) {
        const before = known.get(id);
        expect(held[place] === 'held', `the acknowledgement of ${id}`).toBe(before?.claim?.token === token);
        if (held[place] !== 'held') continue;
        if (before?.wantedMs === undefined) known.delete(id);
        else known.set(id, { claim: undefined, wantedMs: undefined });
      }
    };

    const comeAgain = async (claims: readonly Claim[], afterMs: number): Promise<void> => {
      const held = await queue.again(claims.map((claim) => ({ ...claim, afterMs })));
      for (const [place, { id, token }] of claims.entries()) {
        expect(held[place] === 'held', `another time for ${id}`).toBe(known.get(id)?.claim?.token === token);
        if (held[place] === 'held') {
          known.set(id, { claim: undefined, wantedMs: undefined });
          doubtful.delete(id);
        }
      }
    };

    for (let step = 0; step < steps; step += 1) {
      const dice = random.below(100);
      // One worker's claims: no id twice, though an earlier claim of it may be in other hands.
      const some = hands.filter(
        (claim, place) => random.below(2) === 0 && hands.findIndex(({ id }) => id === claim.id) === place,
      );
      if (dice < 30) {
        const ifWaiting = random.below(4) === 0 ? 'replace' : 'sooner';
        await add(`entry-${random.below(20)}`, random.below(visibilityMs), ifWaiting);
      } else if (dice < 55) hands.push(...(await take(visibilityMs)));
      else if (dice < 70) {
        await end(some);
        hands = hands.filter((claim) => !some.includes(claim));
      } else if (dice < 78) {
        await comeAgain(some, random.below(visibilityMs));
        hands = hands.filter((claim) => !some.includes(claim));
      } else if (dice < 82) {
        // Dead: what it had is acknowledged by nobody.
        hands = hands.filter((claim) => !some.includes(claim));
      } else await pass(random.below(Math.ceil(visibilityMs * 0.7)));
    }

    // All workers have died; one that is well comes.
    const missing = new Set([...known.keys()].filter((id) => !doubtful.has(id)));
    for (let round = 0; round < 100 && (missing.size > 0 || (await sizeOf(queue)) > 0); round += 1) {
      await pass(visibilityMs / 4);
      const claims = await take(LONG_MS);
      await end(claims);
      for (const { id } of claims) missing.delete(id);
    }
    expect([...missing], 'are lost').toEqual([]);
    expect(await sizeOf(queue)).toBe(0);
  };

  test('every entry is handled at least once and by one worker at a time, whichever workers sleep or die', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), (seed) => live(seededRandom(seed))),
      { numRuns: runs, endOnFailure: true },
    );
  });
};
