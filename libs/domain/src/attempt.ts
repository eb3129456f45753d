import type { Moves } from './state-machine.ts';

export const ATTEMPT_STATES = [
  'started',
  'pending_payer',
  'processing',
  'unknown',
  'succeeded',
  'failed',
  'closed',
  'surplus',
] as const;
/** Where an attempt stands. `started`: written down, the channel is about to be called or is being called. */
export type AttemptState = (typeof ATTEMPT_STATES)[number];

/**
 * What can happen to an attempt. `confirmed`: money moved and pays for the payment. `overpaid`: money moved that pays for
 * nothing. `refused`: definitely failed. `closed`: the channel closed it unpaid. `lost`: nobody knows.
 */
export type AttemptEvent = 'awaits_payer' | 'in_process' | 'lost' | 'confirmed' | 'refused' | 'closed' | 'overpaid';

/** Every legal move of an attempt. */
export const ATTEMPT_MOVES = {
  started: {
    awaits_payer: 'pending_payer',
    in_process: 'processing',
    lost: 'unknown',
    confirmed: 'succeeded',
    refused: 'failed',
    closed: 'closed',
    overpaid: 'surplus',
  },
  pending_payer: {
    in_process: 'processing',
    confirmed: 'succeeded',
    refused: 'failed',
    closed: 'closed',
    overpaid: 'surplus',
  },
  processing: {
    awaits_payer: 'pending_payer',
    confirmed: 'succeeded',
    refused: 'failed',
    closed: 'closed',
    overpaid: 'surplus',
  },
  unknown: {
    awaits_payer: 'pending_payer',
    in_process: 'processing',
    confirmed: 'succeeded',
    refused: 'failed',
    closed: 'closed',
    overpaid: 'surplus',
  },
  // A channel can contradict itself: money that it reports after a failure is real money.
  failed: { confirmed: 'succeeded', overpaid: 'surplus' },
  closed: { confirmed: 'succeeded', overpaid: 'surplus' },
  succeeded: {},
  surplus: {},
} as const satisfies Moves<AttemptState, AttemptEvent>;

const LIVE: ReadonlySet<AttemptState> = new Set(['started', 'pending_payer', 'processing', 'unknown']);

/** True while money may still move under the attempt without anybody asking for it. */
export const isLiveAttempt = (state: AttemptState): boolean => LIVE.has(state);
