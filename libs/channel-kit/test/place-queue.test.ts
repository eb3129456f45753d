import { createContractLease } from '@tillmesh/channel-contract';
import { ManualClock } from '@tillmesh/clock';
import { describe, expect, test } from 'vitest';
import { type HeldPlace, type NoPlace, type PlaceCall, PlaceQueue } from '../src/place-queue.ts';

const LIMITS = { queuedMax: 4, queueWaitMsMax: 1_000 };

/** A queue before a contract of which this process has all, as long as it is not told otherwise. */
const start = async (contract: { concurrencyMax?: number; perSecond?: number; burst?: number }) => {
  const clock = new ManualClock();
  const all = [contract.concurrencyMax, contract.perSecond === undefined ? undefined : contract.perSecond * 1_000];
  let shares = all.filter((share) => share !== undefined);
  let number = 0;
  const lease = createContractLease({
    resource: 'r',
    holder: 'h',
    contract: { ...contract, replicasMax: 1 },
    times: { leaseMs: 60_000, refreshMs: 20_000, callMsMax: 1_000 },
    clock,
    allocate: async () => {
      number += 1;
      return { shares, number };
    },
  });
  await lease.refresh();
  const queue = new PlaceQueue(lease, clock);
  const enter = (call: Partial<PlaceCall> = {}): Promise<HeldPlace | NoPlace> =>
    queue.enter({
      lane: 'pay',
      merchant: 'm',
      limits: LIMITS,
      budgetMs: 10_000,
      signal: new AbortController().signal,
      ...call,
    });
  const resize = async (next: number[]) => {
    shares = next;
    await lease.refresh();
  };
  return { clock, queue, enter, resize };
};

const placeOf = async (entering: Promise<HeldPlace | NoPlace>): Promise<HeldPlace> => {
  const entered = await entering;
  if ('refusal' in entered) throw new Error(`refused: ${entered.refusal}`);
  return entered;
};
/** What has settled, without waiting for it. */
const settledOf = async (entering: readonly Promise<HeldPlace | NoPlace>[]): Promise<number> => {
  let settled = 0;
  for (const each of entering) void each.then(() => (settled += 1));
  await new Promise((resolve) => setImmediate(resolve));
  return settled;
};

describe('places for calls at once', () => {
  test('go to who waits in the moment in which they become free', async () => {
    const { enter, queue } = await start({ concurrencyMax: 1 });
    const first = await placeOf(enter());
    const second = enter();
    expect([queue.count, await settledOf([second])]).toEqual([1, 0]);
    first.release();
    // Nobody who comes now gets it.
    const third = enter();
    expect(await settledOf([second, third])).toBe(1);
    (await placeOf(second)).release();
    (await placeOf(third)).release();
  });

  test('are waited for as long as in the lane, then the call is refused', async () => {
    const { clock, enter } = await start({ concurrencyMax: 1 });
    await placeOf(enter());
    const entering = enter();
    const short = enter({ budgetMs: 300 });
    await clock.advance(300);
    expect(await short).toEqual({ refusal: 'contract_full', retryAfterMs: 200 });
    expect(await settledOf([entering])).toBe(0);
    await clock.advance(700);
    expect(await entering).toMatchObject({ refusal: 'contract_full' });
    expect(await enter({ budgetMs: 0 })).toMatchObject({ refusal: 'contract_full' });
  });

  test('that a larger share brings are given at once', async () => {
    const { enter, resize } = await start({ concurrencyMax: 4 });
    await resize([1]);
    await placeOf(enter());
    const waiting = [enter(), enter(), enter()];
    await resize([3]);
    expect(await settledOf(waiting)).toBe(2);
  });

  test('are given to lanes and merchants in turn, and a full queue makes room for a merchant with less than its share', async () => {
    const { enter } = await start({ concurrencyMax: 1 });
    const first = await placeOf(enter());
    const order: string[] = [];
    const come = (lane: string, merchant: string) =>
      enter({ lane, merchant }).then((entered) => {
        if ('refusal' in entered) order.push(`${lane} ${merchant} refused`);
        else {
          order.push(`${lane} ${merchant}`);
          entered.release();
        }
      });
    const all = [...Array.from({ length: 5 }, () => come('pay', 'big')), come('pay', 'small'), come('query', 'big')];
    await new Promise((resolve) => setImmediate(resolve));
    expect(order).toEqual(['pay big refused', 'pay big refused']);
    first.release();
    await Promise.all(all);
    expect(order.slice(2)).toEqual(['query big', 'pay big', 'pay small', 'pay big', 'pay big']);
  });

  test('are not given to callers that went away', async () => {
    const { enter, queue } = await start({ concurrencyMax: 1 });
    const first = await placeOf(enter());
    const away = new AbortController();
    const gone = enter({ signal: away.signal });
    away.abort(new Error('went away'));
    await expect(gone).rejects.toThrow('went away');
    expect(queue.count).toBe(0);
    first.release();
    await placeOf(enter());
  });
});

