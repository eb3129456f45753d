import { createServer, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { ManualClock } from '@tillmesh/clock';
import { expect, onTestFinished, test } from 'vitest';
import { createEventStream, STALLED_MS_MAX } from '../src/event-stream.ts';

/** More than the kernel takes for a reader that does not read. */
const LARGE = `data: ${'x'.repeat(16 * 1_024 * 1_024)}\n\n`;

/** A stream, one reader that has not read anything yet, and the answer that it is given. */
const aSlowReader = async () => {
  const clock = new ManualClock();
  const stream = createEventStream('test', clock);
  const { promise, resolve } = Promise.withResolvers<ServerResponse>();
  const server = createServer((_request, response) => {
    stream.attach(response, 'data: first\n\n');
    resolve(response);
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const address = server.address();
  const socket = connect(typeof address === 'object' && address !== null ? address.port : 0, '127.0.0.1');
  socket.pause();
  socket.on('error', () => undefined);
  socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
  onTestFinished(() => {
    socket.destroy();
    server.closeAllConnections();
    server.close();
  });
  return { clock, stream, socket, response: await promise };
};

test('who reads slowly misses what it has no place for: nothing is kept for it beside the event under way', async () => {
  const { stream, response } = await aSlowReader();
  for (let times = 0; times < 20; times += 1) stream.send(LARGE);
  expect(response.writableLength).toBeLessThan(1.5 * LARGE.length);
  expect(stream.size).toBe(1);
});

test('who has taken everything gets what comes then', async () => {
  const { clock, stream, socket, response } = await aSlowReader();
  stream.send(LARGE);
  let read = '';
  socket.on('data', (part) => {
    read = (read + part.toString()).slice(-100);
  });
  socket.resume();
  await expect.poll(() => response.writableNeedDrain).toBe(false);
  await clock.advance(STALLED_MS_MAX + 1);
  stream.send('data: later\n\n');
  await expect.poll(() => read).toContain('data: later');
});

test('who takes nothing for ten seconds is dropped', async () => {
  const { clock, stream } = await aSlowReader();
  stream.send(LARGE);
  await clock.advance(STALLED_MS_MAX);
  stream.send('data: x\n\n');
  expect(stream.size).toBe(1);
  await clock.advance(1);
  stream.send('data: x\n\n');
  await expect.poll(() => stream.size).toBe(0);
});
