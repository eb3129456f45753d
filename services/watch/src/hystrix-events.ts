import type { LaneView } from './lane-board.ts';
import { endedOf, rejectedOf, WINDOW_SECONDS } from './lane-figures.ts';
import type { HistoryPoint } from './lane-history.ts';

// The words of Netflix' HystrixMetricsPoller 1.5 and, for a lane in several processes, of Turbine: numbers are sums over
// `reportingHosts`, and the dashboard divides those that it shows as averages. docs/watch.md says what each is filled with.

const WINDOW_MS = WINDOW_SECONDS * 1_000;

/** The dashboard makes names into ids of its page and escapes no other character than these. */
const hystrixName = (text: string): string => text.replaceAll(/[^0-9A-Za-z_.:-]/g, '_');

/** One host says true or false; of several the dashboard wants to know how many say what. */
const isOpenOf = ({ counts }: LaneView): boolean | { readonly true: number; readonly false: number } => {
  if (counts.open === 0) return false;
  return counts.present === 1 ? true : { true: counts.open, false: counts.present - counts.open };
};

const mostInFlight = (lane: LaneView, minute: readonly HistoryPoint[]): number =>
  Math.max(lane.figures.inFlight, ...minute.slice(-WINDOW_SECONDS).map(([, , , inFlight]) => inFlight));

const commandEvent = (lane: LaneView, minute: readonly HistoryPoint[], nowMs: number) => {
  const { figures, counts, service, name } = lane;
  const hosts = counts.present;
  const shed = rejectedOf(figures) - figures.rejectedOpen;
  const errorCount = figures.failed + shed;
  const requestCount = figures.succeeded + errorCount;
  const sum = (average: number): number => Math.round(average) * hosts;
  // A lane measures three percentiles; another one is told as the next that is measured, the highest as the 99th.
  const { p50Ms, p90Ms, p99Ms } = figures;
  const latency = {
    '0': 0,
    '25': sum(p50Ms),
    '50': sum(p50Ms),
    '75': sum(p90Ms),
    '90': sum(p90Ms),
    '95': sum(p99Ms),
    '99': sum(p99Ms),
    '99.5': sum(p99Ms),
    '100': sum(p99Ms),
  };
  return {
    type: 'HystrixCommand',
    name: hystrixName(`${service}.${name}`),
    group: hystrixName(service),
    currentTime: nowMs,
    isCircuitBreakerOpen: isOpenOf(lane),
    errorPercentage: requestCount === 0 ? 0 : Math.floor((errorCount * 100) / requestCount) * hosts,
    errorCount,
    requestCount,
    rollingCountBadRequests: figures.declined,
    rollingCountCollapsedRequests: 0,
    rollingCountEmit: 0,
    rollingCountExceptionsThrown: figures.failed + rejectedOf(figures),
    rollingCountFailure: figures.failed - figures.timedOut,
    rollingCountFallbackEmit: 0,
    rollingCountFallbackFailure: 0,
    rollingCountFallbackMissing: 0,
    rollingCountFallbackRejection: 0,
    rollingCountFallbackSuccess: 0,
    rollingCountResponsesFromCache: 0,
    rollingCountSemaphoreRejected: 0,
    rollingCountShortCircuited: figures.rejectedOpen,
    rollingCountSuccess: figures.succeeded,
    rollingCountThreadPoolRejected: shed,
    rollingCountTimeout: figures.timedOut,
    currentConcurrentExecutionCount: figures.inFlight,
    rollingMaxConcurrentExecutionCount: mostInFlight(lane, minute),
    latencyExecute_mean: sum(figures.meanMs),
    latencyExecute: latency,
    latencyTotal_mean: sum(figures.meanMs),
    latencyTotal: latency,
    // What opens a lane is not in its reading.
    propertyValue_circuitBreakerRequestVolumeThreshold: 0,
    propertyValue_circuitBreakerSleepWindowInMilliseconds: 0,
    propertyValue_circuitBreakerErrorThresholdPercentage: 0,
    propertyValue_circuitBreakerForceOpen: counts.forcedOpen > 0,
    propertyValue_circuitBreakerForceClosed: counts.forcedClosed > 0,
    propertyValue_circuitBreakerEnabled: true,
    propertyValue_executionIsolationStrategy: 'THREAD',
    propertyValue_executionIsolationThreadTimeoutInMilliseconds: figures.timeoutMs * hosts,
    propertyValue_executionTimeoutInMilliseconds: figures.timeoutMs * hosts,
    propertyValue_executionIsolationThreadInterruptOnTimeout: true,
    propertyValue_executionIsolationThreadPoolKeyOverride: null,
    propertyValue_executionIsolationSemaphoreMaxConcurrentRequests: figures.concurrentMax,
    propertyValue_fallbackIsolationSemaphoreMaxConcurrentRequests: 0,
    propertyValue_metricsRollingStatisticalWindowInMilliseconds: WINDOW_MS * hosts,
    propertyValue_requestCacheEnabled: false,
    propertyValue_requestLogEnabled: false,
    reportingHosts: hosts,
    threadPool: hystrixName(`${service}.${name}`),
  };
};

const threadPoolEvent = (lane: LaneView, minute: readonly HistoryPoint[], nowMs: number) => {
  const { figures, counts, service, name } = lane;
  const ended = endedOf(figures);
  return {
    type: 'HystrixThreadPool',
    name: hystrixName(`${service}.${name}`),
    currentTime: nowMs,
    currentActiveCount: figures.inFlight,
    currentCompletedTaskCount: ended,
    currentCorePoolSize: figures.concurrentMax,
    currentLargestPoolSize: figures.concurrentMax,
    currentMaximumPoolSize: figures.concurrentMax,
    currentPoolSize: figures.concurrentMax,
    currentQueueSize: figures.queued,
    currentTaskCount: ended + figures.inFlight + figures.queued,
    rollingCountThreadsExecuted: ended,
    rollingMaxActiveThreads: mostInFlight(lane, minute),
    rollingCountCommandRejections: rejectedOf(figures) - figures.rejectedOpen,
    propertyValue_queueSizeRejectionThreshold: figures.queuedMax,
    propertyValue_metricsRollingStatisticalWindowInMilliseconds: WINDOW_MS * counts.present,
    reportingHosts: counts.present,
  };
};

/**
 * What Hystrix' dashboard and Turbine read of one lane: the command and its thread pool. Nothing where no process of it answers.
 *
 * @param minute the lane's last minute, the oldest first.
 * @param nowMs ms since 1970.
 */
export const hystrixEvents = (
  lane: LaneView,
  minute: readonly HistoryPoint[],
  nowMs: number,
): readonly ({ readonly type: string; readonly name: string } & Readonly<Record<string, unknown>>)[] =>
  lane.counts.present === 0 ? [] : [commandEvent(lane, minute, nowMs), threadPoolEvent(lane, minute, nowMs)];
