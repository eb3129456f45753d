import { type Client, status } from '@grpc/grpc-js';
import { systemClock } from '@tillmesh/clock';
import { describe, expect, test } from 'vitest';
import { RpcError, rpcErrors, serviceConfig } from '../src/index.ts';
import { aForeignClient, aQueryClient, aQueryServer, foreignCall, PAYMENT, targetOf } from './a-server.ts';

/** Servers that count their calls; `fails` says which of them fail every one. */
const servers = async (count: number, fails: (index: number) => boolean = () => false) => {
  const counts = Array<number>(count).fill(0);
  const ports: number[] = [];
  for (let index = 0; index < count; index += 1) {
    const server = await aQueryServer(async () => {
      counts[index] = (counts[index] ?? 0) + 1;
      if (fails(index)) throw rpcErrors.dependencyUnavailable('sick');
      return {};
    });
    ports.push(server.port);
  }
  return { counts, target: targetOf(...ports) };
};

describe('round robin', () => {
  test('spreads calls evenly over two instances', async () => {
    const { counts, target } = await servers(2);
    const client = aQueryClient(target);
    // The second connection may come up a moment after the first.
    await expect
      .poll(async () => {
        await client.getPayment({ payment: PAYMENT });
        return Math.min(...counts);
      })
      .toBeGreaterThan(0);
    counts.fill(0);
    for (let call = 0; call < 100; call += 1) await client.getPayment({ payment: PAYMENT });
    expect(counts).toEqual([50, 50]);
  });

  test('goes on with the others when one instance is gone', async () => {
    const counts = [0, 0];
    const instances = await Promise.all(
      counts.map((_none, index) =>
        aQueryServer(async () => {
          counts[index] = (counts[index] ?? 0) + 1;
          return {};
        }),
      ),
    );
    const client = aQueryClient(targetOf(...instances.map(({ port }) => port)));
    for (let call = 0; call < 20; call += 1) await client.getPayment({ payment: PAYMENT });
    await instances[0]?.drain(500);
    const before = [...counts];
    for (let call = 0; call < 20; call += 1) await client.getPayment({ payment: PAYMENT });
    expect([counts[0], counts[1]]).toEqual([before[0], (before[1] ?? 0) + 20]);
  });
});

/** Calls in rounds until a whole round misses the sick one, for at most 12 s; tells whether that happened. */
const isEjected = async (counts: number[], call: () => Promise<unknown>): Promise<boolean> => {
  const untilMs = systemClock.monotonicMs() + 12_000;
  while (systemClock.monotonicMs() < untilMs) {
    counts.fill(0);
    // 80 to each of three: over the volume that outlier detection wants in an interval of 5 s.
    for (let round = 0; round < 24; round += 1) await Promise.all(Array.from({ length: 10 }, call));
    if (counts[0] === 0) return true;
    await systemClock.sleep(500);
  }
  return false;
};

const jsonOf = (config: unknown) => ({
  'grpc.service_config': JSON.stringify(config),
  'grpc.service_config_disable_resolution': 1,
});

describe('outlier detection', () => {
  test('is really in force: an instance that fails every call is left out, and the calls go to the others', async () => {
    const { counts, target } = await servers(3, (index) => index === 0);
    const client = aQueryClient(target);
    let failures = 0;
    const call = async () => {
      try {
        await client.getPayment({ payment: PAYMENT });
      } catch (error) {
        if (!(error instanceof RpcError)) throw error;
        failures += 1;
      }
    };
    expect(await isEjected(counts, call)).toBe(true);
    expect(failures).toBeGreaterThan(0);
    failures = 0;
    await Promise.all(Array.from({ length: 30 }, call));
    expect([failures, counts[0]]).toEqual([0, 0]);
    expect(Math.min(...counts.slice(1))).toBeGreaterThan(0);
  }, 40_000);

  test("is in force by this JSON and not by that of gRPC's own documents, which grpc-js drops without a word", async () => {
    const { counts, target } = await servers(3);
    const spreadOf = async (client: Client): Promise<number> => {
      for (let call = 0; call < 30; call += 1) expect(await foreignCall(client)).toBeUndefined();
      await systemClock.sleep(100);
      counts.fill(0);
      for (let call = 0; call < 30; call += 1) expect(await foreignCall(client)).toBeUndefined();
      return counts.filter((count) => count > 0).length;
    };
    expect(await spreadOf(aForeignClient(target, jsonOf(serviceConfig)))).toBe(3);
    const camelCase = {
      loadBalancingConfig: [
        { outlierDetection: { interval: '5s', baseEjectionTime: '10s', childPolicy: [{ roundRobin: {} }] } },
      ],
    };
    expect(await spreadOf(aForeignClient(target, jsonOf(camelCase)))).toBe(1);
    const [{ outlier_detection: ours }] = serviceConfig.loadBalancingConfig as [
      (typeof serviceConfig.loadBalancingConfig)[0],
    ];
    const textDurations = { loadBalancingConfig: [{ outlier_detection: { ...ours, interval: '5s' } }] };
    expect(await spreadOf(aForeignClient(target, jsonOf(textDurations)))).toBe(1);
  });
});

describe('a service that restarts on the same port', () => {
  test('answers the call that was made while it was away', async () => {
    const first = await aQueryServer(async () => ({ payment: { version: 1 } }));
    const client = aQueryClient(targetOf(first.port));
    expect((await client.getPayment({ payment: PAYMENT })).payment?.version).toBe(1);
    await first.drain(100);
    const waiting = client.getPayment({ payment: PAYMENT });
    await systemClock.sleep(300);
    await aQueryServer(async () => ({ payment: { version: 2 } }), { port: first.port });
    const beganMs = systemClock.monotonicMs();
    expect((await waiting).payment?.version).toBe(2);
    // The longest pause between two tries to connect is a second, with a fifth of chance.
    expect(systemClock.monotonicMs() - beganMs).toBeLessThan(3_000);
  });

  test('is waited for as long as the budget lasts, and no longer', async () => {
    const server = await aQueryServer(async () => ({}));
    const client = aQueryClient(targetOf(server.port));
    await server.drain(100);
    const beganMs = systemClock.monotonicMs();
    const failure = await client.getPayment({ payment: PAYMENT }, { capMs: 300 }).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: status.DEADLINE_EXCEEDED, isTransport: true });
    const tookMs = systemClock.monotonicMs() - beganMs;
    expect(tookMs).toBeGreaterThan(250);
    expect(tookMs).toBeLessThan(2_000);
  });
});
