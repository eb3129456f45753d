import { expect, test } from 'vitest';
import { planFurther, planProcesses, SERVICES } from '../src/mesh-plan.ts';
import { chooseMeshPorts } from '../src/mesh-ports.ts';

const plan = async (options: Partial<Parameters<typeof planProcesses>[0]> = {}) =>
  planProcesses({
    services: SERVICES,
    instances: {},
    channels: [],
    ports: await chooseMeshPorts(undefined),
    ...options,
  });

test('without wishes a mesh has one process of each service', async () => {
  const processes = await plan();
  expect(processes.map(({ name }) => name)).toEqual([...SERVICES]);
});

test('several processes of a service, and further channels, have names and ports of their own', async () => {
  const ports = await chooseMeshPorts(undefined);
  const processes = await plan({
    ports,
    instances: { cashier: 3 },
    channels: [{ channelId: 'wechat-2', adapter: 'wechat' }],
  });
  expect(processes.filter(({ service }) => service === 'cashier').map(({ name }) => name)).toEqual([
    'cashier',
    'cashier-i2',
    'cashier-i3',
  ]);
  expect(processes.find(({ name }) => name === 'channel-wechat-2')).toMatchObject({
    service: 'channel-wechat-2',
    script: 'channel-wechat/src/main.ts',
  });
  const taken = processes.flatMap(({ port, metricsPort }) => (metricsPort === 0 ? [port] : [port, metricsPort]));
  expect(new Set(taken).size).toBe(taken.length);
  expect(taken).not.toContain(ports['edge-http']);
});

test('one more takes the first name that is free', async () => {
  const processes = await plan({ instances: { query: 3 } });
  const without = processes.filter(({ name }) => name !== 'query-i2');
  expect((await planFurther('query', without)).name).toBe('query-i2');
  expect((await planFurther('query', processes)).name).toBe('query-i4');
  // Its HTTP side is its own too: the mesh's address may be taken, by the first one or by what stands in front.
  const edge = await planFurther('edge', processes);
  expect([edge.name, edge.httpPort]).toEqual(['edge-i2', expect.any(Number)]);
  expect(new Set([edge.port, edge.metricsPort, edge.httpPort]).size).toBe(3);
});

test('a number of processes that makes no sense is refused with the range', async () => {
  await expect(plan({ instances: { cashier: 0 } })).rejects.toThrow('cashier: 1 to 16 instances can be started, not 0');
});
