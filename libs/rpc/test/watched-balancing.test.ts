import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { systemClock } from '@tillmesh/clock';
import type { QueryService } from '@tillmesh/proto/tillmesh/query/v1/query_service_pb.ts';
import { metricsText } from '@tillmesh/telemetry';
import { describe, expect, onTestFinished, test } from 'vitest';
import { assertBalancing, type RpcClient, rpcErrors, serviceConfig } from '../src/index.ts';
import { aQueryClient, aQueryServer, failureOf, PAYMENT, targetOf } from './a-server.ts';
import { aDnsServer } from './dns-server.ts';

/** Two ready instances that count their calls. */
const instances = async (count: number) => {
  const counts = Array<number>(count).fill(0);
  const servers = await Promise.all(
    counts.map((_none, index) =>
      aQueryServer(async () => {
        counts[index] = (counts[index] ?? 0) + 1;
        return {};
      }),
    ),
  );
  return { counts, servers, target: targetOf(...servers.map(({ port }) => port)) };
};

const call = (client: RpcClient<typeof QueryService>, times: number) =>
  Promise.all(Array.from({ length: times }, () => client.getPayment({ payment: PAYMENT })));

const allInUse = async (client: RpcClient<typeof QueryService>, counts: number[]): Promise<void> => {
  await expect
    .poll(async () => {
      counts.fill(0);
      await call(client, 4 * counts.length);
      return Math.min(...counts);
    })
    .toBe(4);
  counts.fill(0);
};

describe('an instance that says it does not serve', () => {
  test('gets no calls from the moment on that it says so, and its share again when it serves', async () => {
    const { counts, servers, target } = await instances(3);
    const client = aQueryClient(target);
    await allInUse(client, counts);
    servers[1]?.setReady(false);
    await expect
      .poll(
        async () => {
          counts.fill(0);
          await call(client, 12);
          return [...counts];
        },
        { timeout: 5_000, interval: 20 },
      )
      .toEqual([6, 0, 6]);
    servers[1]?.setReady(true);
    await allInUse(client, counts);
  });

  test('is called all the same where there is no other: it says itself why it refuses', async () => {
    const { counts, servers, target } = await instances(2);
    const client = aQueryClient(target);
    await allInUse(client, counts);
    for (const server of servers) server.setReady(false);
    await systemClock.sleep(100);
    await call(client, 10);
    expect(counts).toEqual([5, 5]);
  });
});

describe('an instance that drains', () => {
  test('refuses nobody for whom there is another: the call goes there', async () => {
    const counts = [0, 0];
    const held = Promise.withResolvers<object>();
    const [first, second] = await Promise.all(
      counts.map((_none, index) =>
        aQueryServer(async ({ payment }) => {
          counts[index] = (counts[index] ?? 0) + 1;
          // Keeps the draining one, and with it its connection.
          if (payment?.ref.case === 'merchantOrder') return held.promise;
          return {};
        }),
      ),
    );
    const client = aQueryClient(targetOf(first?.port ?? 0, second?.port ?? 0));
    await allInUse(client, counts);
    const kept = Array.from({ length: 2 }, () =>
      client.getPayment({
        payment: { ref: { case: 'merchantOrder', value: { merchantId: 'm', merchantOrderNo: 'n' } } },
      }),
    );
    await expect.poll(() => counts[0] === 1 && counts[1] === 1).toBe(true);
    const drained = first?.drain(2_000);
    // At once: the news of its draining is still on its way.
    const answers = await Promise.allSettled(Array.from({ length: 20 }, () => client.getPayment({ payment: PAYMENT })));
    expect(answers.filter(({ status }) => status === 'rejected')).toEqual([]);
    held.resolve({});
    await Promise.all([...kept, drained]);
  });

  test('and says so to a call that reached it before its connection ended: the call is made again', async () => {
    let calls = 0;
    const server = await aQueryServer(async () => {
      calls += 1;
      if (calls <= 2) throw rpcErrors.notReady('draining');
      return {};
    });
    const client = aQueryClient(targetOf(server.port));
    await client.getPayment({ payment: PAYMENT });
    expect(calls).toBe(3);
  });

  test('and is the only one refuses nobody either who can wait for its successor', async () => {
    const first = await aQueryServer(async () => ({}));
    const client = aQueryClient(targetOf(first.port));
    await client.getPayment({ payment: PAYMENT });
    const drained = first.drain(500);
    const waiting = client.getPayment({ payment: PAYMENT });
    await drained;
    await aQueryServer(async () => ({ payment: { version: 2 } }), { port: first.port });
    expect((await waiting).payment?.version).toBe(2);
  });
});

const aProcess = async (): Promise<{ readonly child: ChildProcess; readonly port: number }> => {
  const child = fork(join(import.meta.dirname, 'instance-program.ts'));
  onTestFinished(() => void child.kill('SIGKILL'));
  const [port] = (await once(child, 'message')) as [number];
  return { child, port };
};

