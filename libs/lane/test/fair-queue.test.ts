import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FairQueue, type Waiter } from '../src/fair-queue.ts';
import { aLane, endOf, heldWork, NEVER_OPEN, settle } from './a-lane.ts';

type Named = Waiter & { readonly id: number };
const waiter = (merchant: string, id: number): Named => ({
  merchant,
  id,
  queueNext: undefined,
  queueBefore: undefined,
  flow: undefined,
});
const everybody = () => true;

describe('a fair queue', () => {
  test('serves merchants in turn, however many calls of one wait, and each in the order of its own', () => {
    const queue = new FairQueue(() => 1);
    for (let id = 0; id < 50; id += 1) queue.push(waiter('greedy', id));
    for (let id = 0; id < 3; id += 1) queue.push(waiter('small', id));
    const served = Array.from({ length: 8 }, () => queue.shift(everybody));
    expect(served.map((each) => each?.merchant)).toEqual([
      'greedy',
      'small',
      'greedy',
      'small',
      'greedy',
      'small',
      'greedy',
      'greedy',
    ]);
    expect(served.filter((each) => each?.merchant === 'small')).toMatchObject([{ id: 0 }, { id: 1 }, { id: 2 }]);
  });

  test('gives a merchant of weight 3 three places where another gets one', () => {
    const queue = new FairQueue((merchant) => (merchant === 'big' ? 3 : 1));
    for (let id = 0; id < 40; id += 1) {
      queue.push(waiter('big', id));
      queue.push(waiter('small', id));
    }
    const served = Array.from({ length: 40 }, () => queue.shift(everybody)?.merchant);
    expect(served.filter((merchant) => merchant === 'big')).toHaveLength(30);
  });

  test('passes over a merchant that may not have a place now, and comes back to it', () => {
    const queue = new FairQueue(() => 1);
    queue.push(waiter('a', 0));
    queue.push(waiter('b', 0));
    expect(queue.shift((merchant) => merchant !== 'a')?.merchant).toBe('b');
    expect(queue.shift((merchant) => merchant !== 'a')).toBeUndefined();
    expect(queue.shift(everybody)?.merchant).toBe('a');
  });

  test('loses nobody and keeps the order of each merchant, whatever comes and leaves', () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant('push' as const), merchant: fc.constantFrom('a', 'b', 'c') }),
      fc.record({ do: fc.constant('shift' as const) }),
      fc.record({ do: fc.constant('leave' as const), place: fc.nat(20) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const queue = new FairQueue((merchant) => (merchant === 'a' ? 2 : 1));
        const waiting: Named[] = [];
        let id = 0;
        for (const each of steps) {
          if (each.do === 'push') {
            id += 1;
            const entered = waiter(each.merchant, id);
            waiting.push(entered);
            queue.push(entered);
          } else if (each.do === 'leave') {
            const [gone] = waiting.splice(each.place, 1);
            if (gone !== undefined) queue.remove(gone);
          } else {
            const served = queue.shift(everybody);
            if (waiting.length === 0) expect(served).toBeUndefined();
            else {
              // The first of its merchant.
              const first = waiting.find(({ merchant }) => merchant === served?.merchant);
              expect(served).toBe(first);
              waiting.splice(waiting.indexOf(first ?? waiter('', 0)), 1);
            }
          }
          expect(queue.count).toBe(waiting.length);
          for (const merchant of ['a', 'b', 'c']) {
            expect(queue.countOf(merchant)).toBe(waiting.filter((one) => one.merchant === merchant).length);
          }
        }
      }),
    );
  });
});

describe('merchants in a lane', () => {
  const limits = { concurrentMax: 4, queuedMax: 8, ...NEVER_OPEN } as const;
  const call = (lane: ReturnType<typeof aLane>['lane'], merchant: string) => {
    const held = heldWork();
    return { held, end: endOf(lane.run(held.work, { merchant })) };
  };

  test('one alone may have every place', async () => {
    const { lane } = aLane(limits);
    const calls = Array.from({ length: 12 }, () => call(lane, 'greedy'));
    await settle();
    expect(lane.reading()).toMatchObject({ inFlight: 4, queued: 8 });
    for (const { held } of calls) held.succeed();
    await Promise.all(calls.map(({ end }) => end));
  });

  test('with others about, the greedy one leaves them places that are free', async () => {
    const { lane } = aLane(limits);
    const first = call(lane, 'small');
    first.held.succeed();
    await first.end;
    const calls = Array.from({ length: 12 }, () => call(lane, 'greedy'));
    await settle();
    // Three quarters of four places and of eight in the queue.
    expect(lane.reading()).toMatchObject({ inFlight: 3, queued: 6 });
    const late = call(lane, 'small');
    await settle();
    expect(late.held.begun()).toBe(true);
    late.held.succeed();
    for (const { held } of calls) held.succeed();
    expect(await late.end).toBe('completed');
    const ends = await Promise.all(calls.map(({ end }) => end));
    expect(ends.filter((end) => end === 'merchant_share')).toHaveLength(3);
  });

  test('what was lent is taken back at once: a newcomer gets the queue place of the greediest one’s newest call', async () => {
    const { lane } = aLane(limits);
    const calls = Array.from({ length: 12 }, () => call(lane, 'greedy'));
    const newcomer = call(lane, 'small');
    await settle();
    expect(await calls.at(-1)?.end).toBe('merchant_share');
    expect(lane.reading().queued).toBe(8);
    calls[0]?.held.succeed();
    calls[1]?.held.succeed();
    await settle();
    // Of two places that became free one goes to each.
    expect(newcomer.held.begun()).toBe(true);
    newcomer.held.succeed();
    for (const { held } of calls) held.succeed();
    expect(await newcomer.end).toBe('completed');
    await Promise.all(calls.map(({ end }) => end));
  });
});
