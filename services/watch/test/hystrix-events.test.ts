import { ManualClock } from '@tillmesh/clock';
import { BreakerControl, BreakerState } from '@tillmesh/proto/tillmesh/lane/v1/lane_service_pb.ts';
import { describe, expect, test } from 'vitest';
import { hystrixEvents } from '../src/hystrix-events.ts';
import { aBoard, onlyLane, type Reading } from './a-board.ts';
import { aReading } from './a-lane-process.ts';

// Netflix/Hystrix, hystrix-contrib/hystrix-metrics-event-stream, HystrixMetricsPoller.getCommandJson and getThreadPoolJson: every
// field that is written there, with its type, and no other.
const NUMBER = 'number';
const BOOLEAN = 'boolean';
const STRING = 'string';

const COMMAND: Readonly<Record<string, string>> = {
  type: STRING,
  name: STRING,
  group: STRING,
  currentTime: NUMBER,
  isCircuitBreakerOpen: BOOLEAN,
  errorPercentage: NUMBER,
  errorCount: NUMBER,
  requestCount: NUMBER,
  rollingCountBadRequests: NUMBER,
  rollingCountCollapsedRequests: NUMBER,
  rollingCountEmit: NUMBER,
  rollingCountExceptionsThrown: NUMBER,
  rollingCountFailure: NUMBER,
  rollingCountFallbackEmit: NUMBER,
  rollingCountFallbackFailure: NUMBER,
  rollingCountFallbackMissing: NUMBER,
  rollingCountFallbackRejection: NUMBER,
  rollingCountFallbackSuccess: NUMBER,
  rollingCountResponsesFromCache: NUMBER,
  rollingCountSemaphoreRejected: NUMBER,
  rollingCountShortCircuited: NUMBER,
  rollingCountSuccess: NUMBER,
  rollingCountThreadPoolRejected: NUMBER,
  rollingCountTimeout: NUMBER,
  currentConcurrentExecutionCount: NUMBER,
  rollingMaxConcurrentExecutionCount: NUMBER,
  latencyExecute_mean: NUMBER,
  latencyExecute: 'object',
  latencyTotal_mean: NUMBER,
  latencyTotal: 'object',
  propertyValue_circuitBreakerRequestVolumeThreshold: NUMBER,
  propertyValue_circuitBreakerSleepWindowInMilliseconds: NUMBER,
  propertyValue_circuitBreakerErrorThresholdPercentage: NUMBER,
  propertyValue_circuitBreakerForceOpen: BOOLEAN,
  propertyValue_circuitBreakerForceClosed: BOOLEAN,
  propertyValue_circuitBreakerEnabled: BOOLEAN,
  propertyValue_executionIsolationStrategy: STRING,
  propertyValue_executionIsolationThreadTimeoutInMilliseconds: NUMBER,
  propertyValue_executionTimeoutInMilliseconds: NUMBER,
  propertyValue_executionIsolationThreadInterruptOnTimeout: BOOLEAN,
  // A text or null; Hystrix writes null where no other pool was asked for.
  propertyValue_executionIsolationThreadPoolKeyOverride: 'object',
  propertyValue_executionIsolationSemaphoreMaxConcurrentRequests: NUMBER,
  propertyValue_fallbackIsolationSemaphoreMaxConcurrentRequests: NUMBER,
  propertyValue_metricsRollingStatisticalWindowInMilliseconds: NUMBER,
  propertyValue_requestCacheEnabled: BOOLEAN,
  propertyValue_requestLogEnabled: BOOLEAN,
  reportingHosts: NUMBER,
  threadPool: STRING,
};

const THREAD_POOL: Readonly<Record<string, string>> = {
  type: STRING,
  name: STRING,
  currentTime: NUMBER,
  currentActiveCount: NUMBER,
  currentCompletedTaskCount: NUMBER,
  currentCorePoolSize: NUMBER,
  currentLargestPoolSize: NUMBER,
  currentMaximumPoolSize: NUMBER,
  currentPoolSize: NUMBER,
  currentQueueSize: NUMBER,
  currentTaskCount: NUMBER,
  rollingCountThreadsExecuted: NUMBER,
  rollingMaxActiveThreads: NUMBER,
  rollingCountCommandRejections: NUMBER,
  propertyValue_queueSizeRejectionThreshold: NUMBER,
  propertyValue_metricsRollingStatisticalWindowInMilliseconds: NUMBER,
  reportingHosts: NUMBER,
};

const PERCENTILES = ['0', '25', '50', '75', '90', '95', '99', '99.5', '100'];

const NOW_MS = 1_767_225_600_000;
const NAME = 'channel-wechat.pay';

