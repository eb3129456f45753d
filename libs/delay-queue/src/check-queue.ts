import type { Clock } from '@tillmesh/clock';
import { createDelayQueue, type DelayQueue } from './delay-queue.ts';
import type { RedisConnection } from './redis-connection.ts';

/** What the syncer has to look at. */
export type CheckItem = { readonly kind: 'payment' | 'refund'; readonly number: string };

const PREFIX = { payment: 'p', refund: 'r' } as const;

/** A member of the queue. */
export const toMember = ({ kind, number }: CheckItem): string => `${PREFIX[kind]}:${number}`;

/** The item that a member stands for; undefined where it is none of ours. */
export const fromMember = (member: string): CheckItem | undefined => {
  const [, prefix, number] = /^([pr]):([0-9]{25})$/.exec(member) ?? [];
  if (prefix === undefined || number === undefined) return undefined;
  return { kind: prefix === 'p' ? 'payment' : 'refund', number };
};

/** The queue between those who leave something unresolved and the syncer. */
export const createCheckQueue = (redis: RedisConnection, clock: Clock): DelayQueue =>
  createDelayQueue(redis, 'check', clock);
