import { PaymentState } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import type { ChannelSample } from './channel-load.ts';

/** When what happened, ms from the beginning of the load. */
export type HangTimes = {
  readonly baselineFromMs: number;
  readonly hungAtMs: number;
  readonly healedAtMs: number;
  readonly endMs: number;
};

/** What one way of hanging did to the sick channel and to the others, over all its rounds. */
export type HangFigures = {
  /** Share of the other channels' payments that were paid with the first call, while one hung. */
  readonly othersPaid: number;
  readonly othersCount: number;
  readonly baselineP99Ms: number;
  readonly hungP99Ms: number;
  /** From the hang until the first payment of the sick channel was refused instead of waiting, in the middle of the rounds; NaN where none was. */
  readonly openedAfterMs: number;
  /** From the healing until from then on 95 % of the sick channel's payments were paid, in the middle of the rounds; NaN where that never came. */
  readonly backAfterMs: number;
  /** Payments of the sick channel that were told to be on their way. */
  readonly processing: number;
  /** Payments of the sick channel that were refused before anything was sent. */
  readonly refused: number;
  /** Payments of the sick channel that have more than one attempt. */
  readonly rerouted: number;
};

const BACK_SHARE = 0.95;
const WINDOW_MS = 1_000;

export const percentile = (values: readonly number[], share: number): number => {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
};

const isPaid = ({ answer }: ChannelSample): boolean => answer?.state === PaymentState.SUCCEEDED;
const isProcessing = ({ answer }: ChannelSample): boolean => answer?.state === PaymentState.PAYING;

const openedAfter = (victims: readonly ChannelSample[], { hungAtMs, healedAtMs }: HangTimes): number => {
  const refusedAtMs = victims
    .filter((sample) => sample.atMs >= hungAtMs && !isPaid(sample) && !isProcessing(sample))
    .map(({ atMs, tookMs }) => atMs + tookMs)
    .filter((atMs) => atMs < healedAtMs);
  return refusedAtMs.length === 0 ? Number.NaN : Math.min(...refusedAtMs) - hungAtMs;
};

const backAfter = (victims: readonly ChannelSample[], { healedAtMs, endMs }: HangTimes): number => {
  let backAtMs = Number.NaN;
  // From the end backwards: the last second that was not well decides.
  for (let fromMs = endMs - WINDOW_MS; fromMs >= healedAtMs; fromMs -= WINDOW_MS) {
    const own = victims.filter(({ atMs }) => atMs >= fromMs && atMs < fromMs + WINDOW_MS);
    if (own.length === 0 || own.filter(isPaid).length / own.length < BACK_SHARE) break;
    backAtMs = fromMs;
  }
  return backAtMs - healedAtMs;
};

/** The middle one; NaN where one is: what never came in one round is not better than late. */
export const median = (values: readonly number[]): number =>
  values.some(Number.isNaN) ? Number.NaN : percentile(values, 0.5);

/** Judges the payments of all rounds of one way of hanging. */
export const judgeHangs = (
  samples: readonly ChannelSample[],
  victim: string,
  rounds: readonly HangTimes[],
): HangFigures => {
  const of = (own: readonly ChannelSample[], from: keyof HangTimes, to: keyof HangTimes) =>
    rounds.flatMap((times) => own.filter(({ atMs }) => atMs >= times[from] && atMs < times[to]));
  const others = samples.filter(({ channelId }) => channelId !== victim);
  const victims = samples.filter(({ channelId }) => channelId === victim);
  const before = of(others, 'baselineFromMs', 'hungAtMs');
  const during = of(others, 'hungAtMs', 'healedAtMs');
  const hung = of(victims, 'hungAtMs', 'healedAtMs');
  const tookMs = (own: readonly ChannelSample[]) => own.map((sample) => sample.tookMs);
  return {
    othersPaid: during.filter(isPaid).length / during.length,
    othersCount: during.length,
    baselineP99Ms: percentile(tookMs(before), 0.99),
    hungP99Ms: percentile(tookMs(during), 0.99),
    openedAfterMs: median(rounds.map((times) => openedAfter(victims, times))),
    backAfterMs: median(rounds.map((times) => backAfter(victims, times))),
    processing: hung.filter(isProcessing).length,
    refused: hung.filter((sample) => !isPaid(sample) && !isProcessing(sample)).length,
    rerouted: hung.filter(({ answer }) => (answer?.attempts.length ?? 0) > 1).length,
  };
};
