/** Why a lane did not even begin. Nothing was sent. */
export const REJECTION_CAUSES = ['full', 'open', 'queue_wait_too_long', 'no_time_left', 'merchant_share'] as const;
export type RejectionCause = (typeof REJECTION_CAUSES)[number];

/** The lane refused the call before it began: nothing was sent, the caller may do something else. */
export class LaneRejected extends Error {
  override readonly name = 'LaneRejected';
  readonly lane: string;
  readonly rejection: RejectionCause;
  /** For errorTypeOf and logs. */
  readonly reason: string;

  private constructor(lane: string, cause: RejectionCause) {
    super(`lane ${lane}: ${cause}`);
    this.lane = lane;
    this.rejection = cause;
    this.reason = `lane_${cause}`;
  }

  /** Made once a lane and cause: shedding has to be the cheap path, and a stack costs 13 µs. */
  static preallocate(lane: string): Readonly<Record<RejectionCause, LaneRejected>> {
    const limitBefore = Error.stackTraceLimit;
    Error.stackTraceLimit = 0;
    try {
      return Object.freeze({
        full: new LaneRejected(lane, 'full'),
        open: new LaneRejected(lane, 'open'),
        queue_wait_too_long: new LaneRejected(lane, 'queue_wait_too_long'),
        no_time_left: new LaneRejected(lane, 'no_time_left'),
        merchant_share: new LaneRejected(lane, 'merchant_share'),
      });
    } finally {
      Error.stackTraceLimit = limitBefore;
    }
  }
}

/** The lane's time was up while the call was under way: whatever was sent may have arrived. */
export class LaneTimeout extends Error {
  override readonly name = 'LaneTimeout';
  readonly reason = 'lane_timeout';
}
