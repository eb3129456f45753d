import { systemClock } from '@tillmesh/clock';
import { createLane } from '@tillmesh/lane';
import { bindLanes } from '@tillmesh/lane-control';
import { BreakerControl, LaneService } from '@tillmesh/proto/tillmesh/lane/v1/lane_service_pb.ts';
import { createClient, type RpcServer, serve } from '@tillmesh/rpc';
import { createLog } from '@tillmesh/telemetry';
import { expect, onTestFinished, test } from 'vitest';
import { followTarget } from '../src/follow-target.ts';
import { createLaneBoard } from '../src/lane-board.ts';

const clock = systemClock;
const log = createLog('test', 'silent');
const lane = createLane(
  {
    name: 'neighbour.pay',
    concurrentMax: 4,
    queuedMax: 2,
    queueWaitMsMax: 100,
    timeoutMs: 5_000,
    halfOpenAfterMs: 100,
  },
  clock,
);
const PATIENT = { timeout: 15_000, interval: 50 };

const aServer = async (port: number, hasLanes: boolean): Promise<RpcServer> => {
  const services = hasLanes ? [bindLanes({ service: 'cashier', instance: 'here', clock, log })] : [];
  const server = await serve({ services, host: '127.0.0.1', port, log, clock });
  server.setReady(true);
  onTestFinished(() => server.drain(0));
  return server;
};

/** A board on which a target is followed until the test ends. */
const follow = (target: string) => {
  const board = createLaneBoard(clock);
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  let heard = 0;
  const onHeard = (): void => {
    heard += 1;
  };
  const followed = followTarget({ service: 'cashier', target, board, clock, log, signal: stop.signal, onHeard });
  return { board, heard: () => heard, followed };
};

test('a real lane is followed through what calls, operators and restarts do to it', async () => {
  const server = await aServer(0, true);
  const target = `127.0.0.1:${server.port}`;
  const { board, heard } = follow(target);
  const shown = () => board.view().lanes[0];
  await expect.poll(shown, PATIENT).toMatchObject({ service: 'cashier', name: 'neighbour.pay', severity: 'idle' });
  await lane.run(async () => 'answer');
  await expect.poll(() => shown()?.figures.succeeded, PATIENT).toBe(1);

  const operator = createClient(LaneService, { target, caller: 'test', capMs: 5_000 });
  onTestFinished(() => operator.close());
  await operator.setBreaker({ name: 'neighbour.pay', control: BreakerControl.FORCED_OPEN, note: 'test' });
  await expect.poll(() => shown()?.counts.forcedOpen, PATIENT).toBe(1);

  await server.drain(0);
  await expect.poll(() => board.view().processes[0]?.presence, PATIENT).toBe('lost');
  expect(shown()?.instances).toMatchObject([{ isAway: true, address: target }]);
  const heardBefore = heard();
  await aServer(server.port, true);
  await expect.poll(() => board.view().processes[0]?.presence, PATIENT).toBe('present');
  expect(heard()).toBeGreaterThan(heardBefore);
}, 60_000);

test('each process behind one target is followed by itself, and one without lanes is not away', async () => {
  const [first, second] = await Promise.all([aServer(0, true), aServer(0, false)]);
  const { board } = follow(`ipv4:127.0.0.1:${first.port},127.0.0.1:${second.port}`);
  await expect
    .poll(() => board.view().processes.map(({ presence }) => presence), PATIENT)
    .toEqual(['present', 'without_lanes']);
});

test('a name of DNS is followed to its processes', async () => {
  const { port } = await aServer(0, true);
  const { board } = follow(`dns:///localhost:${port}`);
  await expect
    .poll(() => board.view().processes.map(({ address, presence }) => `${address} ${presence}`), PATIENT)
    .toContain(`127.0.0.1:${port} present`);
});
