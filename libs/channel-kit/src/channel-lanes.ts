import { z } from '@tillmesh/config';
import type { LaneConfig } from '@tillmesh/lane';

/**
 * The lanes of a channel's process. Query carries closing and reversing too: repair has to work while paying hangs. Bill is there where the channel has
 * bills: one takes minutes, and nothing else may wait for it.
 */
export const LANE_NAMES = ['pay', 'refund', 'query', 'notify', 'bill'] as const;
export type LaneName = (typeof LANE_NAMES)[number];

/** The numbers of one lane, without its name. */
export type LaneNumbers = Omit<LaneConfig, 'name'>;

/** The numbers of all lanes: what this channel can cost the mesh, and the mesh the channel. */
export type ChannelLanes = Readonly<Record<Exclude<LaneName, 'bill'>, LaneNumbers>> & {
  /** Of channels that have bills: `timeoutMs` is for fetching one, and `concurrentMax` also how many are open at once. */
  readonly bill?: LaneNumbers | undefined;
};

/** What a lane has unless a channel declares another number. */
const CALLS_MIN = 10;

const positive = z.int().min(1);

const CALL_MS_MAX = 35_000;
const BILL_MS_MAX = 600_000;

const laneNumbers = (defaults: LaneNumbers, timeoutMsMax = CALL_MS_MAX) =>
  z
    .strictObject({
      concurrentMax: positive.max(1_000).default(defaults.concurrentMax).describe('Calls under way at once.'),
      queuedMax: z.int().min(0).max(1_000).default(defaults.queuedMax).describe('Calls that wait for a place.'),
      queueWaitMsMax: z.int().min(0).max(10_000).default(defaults.queueWaitMsMax).describe('The longest wait, ms.'),
      timeoutMs: positive.max(timeoutMsMax).default(defaults.timeoutMs).describe('The longest a call may take, ms.'),
      halfOpenAfterMs: positive
        .max(60_000)
        .default(defaults.halfOpenAfterMs)
        .describe('From closing the lane to the first probe, ms.'),
      callsMin: positive
        .max(1_000_000)
        .default(defaults.callsMin ?? CALLS_MIN)
        .describe('Calls in the last ten seconds below which the lane is not judged.'),
    })
    .prefault({});

/** The setting that changes a channel's lanes; whatever is left out stays as the channel declares it. */
export const lanesSetting = (defaults: ChannelLanes) =>
  z
    .strictObject({
      pay: laneNumbers(defaults.pay),
      refund: laneNumbers(defaults.refund),
      query: laneNumbers(defaults.query),
      notify: laneNumbers(defaults.notify),
      bill: defaults.bill === undefined ? z.undefined().optional() : laneNumbers(defaults.bill, BILL_MS_MAX),
    })
    .prefault({})
    .describe('Limits of the lanes to the channel.');
