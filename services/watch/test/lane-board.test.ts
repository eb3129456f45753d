import { ManualClock } from '@tillmesh/clock';
import { type BreakerControl, BreakerState } from '@tillmesh/proto/tillmesh/lane/v1/lane_service_pb.ts';
import { describe, expect, test } from 'vitest';
import { AWAY_AFTER_MS } from '../src/lane-board.ts';
import type { Severity } from '../src/severity.ts';
import { aBoard, onlyLane, said } from './a-board.ts';
import { aReading } from './a-lane-process.ts';

const NAME = 'channel-wechat.pay';

describe('the board', () => {
  test('merges a lane over the processes that answer: counts are summed, the mean weighted, percentiles the largest', () => {
    const board = aBoard(
      new ManualClock(),
      aReading(NAME, { succeeded: 30n, declined: 0n, meanMs: 10, p50Ms: 8, p99Ms: 90 }),
      aReading(NAME, { succeeded: 10n, declined: 0n, meanMs: 50, p50Ms: 45, p99Ms: 60 }),
    );
    expect(onlyLane(board)).toMatchObject({
      service: 'cashier',
      name: NAME,
      figures: { inFlight: 6, concurrentMax: 64, succeeded: 40, meanMs: 20, p50Ms: 45, p99Ms: 90 },
      counts: { present: 2, away: 0, open: 0 },
    });
  });

  test('keeps the lanes of a process that says nothing any more, as away, and without its figures', async () => {
    const clock = new ManualClock();
    const board = aBoard(clock, aReading(NAME), aReading(NAME));
    await clock.advance(AWAY_AFTER_MS);
    board.heard('cashier', 'a:1', said('cashier-1', [aReading(NAME)]));
    await clock.advance(1);
    expect(onlyLane(board)).toMatchObject({ figures: { inFlight: 3 }, counts: { present: 1, away: 1 } });
    expect(onlyLane(board).instances.map(({ isAway }) => isAway)).toEqual([false, true]);
    expect(board.view().processes).toMatchObject([
      { address: 'a:1', presence: 'present', silentMs: 1 },
      { address: 'a:2', presence: 'lost', silentMs: AWAY_AFTER_MS + 1 },
    ]);
  });

  test('raises no alarm over a stream that ends and is there again within three seconds', async () => {
    const clock = new ManualClock();
    const board = aBoard(clock, aReading(NAME));
    board.ended('cashier', 'a:1', 'UNAVAILABLE', false);
    await clock.advance(1_000);
    expect(board.view().processes).toMatchObject([{ presence: 'present', why: 'UNAVAILABLE' }]);
    board.heard('cashier', 'a:1', said('cashier-9', [aReading(NAME)]));
    expect(board.view().processes).toMatchObject([{ presence: 'present', why: '', instance: 'cashier-9' }]);
  });

  test('tells a process that was never heard, and one that has no lanes', () => {
    const board = aBoard(new ManualClock());
    board.expect('query', 'q:1');
    board.expect('edge', 'e:1');
    board.ended('query', 'q:1', 'UNIMPLEMENTED', true);
    expect(board.view().processes).toMatchObject([
      { service: 'query', presence: 'without_lanes', silentMs: null },
      { service: 'edge', presence: 'lost', silentMs: null },
    ]);
  });

  test('forgets a process that is not followed any more, also when it still speaks', () => {
    const board = aBoard(new ManualClock(), aReading(NAME));
    board.forget('cashier', 'a:1');
    board.heard('cashier', 'a:1', said('cashier-1', [aReading(NAME)]));
    expect(board.view()).toEqual({ processes: [], lanes: [] });
  });

  test('takes no more of a process than can be shown: 256 lanes, names of 64 characters, numbers that are numbers', () => {
    const clock = new ManualClock();
    const board = aBoard(clock, aReading('x'.repeat(500), { meanMs: Number.NaN, p99Ms: Number.POSITIVE_INFINITY }));
    expect(onlyLane(board)).toMatchObject({ name: 'x'.repeat(64), figures: { meanMs: 0, p99Ms: 0 } });
    const many = Array.from({ length: 300 }, (_, number) => aReading(`lane-${number}`));
    board.heard('cashier', 'a:1', said('cashier-1', many));
    expect(board.view().lanes).toHaveLength(256);
  });

  test('shows what it does not know as unknown, not as well', () => {
    const board = aBoard(
      new ManualClock(),
      aReading(NAME, { breaker: 9 as BreakerState, control: 9 as BreakerControl }),
    );
    expect(onlyLane(board).instances).toMatchObject([{ breaker: 'unknown', control: 'unknown' }]);
  });

  test('has other alarms when a breaker moves, and the same when only figures do', () => {
    const board = aBoard(new ManualClock(), aReading(NAME));
    const before = board.alarms();
    board.heard('cashier', 'a:1', said('cashier-1', [aReading(NAME, { inFlight: 30 })]));
    expect(board.alarms()).toBe(before);
    board.heard('cashier', 'a:1', said('cashier-1', [aReading(NAME, { breaker: BreakerState.OPEN })]));
    expect(board.alarms()).not.toBe(before);
  });
});

describe('how a lane does', () => {
  const cases: readonly [Severity, string, Parameters<typeof aReading>[1]][] = [
    ['open', 'is open', { breaker: BreakerState.OPEN }],
    ['half_open', 'tries again, stalled as it still is', { breaker: BreakerState.HALF_OPEN, stalled: true }],
    ['failing', 'is stalled and held closed', { stalled: true, control: 3 }],
    ['failing', 'fails one call in twenty', { succeeded: 190n, declined: 0n, failed: 10n }],
    ['failing', 'rejects one call in twenty', { succeeded: 190n, declined: 0n, rejectedFull: 10n }],
    ['well', 'fails less than that', { succeeded: 191n, declined: 0n, failed: 9n }],
    ['busy', 'has four fifths of its places taken', { inFlight: 26 }],
    ['busy', 'lets calls wait', { queued: 1 }],
    ['well', 'works', {}],
    ['idle', 'has had no call for ten seconds', { inFlight: 0, succeeded: 0n, declined: 0n }],
  ];
  test.each(cases)('is %s when it %s', (severity, _what, changed) => {
    expect(onlyLane(aBoard(new ManualClock(), aReading(NAME, changed))).severity).toBe(severity);
  });

  test('is away when no process answers, and when one of several does not', async () => {
    const clock = new ManualClock();
    const board = aBoard(clock, aReading(NAME), aReading(NAME));
    await clock.advance(AWAY_AFTER_MS + 1);
    expect(onlyLane(board).severity).toBe('away');
    board.heard('cashier', 'a:1', said('cashier-1', [aReading(NAME)]));
    expect(onlyLane(board).severity).toBe('away');
    board.heard('cashier', 'a:2', said('cashier-2', [aReading(NAME, { breaker: BreakerState.OPEN })]));
    expect(onlyLane(board).severity).toBe('open');
  });
});
