import { createServer, type ServerResponse } from 'node:http';
import { systemClock } from '@tillmesh/clock';
import { describe, expect, onTestFinished, test } from 'vitest';
import { addressesOf, type EndpointSlice } from '../src/endpoints/endpoint-slices.ts';
import { aQueryClient, aQueryServer, failureOf, PAYMENT } from './a-server.ts';

const slice = (name: string, port: number, conditions: object = { ready: true }): EndpointSlice => ({
  metadata: { name, resourceVersion: String(port) },
  addressType: 'IPv4',
  ports: [{ name: 'grpc', port }],
  endpoints: [{ addresses: ['127.0.0.1'], conditions }],
});

/** As much of the API of Kubernetes as knows the slices of one service, until the test ends. */
const anApi = async (slices: readonly EndpointSlice[]) => {
  let items = [...slices];
  let isForbidden = false;
  const watches = new Set<ServerResponse>();
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    if (isForbidden) response.writeHead(403).end();
    else if (request.url?.includes('watch=1') === true) {
      response.writeHead(200);
      response.flushHeaders();
      watches.add(response);
      response.on('close', () => watches.delete(response));
    } else response.end(JSON.stringify({ metadata: { resourceVersion: '7' }, items }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const say = (change: object) => {
    for (const watch of watches) watch.write(`${JSON.stringify(change)}\n`);
  };
  return {
    target: `kubernetes://127.0.0.1:${port}/query.tills:grpc`,
    asked,
    watching: () => watches.size,
    forbid: (forbidden: boolean) => {
      isForbidden = forbidden;
    },
    /** Changes what there is, and tells those who watch. */
    change: (type: 'ADDED' | 'MODIFIED' | 'DELETED', object: EndpointSlice) => {
      items = items.filter(({ metadata }) => metadata?.name !== object.metadata?.name);
      if (type !== 'DELETED') items.push(object);
      say({ type, object });
    },
    /** Changes what there is while nobody is told, and then says that the watch is too old. */
    forgetAndSay: (now: readonly EndpointSlice[]) => {
      items = [...now];
      say({ type: 'ERROR', object: { code: 410, reason: 'Expired' } });
    },
    cut: () => {
      for (const watch of watches) watch.destroy();
    },
  };
};

const counted = async (count: number) => {
  const counts = Array<number>(count).fill(0);
  const servers = await Promise.all(
    counts.map((_none, index) =>
      aQueryServer(async () => {
        counts[index] = (counts[index] ?? 0) + 1;
        return {};
      }),
    ),
  );
  return { counts, ports: servers.map(({ port }) => port) as [number, number] };
};

describe('a target of Kubernetes', () => {
  test('follows the slices: added, ending, deleted, after a lost watch and after one that is too old', async () => {
    const { counts, ports } = await counted(2);
    const [one, two] = ports;
    const api = await anApi([slice('a', one)]);
    const client = aQueryClient(api.target);
    const spread = async () => {
      counts.fill(0);
      for (let call = 0; call < 10; call += 1) await client.getPayment({ payment: PAYMENT });
      return [...counts];
    };
    expect(await spread()).toEqual([10, 0]);
    expect(api.asked[0]).toBe(
      '/apis/discovery.k8s.io/v1/namespaces/tills/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3Dquery',
    );
    await expect.poll(api.watching).toBe(1);
    const beganMs = systemClock.monotonicMs();
    api.change('ADDED', slice('b', two));
    await expect.poll(spread, { timeout: 8_000, interval: 10 }).toEqual([5, 5]);
    // At once, and on a starved machine long before DNS would say it.
    expect(systemClock.monotonicMs() - beganMs).toBeLessThan(3_000);
    api.change('MODIFIED', slice('a', one, { ready: false, serving: true, terminating: true }));
    await expect.poll(spread).toEqual([0, 10]);
    api.cut();
    api.change('MODIFIED', slice('a', one));
    await expect.poll(spread, { timeout: 10_000 }).toEqual([5, 5]);
    await expect.poll(api.watching).toBe(1);
    api.forgetAndSay([slice('a', one)]);
    await expect.poll(spread, { timeout: 10_000 }).toEqual([10, 0]);
    await expect.poll(api.watching).toBe(1);
    api.change('DELETED', slice('a', one));
    // None is left: the last ones are called rather than nobody.
    await systemClock.sleep(200);
    expect(await spread()).toEqual([10, 0]);
  }, 30_000);

  test('keeps what it knows while the API is away', async () => {
    const { counts, ports } = await counted(1);
    const api = await anApi([slice('a', ports[0])]);
    const client = aQueryClient(api.target);
    await client.getPayment({ payment: PAYMENT });
    api.forbid(true);
    api.cut();
    await systemClock.sleep(1_500);
    await client.getPayment({ payment: PAYMENT });
    expect(counts[0]).toBe(2);
  });

  test('says what to set where it may not read slices and the port is a name', async () => {
    const api = await anApi([]);
    api.forbid(true);
    const client = aQueryClient(api.target, 800);
    expect(await failureOf(client.getPayment({ payment: PAYMENT }))).toMatchObject({ isTransport: true });
    expect(() => aQueryClient('kubernetes:///query:grpc')).toThrow(/is not kubernetes:\/\/\/service.namespace:port/);
  });
});

describe('addresses of slices', () => {
  test('are of the port by name or number, of ready endpoints, each once', () => {
    const two = {
      ...slice('x', 80),
      endpoints: [{ addresses: ['10.0.0.1'] }, { addresses: ['10.0.0.1'], conditions: {} }],
    };
    expect(addressesOf([two], 'grpc')).toEqual(['10.0.0.1:80']);
    expect(addressesOf([two], '80')).toEqual(['10.0.0.1:80']);
    expect(addressesOf([two], 'metrics')).toEqual([]);
    const six = { ...slice('y', 81), addressType: 'IPv6', endpoints: [{ addresses: ['fd00::1'] }] };
    expect(addressesOf([six], 'grpc')).toEqual(['[fd00::1]:81']);
  });

  test('are those that end only where none is ready', () => {
    const ending = slice('a', 1, { ready: false, serving: true });
    const dead = slice('b', 2, { ready: false, serving: false });
    expect(addressesOf([ending, dead], 'grpc')).toEqual(['127.0.0.1:1']);
    expect(addressesOf([ending, dead, slice('c', 3)], 'grpc')).toEqual(['127.0.0.1:3']);
  });
});
