import { checkEntry, createCheckQueue, type RedisConnection } from '@tillmesh/delay-queue';
import { counter } from '@tillmesh/telemetry';

/** Tells the syncer what to look at. Never fails and never waits: what is lost here the sweep of the databases finds. */
export type CheckLater = {
  payment(orderNo: string, afterMs: number): void;
  refund(refundNo: string, afterMs: number): void;
};

const lost = counter('tillmesh_check_queue_lost_total', 'Items that Redis did not take; the sweep finds them.');

/** @param redis undefined where none is configured. */
export const createCheckLater = (redis: RedisConnection | undefined): CheckLater => {
  if (redis === undefined) return { payment: () => undefined, refund: () => undefined };
  const queue = createCheckQueue(redis);
  const add = (kind: 'payment' | 'refund') => (number: string, afterMs: number) => {
    queue.add([checkEntry({ kind, number }, afterMs)]).catch(() => lost.add());
  };
  return { payment: add('payment'), refund: add('refund') };
};