const eventsOf = (...readings: readonly Reading[]) =>
  hystrixEvents(onlyLane(aBoard(new ManualClock(), ...readings)), [], NOW_MS).map(
    // As a reader gets it.
    (event) => JSON.parse(JSON.stringify(event)) as Record<string, unknown>,
  );
const typesOf = (event: Record<string, unknown> | undefined) =>
  Object.fromEntries(Object.entries(event ?? {}).map(([name, value]) => [name, typeof value]));

const SICK = {
  succeeded: 80n,
  failed: 10n,
  timedOut: 4n,
  declined: 5n,
  abandoned: 1n,
  rejectedFull: 3n,
  rejectedQueueWait: 2n,
  rejectedNoTime: 1n,
  rejectedMerchant: 4n,
  rejectedOpen: 50n,
};

describe('the events for Hystrix', () => {
  test('of a lane are a command and its thread pool, with exactly the fields that Hystrix writes', () => {
    const [command, threadPool, ...more] = eventsOf(aReading(NAME, SICK));
    expect(typesOf(command)).toEqual(COMMAND);
    expect(typesOf(threadPool)).toEqual(THREAD_POOL);
    expect(more).toEqual([]);
    for (const latency of [command?.['latencyExecute'], command?.['latencyTotal']]) {
      expect(Object.keys(latency ?? {}).toSorted()).toEqual(PERCENTILES.toSorted());
    }
  });

  test('count as Hystrix counts: a decline is no error, a short circuit is neither error nor request', () => {
    const [command, threadPool] = eventsOf(aReading(NAME, SICK));
    expect(command).toMatchObject({
      type: 'HystrixCommand',
      name: 'cashier.channel-wechat.pay',
      group: 'cashier',
      threadPool: 'cashier.channel-wechat.pay',
      currentTime: NOW_MS,
      errorCount: 20,
      requestCount: 100,
      errorPercentage: 20,
      rollingCountSuccess: 80,
      rollingCountFailure: 6,
      rollingCountTimeout: 4,
      rollingCountBadRequests: 5,
      rollingCountThreadPoolRejected: 10,
      rollingCountShortCircuited: 50,
      reportingHosts: 1,
    });
    expect(threadPool).toMatchObject({
      type: 'HystrixThreadPool',
      rollingCountThreadsExecuted: 96,
      rollingCountCommandRejections: 10,
      currentActiveCount: 3,
      currentPoolSize: 32,
      propertyValue_queueSizeRejectionThreshold: 8,
    });
  });

  test('of several processes are sums that the dashboard divides by their number', () => {
    const open = { breaker: BreakerState.OPEN };
    const [command] = eventsOf(aReading(NAME, SICK), aReading(NAME, { ...SICK, ...open }), aReading(NAME, SICK));
    expect(command).toMatchObject({
      reportingHosts: 3,
      isCircuitBreakerOpen: { true: 1, false: 2 },
      requestCount: 300,
      errorPercentage: 60,
      propertyValue_metricsRollingStatisticalWindowInMilliseconds: 30_000,
    });
    expect(command?.['latencyExecute']).toMatchObject({ '50': 60, '90': 165, '99': 420 });
  });

  test('say whether the breaker is open, and whether an operator wants it so', () => {
    const [command] = eventsOf(aReading(NAME, { breaker: BreakerState.OPEN, control: BreakerControl.FORCED_OPEN }));
    expect(command).toMatchObject({ isCircuitBreakerOpen: true, propertyValue_circuitBreakerForceOpen: true });
    const [closed] = eventsOf(aReading(NAME, { control: BreakerControl.FORCED_CLOSED }));
    expect(closed).toMatchObject({ isCircuitBreakerOpen: false, propertyValue_circuitBreakerForceClosed: true });
  });

  test('have no name that would break the dashboard’s page', () => {
    const [command, threadPool] = eventsOf(aReading('<b> "x"/pay'));
    expect(command?.['name']).toBe('cashier._b___x__pay');
    expect(threadPool?.['name']).toBe('cashier._b___x__pay');
  });

  test('are none where no process of the lane answers', async () => {
    const clock = new ManualClock();
    const board = aBoard(clock, aReading(NAME));
    await clock.advance(3_001);
    expect(hystrixEvents(onlyLane(board), [], NOW_MS)).toEqual([]);
  });

  test('tell the most calls under way of the last ten seconds', () => {
    const lane = onlyLane(aBoard(new ManualClock(), aReading(NAME)));
    const minute = [90, 1, 1, 1, 1, 7, 1, 1, 1, 1, 1].map((inFlight) => [1, 0, 0, inFlight] as const);
    const [command] = hystrixEvents(lane, minute, NOW_MS);
    expect(command?.['rollingMaxConcurrentExecutionCount']).toBe(7);
  });
});
