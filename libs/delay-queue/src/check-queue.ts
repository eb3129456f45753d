import type { DelayQueue, Entry } from './delay-queue.ts';
import type { RedisConnection } from './redis-connection.ts';
import { createRedisQueue } from './redis-queue.ts';

/** What the syncer has to look at. */
export type CheckItem = { readonly kind: 'payment' | 'refund'; readonly number: string };

const PREFIX = { payment: 'p', refund: 'r' } as const;

/** The id of an item in the queue. */
export const toMember = ({ kind, number }: CheckItem): string => `${PREFIX[kind]}:${number}`;

/** The item that an id stands for; undefined where it is none of ours. */
export const fromMember = (member: string): CheckItem | undefined => {
  const [, prefix, number] = /^([pr]):([0-9]{25})$/.exec(member) ?? [];
  if (prefix === undefined || number === undefined) return undefined;
  return { kind: prefix === 'p' ? 'payment' : 'refund', number };
};

/**
 * An item as the queues take it: whoever asks for the sooner look is heard.
 *
 * @param afterMs any time; what is in the past is due at once.
 */
export const checkEntry = (item: CheckItem, afterMs: number): Entry => ({
  id: toMember(item),
  // What has to be known stands in the item's row, and only there it is true.
  payload: '',
  afterMs: Math.max(0, Math.ceil(afterMs)),
  ifWaiting: 'sooner',
});

/** The name of the queue of checks. */
export const CHECK_QUEUE = 'check';

/** The queue between those who leave something unresolved and the syncer. */
export const createCheckQueue = (redis: RedisConnection): DelayQueue => createRedisQueue(redis, CHECK_QUEUE);
