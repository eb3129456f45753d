import type { Clock } from '@tillmesh/clock';
import { counter, type Log } from '@tillmesh/telemetry';
import { type Claim, type DelayQueue, DelayQueueError } from './delay-queue.ts';

/** What is to become of an entry that was worked on. */
export type Verdict = { readonly kind: 'done' } | { readonly kind: 'again'; readonly afterMs: number };

/** The shards that a worker may claim from now, and the epoch of its ownership; none where nobody shares them out. */
export type Owned = { readonly shards: readonly number[]; readonly epoch: number | undefined };

const LOG_EVERY_FAILURES = 50;
/** Ends of work are gathered so long, ms: one call for many. */
const GATHER_MS = 5;
/** A busy shard is looked at so often, ms: what falls due meanwhile comes with one call. */
const BUSY_LOOK_MS = 5;
/** Claims are extended so often in a visibility time: two may fail. */
const EXTENSIONS = 3;
const ENDING_MS_MAX = 5_000;

const worked = counter('tillmesh_delay_queue_worked_total', 'Entries that were worked on, by what came of them.', [
  'queue',
  'end',
]);
const stale = counter(
  'tillmesh_delay_queue_stale_total',
  'Entries that were dropped because nobody had ended them long after their time.',
  ['queue'],
);

type InHand = { claim: Claim; readonly abort: AbortController };

/**
 * Works on a queue until the signal is aborted: claims what is due in its shards, when it is due, extends what takes longer than the
 * visibility time, and settles what has ended in batches. Never blocks in Redis, so that no call can hang. Resolves when what was
 * under way has ended, or 5 s after the signal.
 *
 * @param options.name of the queue, for metrics and logs.
 * @param options.owned asked before each look; a shard that was taken away is not looked at any more.
 * @param options.free how many more may be worked on now.
 * @param options.handle its signal is aborted when the claim was lost: somebody else may have it. Where it rejects, the entry comes
 *   again after `retryAfterMs`.
 * @param options.lookEveryMs between looks at a shard that has nothing due; what is known to be due earlier is claimed in its time.
 * @param options.onNotOwner somebody with a higher epoch has claimed from the shard.
 */
