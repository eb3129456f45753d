import { type Clock, repeat } from '@tillmesh/clock';
import type { GroupTag } from '@tillmesh/domain';
import { counter, type Log, withoutSpans } from '@tillmesh/telemetry';
import { DatabaseError } from './database-error.ts';
import type { OrderGroup } from './order-group.ts';
import type { OrderNumberSource } from './order-number-source.ts';
import type { AttemptNews, PaymentStore } from './payment-store.ts';
import type { PendingEvents, PendingNews } from './pending-events.ts';
import type { ChannelRefundNews, RefundStore } from './refund-store.ts';
import { createGiveBack } from './second-order.ts';
import { sweepClaim } from './sweep-claim.ts';

const swept = counter('tillmesh_claims_swept_total', 'Looks at claims of jumps, by what came of them.', ['end']);

/** What a round did. */
export type SweepRound = { readonly claims: number; readonly replayed: number; readonly twoOrders: number };

/** Brings to their end what a failure of a group has left: claims of jumps, and news that was kept elsewhere. */
export type Sweeper = {
  /** One round; two at once share it. */
  sweep(): Promise<SweepRound>;
  close(): void;
};

const CLAIMS_A_ROUND_MAX = 200;

/** Creates the sweeper and lets it run. */
export const createSweeper = (options: {
  /** Groups that answer for themselves: not retired ones. */
  readonly groups: () => readonly OrderGroup[];
  readonly group: (tag: GroupTag) => OrderGroup;
  readonly numbers: OrderNumberSource;
  readonly pending: PendingEvents;
  readonly payments: Pick<PaymentStore, 'apply'>;
  readonly refunds: Pick<RefundStore, 'apply' | 'create'>;
  readonly everyMs: number;
  readonly statementMsMax: number;
  readonly clock: Clock;
  readonly log: Log;
}): Sweeper => {
  const { groups, group, numbers, pending, payments, refunds, everyMs, statementMsMax, clock, log } = options;
  const stop = new AbortController();
  const giveBack = createGiveBack(refunds);

  const sweepAt = async (at: OrderGroup): Promise<{ claims: number; twoOrders: number }> => {
    let claims = 0;
    let twoOrders = 0;
    const found = await at.claimsToSweep(CLAIMS_A_ROUND_MAX, { atMs: clock.monotonicMs() + statementMsMax });
    for (const claim of found) {
      if (stop.signal.aborted) break;
      const deadline = { atMs: clock.monotonicMs() + statementMsMax };
      const home = group(claim.home);
      const end = await sweepClaim(claim, { at, home, numbers, giveBack, nowMs: clock.nowMs(), deadline, log });
      swept.add({ end });
      if (end === 'done') claims += 1;
      if (end === 'two_orders') twoOrders += 1;
    }
    return { claims, twoOrders };
  };

  const apply = async ({ kind, number, news }: PendingNews): Promise<void> => {
    // Our own JSON, encrypted and authenticated, written by keepNews() of this library.
    if (kind === 'attempt') await payments.apply(number, news as AttemptNews);
    else await refunds.apply(number, news as ChannelRefundNews);
  };

  const round = async (): Promise<SweepRound> => {
    const replayed = await pending.replay(apply);
    let claims = 0;
    let twoOrders = 0;
    for (const at of groups()) {
      try {
        const end = await sweepAt(at);
        claims += end.claims;
        twoOrders += end.twoOrders;
      } catch (error) {
        // Its turn comes again when it answers.
        if (!(error instanceof DatabaseError)) throw error;
      }
    }
    return { claims, replayed, twoOrders };
  };

  let sweeping: Promise<SweepRound> | undefined;
  const sweep = (): Promise<SweepRound> => {
    sweeping ??= withoutSpans(round).finally(() => {
      sweeping = undefined;
    });
    return sweeping;
  };

  repeat({
    clock,
    everyMs,
    signal: stop.signal,
    task: async () => {
      await sweep();
    },
    onError: (error) => log.error({ err: error }, 'a sweep over the groups failed'),
  }).catch((error: unknown) => log.error({ err: error }, 'the groups are swept no more'));

  return { sweep, close: () => stop.abort(new Error('the sweeper was closed')) };
};
