import { ManualClock, systemClock } from '@tillmesh/clock';
import { createLane } from '@tillmesh/lane';
import { BreakerControl, BreakerState, LaneService } from '@tillmesh/proto/tillmesh/lane/v1/lane_service_pb.ts';
import { createClient, type RpcClient, type RpcServer, serve, toRpcError } from '@tillmesh/rpc';
import { createLog } from '@tillmesh/telemetry';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bindLanes } from '../src/index.ts';

const lane = createLane(
  {
    name: 'neighbour.pay',
    concurrentMax: 4,
    queuedMax: 2,
    queueWaitMsMax: 100,
    timeoutMs: 5_000,
    halfOpenAfterMs: 100,
  },
  new ManualClock(),
);
let server: RpcServer;
let client: RpcClient<typeof LaneService>;

beforeAll(async () => {
  const log = createLog('test', 'silent');
  server = await serve({
    services: [bindLanes({ service: 'cashier', instance: 'here:1', clock: systemClock, log })],
    host: '127.0.0.1',
    port: 0,
    log,
    clock: systemClock,
  });
  server.setReady(true);
  client = createClient(LaneService, { target: `127.0.0.1:${server.port}`, caller: 'test', capMs: 5_000 });
});

afterAll(async () => {
  client.close();
  await server.drain(100);
});

const reasonOf = (call: Promise<unknown>) =>
  call.then(
    () => undefined,
    (error: unknown) => toRpcError(error).reason,
  );

test('who watches gets every lane at once and again each second, with what has happened meanwhile', async () => {
  const seen = [];
  for await (const { service, instance, lanes } of client.watchLanes({})) {
    seen.push({ service, instance, own: lanes.find(({ name }) => name === 'neighbour.pay') });
    if (seen.length === 2) break;
    await lane.run(async () => 'answer');
  }
  expect(seen[0]).toMatchObject({
    service: 'cashier',
    instance: 'here:1',
    own: { concurrentMax: 4, breaker: BreakerState.CLOSED, control: BreakerControl.AUTO, succeeded: 0n },
  });
  expect(seen[1]?.own?.succeeded).toBe(1n);
});

test('an operator changes a limit, and one that makes no sense is refused with the reason while the old one stays', async () => {
  const changed = await client.changeLane({ name: 'neighbour.pay', concurrentMax: 8, note: 'more tills' });
  expect(changed.lane).toMatchObject({ concurrentMax: 8, queuedMax: 2 });
  const refused = client.changeLane({ name: 'neighbour.pay', concurrentMax: 0, note: 'a slip' });
  await expect(refused).rejects.toThrow('concurrentMax must be a whole number from 1 to 10000, not 0');
  expect(await reasonOf(refused)).toBe('REQUEST_INVALID');
  expect(lane.limits.concurrentMax).toBe(8);
});

test('an operator forces a breaker open and lets it decide again', async () => {
  const { lane: open } = await client.setBreaker({
    name: 'neighbour.pay',
    control: BreakerControl.FORCED_OPEN,
    note: 'maintenance',
  });
  expect(open).toMatchObject({ breaker: BreakerState.OPEN, control: BreakerControl.FORCED_OPEN });
  await expect(lane.run(async () => 1)).rejects.toMatchObject({ rejection: 'open' });
  await client.setBreaker({ name: 'neighbour.pay', control: BreakerControl.AUTO, note: 'over' });
  expect(await lane.run(async () => 1)).toBe(1);
});

test('a lane that is not there is refused with the names of those that are', async () => {
  const call = client.setBreaker({ name: 'neighbor.pay', control: BreakerControl.AUTO, note: 'x' });
  expect(await reasonOf(call)).toBe('LANE_UNKNOWN');
  await expect(call).rejects.toThrow('neighbour.pay');
});