describe('an instance that stands still', () => {
  test('is out within 3 s, and gets its share again when it goes on', async () => {
    const [frozen, other] = await Promise.all([aProcess(), aProcess()]);
    const client = aQueryClient(targetOf(frozen.port, other.port));
    const answeredBy = async () => (await client.getPayment({ payment: PAYMENT }, { capMs: 300 })).payment?.subject;
    const both = new Set([String(frozen.child.pid), String(other.child.pid)]);
    const answering = new Set<string | undefined>();
    await expect
      .poll(async () => {
        answering.add(await answeredBy());
        return answering;
      })
      .toEqual(both);
    const beganMs = systemClock.monotonicMs();
    frozen.child.kill('SIGSTOP');
    let lastFailureMs = 0;
    while (systemClock.monotonicMs() - beganMs < 8_000) {
      await answeredBy().catch(() => {
        lastFailureMs = systemClock.monotonicMs() - beganMs;
      });
      await systemClock.sleep(20);
    }
    // 3 s by its times (the drill measures it); a starved machine is granted as much again. Keepalive alone needs 14 s.
    expect(lastFailureMs).toBeGreaterThan(0);
    expect(lastFailureMs).toBeLessThan(6_000);
    frozen.child.kill('SIGCONT');
    answering.clear();
    await expect
      .poll(
        async () => {
          answering.add(await answeredBy().catch(() => undefined));
          answering.delete(undefined);
          return answering;
        },
        { timeout: 8_000 },
      )
      .toEqual(both);
  }, 30_000);
});

describe('names', () => {
  test('an address more or less in DNS is noticed within seconds', async () => {
    const ofNumber = new Map<string, number>();
    const count = (number: string) => async () => {
      ofNumber.set(number, (ofNumber.get(number) ?? 0) + 1);
      return {};
    };
    const first = await aQueryServer(count('first'), { host: '127.0.0.1' });
    await aQueryServer(count('second'), { host: '127.0.0.2', port: first.port });
    const records = new Map<string, readonly string[]>([['shop.test', ['127.0.0.1']]]);
    const dns = await aDnsServer(records);
    const client = aQueryClient(`dns://${dns.address}/shop.test:${first.port}`);
    await call(client, 10);
    expect(Object.fromEntries(ofNumber)).toEqual({ first: 10 });
    const inUse = async () => {
      ofNumber.clear();
      await call(client, 10);
      return Object.fromEntries(ofNumber);
    };
    records.set('shop.test', ['127.0.0.1', '127.0.0.2']);
    await expect.poll(inUse, { timeout: 10_000 }).toEqual({ first: 5, second: 5 });
    // No answer is not the answer that there are none.
    records.delete('shop.test');
    await systemClock.sleep(2_500);
    expect(await inUse()).toEqual({ first: 5, second: 5 });
    records.set('shop.test', ['127.0.0.2']);
    await expect.poll(inUse, { timeout: 10_000 }).toEqual({ second: 10 });
  }, 30_000);

  test('that nobody knows fail as what they are when the budget is over', async () => {
    const dns = await aDnsServer(new Map());
    const client = aQueryClient(`dns://${dns.address}/nobody.test:80`, 500);
    expect(await failureOf(client.getPayment({ payment: PAYMENT }))).toMatchObject({ isTransport: true });
  });

  test('without a port are refused where the client is created', () => {
    expect(() => aQueryClient('nobody.test')).toThrow(/not host:port; set the target with its port/);
  });
});

test('the metric tells how many instances of a target are in which state', async () => {
  const { counts, servers, target } = await instances(2);
  const client = aQueryClient(target);
  await allInUse(client, counts);
  servers[0]?.setReady(false);
  const valueOf = (text: string, state: string) =>
    text
      .split('\n')
      .find((line) => line.startsWith(`tillmesh_rpc_endpoints{target="${target}",state="${state}"}`))
      ?.split(' ')[1];
  await expect.poll(async () => valueOf(await metricsText(), 'not_serving')).toBe('1');
  expect(valueOf(await metricsText(), 'serving')).toBe('1');
});

describe('the check of the load-balancing block', () => {
  test('passes what we use', () => expect(() => assertBalancing(serviceConfig)).not.toThrow());

  test('finds the words of gRPC’s own documents, which would send all calls to one address', () => {
    const camelCase = [{ outlierDetection: { interval: '5s', childPolicy: [{ round_robin: {} }] } }];
    expect(() => assertBalancing({ loadBalancingConfig: camelCase })).toThrow(
      /takes the load-balancing block for pick_first/,
    );
    const unknownChild = [{ outlier_detection: { interval: { seconds: 5, nanos: 0 }, child_policy: [{ other: {} }] } }];
    expect(() => assertBalancing({ loadBalancingConfig: unknownChild })).toThrow(/all calls would go to one address/);
  });
});
