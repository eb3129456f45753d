import { endedOf, type LaneFigures, rejectedOf } from './lane-figures.ts';

/** How a lane does, the worst first: what a person looks at first. */
export const SEVERITIES = ['open', 'half_open', 'away', 'failing', 'busy', 'well', 'idle'] as const;
export type Severity = (typeof SEVERITIES)[number];

/** In how many of a lane's processes something is so. */
export type LaneCounts = {
  /** Processes that answer. */
  readonly present: number;
  /** Processes that had the lane and do not answer. */
  readonly away: number;
  readonly open: number;
  readonly halfOpen: number;
  readonly forcedOpen: number;
  readonly forcedClosed: number;
  readonly stalled: number;
};

/** From this share of failed and rejected calls on a lane is failing. */
const FAILING_SHARE = 0.05;
/** From this share of its places on a lane is busy. */
const BUSY_SHARE = 0.8;

/** How a lane does in all of its processes. */
export const severityOf = (figures: LaneFigures, counts: LaneCounts): Severity => {
  if (counts.open > 0) return 'open';
  if (counts.halfOpen > 0) return 'half_open';
  if (counts.present === 0) return 'away';
  // Of a breaker that an operator holds closed: it would be open.
  if (counts.stalled > 0) return 'failing';
  const rejected = rejectedOf(figures);
  const offered = endedOf(figures) + rejected;
  if (offered > 0 && (figures.failed + rejected) / offered >= FAILING_SHARE) return 'failing';
  if (figures.queued > 0 || figures.inFlight >= Math.max(1, BUSY_SHARE * figures.concurrentMax)) return 'busy';
  if (counts.away > 0) return 'away';
  return offered === 0 && figures.inFlight === 0 ? 'idle' : 'well';
};
