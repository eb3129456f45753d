import { createServer, type Server } from 'node:http';
import { systemClock } from '@tillmesh/clock';
import { freePorts } from '@tillmesh/local-stack';
import { afterEach, expect, test } from 'vitest';
import { type EdgeFront, openEdgeFront } from '../src/edge-front.ts';
import type { MeshProcess } from '../src/mesh-plan.ts';

const servers: Server[] = [];
let front: EdgeFront | undefined;

afterEach(async () => {
  await front?.close();
  await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))));
});

/** An edge that answers with its name. */
const edge = async (name: string): Promise<MeshProcess> => {
  const server = createServer((_request, response) => response.end(name));
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const httpPort = typeof address === 'object' && address !== null ? address.port : 0;
  return { name, service: 'edge', script: '', port: 1, clientPort: 1, metricsPort: 0, httpPort };
};

test('new connections go to the edge that was ready last and has not begun to leave', async () => {
  const [port = 0] = await freePorts(1);
  front = await openEdgeFront(port, systemClock);
  // A connection for each question, so that each is led anew.
  const ask = async (): Promise<string> =>
    (await fetch(`http://127.0.0.1:${port}`, { headers: { connection: 'close' } })).text();
  await expect(ask()).rejects.toThrow();
  const first = await edge('first');
  const second = await edge('second');
  front.setReady(first);
  expect(await ask()).toBe('first');
  front.setReady(second);
  expect(await ask()).toBe('second');
  front.setLeaving(second);
  expect(await ask()).toBe('first');
  front.setReady({ ...second, service: 'watch' });
  expect(await ask()).toBe('first');
});
