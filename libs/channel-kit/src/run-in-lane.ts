import type { Clock } from '@tillmesh/clock';
import { type Lane, LaneRejected, LaneTimeout } from '@tillmesh/lane';
import { type CallContext, remainingMs } from '@tillmesh/rpc';
import type { CallFacts } from './channel.ts';

/**
 * Work in a lane: done; refused before it began, so that nothing was sent; or out of time although it should have ended
 * by itself, so that nobody knows.
 */
export type LaneResult<Report> =
  | { readonly kind: 'done'; readonly report: Report }
  | { readonly kind: 'refused'; readonly cause: string }
  | { readonly kind: 'out_of_time' };

// The adapter's own deadline lies before the lane's and the server's, so that what it knows of the transport is told.
const REPORT_MS = 25;

// Without a host nothing was to be sent: an address that the payer opens is made here.
const isSick = (facts: CallFacts): boolean =>
  (facts.transport !== 'answered' || facts.httpStatus >= 500) && facts.host !== '';

/**
 * Runs an adapter's work in a lane, within what is left of the call.
 *
 * @param floorMs with less time than this left the work is refused: it would end before its answer could.
 */
export const runInLane = async <Report>(options: {
  readonly lane: Lane;
  readonly context: CallContext;
  readonly clock: Clock;
  readonly floorMs: number;
  readonly work: (signal: AbortSignal) => Promise<Report>;
  readonly factsOf: (report: Report) => CallFacts | undefined;
}): Promise<LaneResult<Report>> => {
  const { lane, context, clock, floorMs, work, factsOf } = options;
  const noTime = { kind: 'refused', cause: 'no_time_left' } as const;
  const leftMs = () => Math.min(lane.limits.timeoutMs, remainingMs(clock, context));
  if (remainingMs(clock, context) < floorMs) return noTime;

  const withinTime = async (laneSignal: AbortSignal): Promise<LaneResult<Report>> => {
    // The wait for a place may have cost what the work needs.
    if (remainingMs(clock, context) < floorMs) return noTime;
    const own = new AbortController();
    const cancel = clock.after(Math.max(1, leftMs() - REPORT_MS), () => own.abort(new Error('out of time')));
    try {
      return { kind: 'done', report: await work(AbortSignal.any([own.signal, laneSignal])) };
    } finally {
      cancel();
    }
  };

  try {
    return await lane.run(withinTime, {
      signal: context.signal,
      budgetMs: remainingMs(clock, context),
      merchant: context.merchant,
      // What an adapter throws is a bug of ours, not an illness of the channel.
      isSick: () => false,
      isSickAnswer: (result: LaneResult<Report>) => {
        const facts = result.kind === 'done' ? factsOf(result.report) : undefined;
        return facts !== undefined && isSick(facts) && !context.signal.aborted;
      },
    });
  } catch (error) {
    if (error instanceof LaneRejected) return { kind: 'refused', cause: error.reason };
    if (error instanceof LaneTimeout) return { kind: 'out_of_time' };
    throw error;
  }
};