describe('rights to send', () => {
  /** Sends as soon as it has a place. */
  const send = async (entering: Promise<HeldPlace | NoPlace>): Promise<string> => {
    const place = await entering;
    if ('refusal' in place) return place.refusal;
    const refusal = place.whyNotSend();
    place.release();
    return refusal ?? 'sent';
  };

  test('are waited for, one after the other, and then a call is refused with the time until there is one for it', async () => {
    const { clock, enter } = await start({ perSecond: 10, burst: 1 });
    const sending = Array.from({ length: 4 }, () => send(enter()));
    let sent = 0;
    for (const each of sending) void each.then(() => (sent += 1));
    // 9.7 a second: a clock may be fast.
    for (const [atMs, expected] of [
      [100, 0],
      [10, 1],
      [98, 2],
      [104, 3],
      [104, 4],
    ] as const) {
      await clock.advance(atMs);
      await new Promise((resolve) => setImmediate(resolve));
      expect(sent).toBe(expected);
    }
    const refused = await enter({ budgetMs: 0 });
    expect(refused).toMatchObject({ refusal: 'contract_rate' });
    const { retryAfterMs } = refused as NoPlace;
    await clock.advance(retryAfterMs);
    expect(await send(enter({ budgetMs: 0 }))).toBe('sent');
  });

  test('that have just come are not taken by who comes later than others wait', async () => {
    const { clock, enter } = await start({ perSecond: 10, burst: 1 });
    const waiting = enter();
    // The process stood still: what came in the meantime is noticed by who comes now.
    clock.jump(110);
    const late = enter();
    expect([await settledOf([waiting]), await settledOf([late])]).toEqual([1, 0]);
  });

  test('are asked for by every request of a call; one that is half done goes first', async () => {
    const { clock, enter } = await start({ perSecond: 10, burst: 1 });
    await clock.advance(1_000);
    const place = await placeOf(enter());
    expect([place.whyNotSend(), place.whyNotSend()]).toEqual([undefined, 'contract_rate']);
    const other = enter();
    let isReady = false;
    const { signal } = new AbortController();
    void place.untilReady(signal).then((ready) => (isReady = ready));
    await clock.advance(110);
    expect([isReady, await settledOf([other])]).toEqual([true, 0]);
    expect(place.whyNotSend()).toBeUndefined();
    await clock.advance(110);
    expect(await settledOf([other])).toBe(1);
  });

  test('that are in hand are waited for by nobody, and one that does not come is told', async () => {
    const { clock, enter } = await start({ perSecond: 10, burst: 2 });
    await clock.advance(1_000);
    const [first, second] = [await placeOf(enter()), await placeOf(enter())];
    expect(first.whyNotSend()).toBeUndefined();
    const away = new AbortController();
    const again = first.untilReady(away.signal);
    expect(await second.untilReady(away.signal)).toBe(true);
    away.abort();
    expect(await again).toBe(false);
    expect(await first.untilReady(away.signal)).toBe(false);
  });

  test('of a call that was not sent are there for the next', async () => {
    const { clock, enter } = await start({ perSecond: 10, burst: 1 });
    await clock.advance(1_000);
    (await placeOf(enter())).release();
    expect(await send(enter({ budgetMs: 0 }))).toBe('sent');
    expect(await send(enter({ budgetMs: 0 }))).toBe('contract_rate');
  });
});
