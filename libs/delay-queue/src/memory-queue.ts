import { type Clock, NO_TIMER, type TimerHandle, TimerWheel } from '@tillmesh/clock';
import {
  type Added,
  type Claim,
  createChecks,
  DELAY_QUEUE_LIMITS,
  type DelayQueue,
  DelayQueueError,
  type DelayQueueLimits,
  type Entry,
  type Held,
} from './delay-queue.ts';

/** What is known of an entry from its first claim to its end. */
type InClaim = {
  readonly token: number;
  /** Of the time for which it waited; what comes back again and again is dropped `keepMs` after it. */
  readonly dueMs: number;
  hiddenUntilMs: number;
  /** An `add` meanwhile asked for this time. */
  wantedMs: number | undefined;
};

const ENTRIES_MAX = 1_000_000;

/**
 * The delay queue of one process: fast, and gone with it. One shard, on a timer wheel and the monotonic clock; epochs mean nothing.
 * What a waiting entry takes is printed by `npm run bench -- delay-queue`; most of it is the id and its place in a map.
 *
 * @param limits what is not given is as in Redis, but for `shardEntriesMax`: 1,000,000.
 */
export const createMemoryQueue = (clock: Clock, limits: Partial<DelayQueueLimits> = {}): DelayQueue => {
  const all: DelayQueueLimits = { ...DELAY_QUEUE_LIMITS, shardEntriesMax: ENTRIES_MAX, ...limits };
  const checks = createChecks(all, 1);
  const wheel = new TimerWheel<string>(clock.monotonicMs(), all.shardEntriesMax);
  const timers = new Map<string, TimerHandle>();
  /** By timer. */
  const payloads: string[] = [];
  /** Few: those under way, and those whose claimers have gone. */
  const inClaims = new Map<TimerHandle, InClaim>();
  let tokens = 0;

  const drop = (id: string, timer: TimerHandle): void => {
    wheel.remove(timer);
    timers.delete(id);
    inClaims.delete(timer);
    payloads[timer] = '';
  };

  const addOne = ({ id, payload, afterMs, ifWaiting }: Entry, nowMs: number): Added | 'full' => {
    const dueMs = nowMs + afterMs;
    const known = timers.get(id);
    if (known === undefined) {
      const timer = wheel.add(id, dueMs);
      if (timer === NO_TIMER) return 'full';
      timers.set(id, timer);
      payloads[timer] = payload;
      return 'added';
    }
    payloads[known] = payload;
    const inClaim = inClaims.get(known);
    if (inClaim !== undefined && inClaim.hiddenUntilMs > nowMs) {
      const { wantedMs } = inClaim;
      inClaim.wantedMs = ifWaiting === 'sooner' && wantedMs !== undefined ? Math.min(wantedMs, dueMs) : dueMs;
      return 'after_claim';
    }
    // A claim whose time is over may still be acknowledged; it knows nothing of this entry.
    inClaims.delete(known);
    if (ifWaiting === 'sooner' && wheel.dueMs(known) <= dueMs) return 'kept';
    wheel.move(known, dueMs);
    return 'moved';
  };

  /** The timer and the claim, where it still holds. */
  const heldBy = (claim: Claim): readonly [TimerHandle, InClaim] | undefined => {
    const timer = timers.get(claim.id);
    const inClaim = timer === undefined ? undefined : inClaims.get(timer);
    return timer === undefined || inClaim?.token !== claim.token ? undefined : [timer, inClaim];
  };

  const scheduled = (timer: TimerHandle, dueMs: number): void => {
    inClaims.delete(timer);
    wheel.move(timer, dueMs);
  };

  return {
    shardCount: 1,
    limits: all,
    shardOf: () => 0,
    add: async (entries) => {
      checks.entries(entries);
      const nowMs = clock.monotonicMs();
      wheel.advance(nowMs);
      const added = entries.map((entry) => addOne(entry, nowMs));
      const full = entries.filter((_, place) => added[place] === 'full').map(({ id }) => id);
      if (full.length > 0) throw new DelayQueueError('shard_full', `${all.shardEntriesMax} entries wait already`, full);
      return added.filter((outcome) => outcome !== 'full');
    },
    claim: async (request) => {
      checks.claim(request);
      const nowMs = clock.monotonicMs();
      wheel.advance(nowMs);
      const claims: Claim[] = [];
      let stale = 0;
      const hiddenUntilMs = nowMs + request.visibilityMs;
      for (let timer = wheel.firstDue(); timer !== NO_TIMER; timer = wheel.firstDue()) {
        const id = wheel.item(timer);
        const before = inClaims.get(timer);
        const wasDueMs = wheel.dueMs(timer);
        const dueMs = before?.dueMs ?? wasDueMs;
        if (nowMs - dueMs > all.keepMs) {
          drop(id, timer);
          stale += 1;
          continue;
        }
        if (claims.length === request.limit) break;
        tokens += 1;
        const wantedMs = before?.wantedMs;
        inClaims.set(timer, {
          token: tokens,
          dueMs,
          hiddenUntilMs,
          // What was wanted by now is what happens now.
          wantedMs: wantedMs !== undefined && wantedMs > nowMs ? wantedMs : undefined,
        });
        wheel.move(timer, hiddenUntilMs);
        claims.push({ id, payload: payloads[timer] ?? '', shard: 0, token: tokens, lateMs: nowMs - wasDueMs });
      }
      const wakeAtMs = wheel.wakeAtMs();
      const nextInMs = Number.isFinite(wakeAtMs) ? Math.max(0, wakeAtMs - nowMs) : undefined;
      return { claims, nextInMs: wheel.firstDue() === NO_TIMER ? nextInMs : 0, stale };
    },
    ack: async (claims) => {
      checks.ids(claims.map(({ id }) => id));
      return claims.map((claim): Held => {
        const held = heldBy(claim);
        if (held === undefined) return 'fenced';
        const [timer, { wantedMs }] = held;
        if (wantedMs === undefined) drop(claim.id, timer);
        else scheduled(timer, wantedMs);
        return 'held';
      });
    },
    again: async (claims) => {
      checks.again(claims);
      const nowMs = clock.monotonicMs();
      return claims.map((claim): Held => {
        const held = heldBy(claim);
        if (held === undefined) return 'fenced';
        const [timer, { wantedMs = Number.POSITIVE_INFINITY }] = held;
        scheduled(timer, Math.min(wantedMs, nowMs + claim.afterMs));
        return 'held';
      });
    },
    extend: async (claims, visibilityMs) => {
      checks.ids(claims.map(({ id }) => id));
      checks.visibility(visibilityMs);
      const nowMs = clock.monotonicMs();
      return claims.map((claim) => {
        const held = heldBy(claim);
        if (held === undefined) return undefined;
        const [timer, inClaim] = held;
        inClaim.hiddenUntilMs = Math.max(inClaim.hiddenUntilMs, nowMs + visibilityMs);
        wheel.move(timer, inClaim.hiddenUntilMs);
        return claim;
      });
    },
    remove: async (ids) => {
      checks.ids(ids);
      let count = 0;
      for (const id of ids) {
        const timer = timers.get(id);
        if (timer === undefined) continue;
        drop(id, timer);
        count += 1;
      }
      return count;
    },
    look: async (shard) => {
      checks.shard(shard);
      const nowMs = clock.monotonicMs();
      wheel.advance(nowMs);
      const oldest = wheel.firstDue();
      return { count: wheel.count, overdueMs: oldest === NO_TIMER ? 0 : Math.max(0, nowMs - wheel.dueMs(oldest)) };
    },
  };
};