export const workQueue = async (options: {
  readonly name: string;
  readonly queue: DelayQueue;
  readonly owned: () => Owned;
  readonly free: () => number;
  readonly handle: (claim: Claim, signal: AbortSignal) => Promise<Verdict>;
  readonly visibilityMs: number;
  readonly lookEveryMs: () => number;
  readonly retryAfterMs: number;
  readonly onNotOwner?: (shard: number) => void;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}): Promise<void> => {
  const { name, queue, owned, free, handle, visibilityMs, lookEveryMs, retryAfterMs, clock, log, signal } = options;
  const { batchMax } = queue.limits;
  /** When each shard is looked at next, of the monotonic clock. */
  const lookAtMs = new Map<number, number>();
  const inHand = new Map<string, InHand>();
  const ended: { readonly hand: { readonly claim: Claim }; readonly verdict: Verdict }[] = [];
  let extension: Promise<void> = Promise.resolve();
  let settling: Promise<void> = Promise.resolve();
  let isGathering = false;
  let failures = 0;
  let wake = (): void => undefined;

  const complain = (error: unknown, what: string): void => {
    if (failures % LOG_EVERY_FAILURES === 0) log.warn({ err: error, queue: name }, what);
    failures += 1;
  };

  const settle = async (): Promise<void> => {
    isGathering = false;
    // What is being extended has another token afterwards.
    await extension;
    // By shard: few calls with many each.
    ended.sort((a, b) => a.hand.claim.shard - b.hand.claim.shard);
    const batch = ended.splice(0, batchMax);
    if (ended.length > 0) gather();
    const again = batch.flatMap(({ hand, verdict }) =>
      verdict.kind === 'again' ? [{ ...hand.claim, afterMs: verdict.afterMs }] : [],
    );
    const done = batch.flatMap(({ hand, verdict }) => (verdict.kind === 'done' ? [hand.claim] : []));
    const told = await Promise.allSettled([queue.again(again), queue.ack(done)]);
    for (const { reason } of told.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[]) {
      complain(reason, 'what has ended could not be told; it comes again');
    }
  };

  const gather = (): void => {
    if (isGathering) return;
    isGathering = true;
    clock.after(GATHER_MS, () => {
      settling = settle();
    });
  };

  const end = (id: string, hand: InHand, verdict: Verdict, how: string): void => {
    inHand.delete(id);
    const isLost = hand.abort.signal.aborted;
    worked.add({ queue: name, end: isLost ? 'lost' : how });
    if (!isLost) {
      ended.push({ hand, verdict });
      gather();
    }
    wake();
  };

  const begin = (claim: Claim): void => {
    // After a pause of this process its own earlier claim is over, and the work is still under way.
    if (inHand.has(claim.id)) {
      ended.push({ hand: { claim }, verdict: { kind: 'again', afterMs: retryAfterMs } });
      gather();
      return;
    }
    const hand: InHand = { claim, abort: new AbortController() };
    inHand.set(claim.id, hand);
    const work = async (): Promise<Verdict> => handle(claim, hand.abort.signal);
    work().then(
      (verdict) => end(claim.id, hand, verdict, verdict.kind),
      (error: unknown) => {
        complain(error, 'an entry could not be worked on; it comes again');
        end(claim.id, hand, { kind: 'again', afterMs: retryAfterMs }, 'failed');
      },
    );
  };

  const claimFrom = async (shard: number, limit: number, epoch: number | undefined): Promise<void> => {
    const every = lookEveryMs();
    try {
      const batch = await queue.claim({ shard, limit, visibilityMs, epoch });
      failures = 0;
      if (batch.stale > 0) {
        stale.add({ queue: name }, batch.stale);
        log.warn({ queue: name, shard, count: batch.stale }, 'entries that nobody has ended for long were dropped');
      }
      for (const claim of batch.claims) begin(claim);
      const nextMs = Math.min(every, batch.nextInMs ?? every);
      const isBusy = batch.claims.length > 0 && nextMs > 0;
      lookAtMs.set(shard, clock.monotonicMs() + (isBusy ? Math.max(nextMs, BUSY_LOOK_MS) : nextMs));
    } catch (error) {
      lookAtMs.set(shard, clock.monotonicMs() + every);
      if (error instanceof DelayQueueError && error.code === 'not_owner') options.onNotOwner?.(shard);
      else complain(error, 'a look into the queue failed; it is tried again');
    }
  };

  /** Looks into the shards that are to be looked at; how long until the next one is, ms. */
  const look = async (): Promise<number> => {
    const { shards, epoch } = owned();
    const nowMs = clock.monotonicMs();
    const due = shards
      .filter((shard) => (lookAtMs.get(shard) ?? 0) <= nowMs)
      .toSorted((a, b) => (lookAtMs.get(a) ?? 0) - (lookAtMs.get(b) ?? 0));
    const places = Math.max(0, free());
    // A shard gives few at a time, so that one busy shard does not take every place.
    const asked = due.slice(0, places);
    const limit = Math.min(batchMax, Math.floor(places / Math.max(1, asked.length)));
    await Promise.all(asked.map((shard) => claimFrom(shard, limit, epoch)));
    // Without a place nothing can be taken: whoever ends wakes the loop.
    if (free() <= 0) return lookEveryMs();
    const nextMs = Math.min(...shards.map((shard) => lookAtMs.get(shard) ?? 0));
    return Math.max(0, Math.min(lookEveryMs(), nextMs - clock.monotonicMs()));
  };

  const extend = async (): Promise<void> => {
    const hands = [...inHand.values()];
    for (let from = 0; from < hands.length; from += batchMax) {
      const some = hands.slice(from, from + batchMax);
      try {
        const claims = await queue.extend(
          some.map(({ claim }) => claim),
          visibilityMs,
        );
        for (const [place, hand] of some.entries()) {
          const claim = claims[place];
          if (claim !== undefined) hand.claim = claim;
          // What has ended meanwhile is fenced as well, and no news.
          else if (inHand.get(hand.claim.id) === hand) hand.abort.abort(new Error('the claim was lost'));
        }
      } catch (error) {
        complain(error, 'claims could not be extended');
      }
    }
  };

  const keepExtending = async (): Promise<void> => {
    while (!signal.aborted) {
      await clock.sleep(Math.max(1, visibilityMs / EXTENSIONS), signal).catch(() => undefined);
      if (signal.aborted) return;
      extension = extend();
      await extension;
    }
  };

  const extending = keepExtending();
  while (!signal.aborted) {
    const woken = new Promise<void>((resolve) => {
      wake = resolve;
    });
    const forMs = await look();
    const waiting = new AbortController();
    const stop = () => waiting.abort();
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    await Promise.race([woken, clock.sleep(Math.max(1, forMs), waiting.signal).catch(() => undefined)]);
    signal.removeEventListener('abort', stop);
    stop();
  }
  await extending;
  const untilMs = clock.monotonicMs() + ENDING_MS_MAX;
  while (inHand.size > 0 && clock.monotonicMs() < untilMs) await clock.sleep(20);
  await settling;
  while (ended.length > 0) await settle();
};
