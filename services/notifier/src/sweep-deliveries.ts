import { type Clock, repeat } from '@tillmesh/clock';
import type { EventStore } from '@tillmesh/merchant-events';
import { gauge, type Log, withoutSpans } from '@tillmesh/telemetry';
import type { DeliveryQueue } from './delivery-queue.ts';

const overdueGauge = gauge('tillmesh_webhooks_overdue', 'Webhooks that the last look found overdue; at most 2,000.');

/** Less overdue than this is not lost but about to be done. */
const OVERDUE_BY_MS = 2_000;
const GIVEN_AT_ONCE = 2_000;
const FORGET_EVERY_MS = 60_000;

/**
 * Gives to Redis what is due and what it does not have: it was emptied, was away, or whoever had it in hand died. And forgets what is old.
 *
 * @returns a look out of turn: everything that is due, however little it is overdue.
 */
export const sweepDeliveries = (options: {
  readonly store: Pick<EventStore, 'overdue' | 'forget'>;
  readonly queue: Pick<DeliveryQueue, 'give'>;
  readonly everyMs: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}): (() => void) => {
  const { store, queue, everyMs, clock, log, signal } = options;
  const onError = (error: unknown): void => log.warn({ err: error }, 'could not look for webhooks that are overdue');
  const look = async (overdueByMs: number): Promise<void> => {
    const due = await store.overdue(clock.nowMs() - overdueByMs, GIVEN_AT_ONCE);
    overdueGauge.set({}, due.length);
    await queue.give(due);
  };
  repeat({ clock, everyMs, signal, task: () => withoutSpans(() => look(OVERDUE_BY_MS)), onError }).catch(onError);
  const forget = async (): Promise<void> => {
    while (!signal.aborted && (await store.forget()));
  };
  repeat({ clock, everyMs: FORGET_EVERY_MS, signal, task: () => withoutSpans(forget), onError }).catch(onError);
  return () => {
    look(0).catch(onError);
  };
};
