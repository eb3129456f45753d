import { type AttemptNo, type ChannelTransactionId, money, type Outcome } from '@tillmesh/domain';
import type { AttemptNews } from '../src/index.ts';

/** The channel took the money of newPayment(). */
export const succeeded = (transaction = 'tx-1', minorUnits = 1_234n): Outcome => ({
  kind: 'succeeded',
  paid: money('CNY', minorUnits),
  channelTransactionId: transaction as ChannelTransactionId,
  paidAtMs: 1_700_000_000_000,
});

/** What a query has told of the first attempt. */
export const attemptNews = (outcome: Outcome, changes: Partial<AttemptNews> = {}): AttemptNews => ({
  attemptNo: 1 as AttemptNo,
  outcome,
  learnedBy: 'query',
  channelCode: 'CODE',
  action: undefined,
  nextAttempt: undefined,
  nextCheckAfterMs: 5_000,
  source: 'test',
  ...changes,
});
