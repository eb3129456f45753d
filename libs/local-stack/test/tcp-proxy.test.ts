import { connect, createServer, type Server, type Socket } from 'node:net';
import { systemClock } from '@tillmesh/clock';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { combined } from '../src/node-network.ts';
import { freePorts, LOCAL_HOST } from '../src/ports.ts';
import { startTcpProxy, type TcpProxy } from '../src/tcp-proxy.ts';
import { pollUntil, within } from '../src/waiting.ts';
import { eventually } from './temporary-folder.ts';

// An echo behind a proxy; it greets first, as a database does.
let server: Server;
let proxy: TcpProxy;
let served: Socket[] = [];
let callers: Caller[] = [];

type Caller = {
  readonly socket: Socket;
  heard(): string;
  /** The code of the error it ended with, `closed` without one; undefined while it lives. */
  end(): string | undefined;
};

const call = (): Caller => {
  const socket = connect({ host: LOCAL_HOST, port: proxy.port });
  let text = '';
  let end: string | undefined;
  socket.on('data', (bytes) => {
    text += bytes.toString('latin1');
  });
  socket.on('error', (error: NodeJS.ErrnoException) => {
    end = error.code;
  });
  socket.on('close', () => {
    end ??= 'closed';
  });
  const caller = { socket, heard: () => text, end: () => end };
  callers.push(caller);
  return caller;
};
const hears = (caller: Caller, text: string, withinMs?: number) =>
  eventually(`${text} is heard`, () => (caller.heard().endsWith(text) ? true : undefined), withinMs);
const greeted = async (): Promise<Caller> => {
  const caller = call();
  await hears(caller, 'hello');
  return caller;
};
const ends = (caller: Caller) => eventually('the end of a connection', () => caller.end());
/** Whether nothing happens for long enough that anything which is not held up would have. */
const isLate = async (what: () => boolean) => {
  const probe = () => (what() ? true : undefined);
  return (await pollUntil({ clock: systemClock, everyMs: 10, withinMs: 150, probe })) === 'late';
};
const staysSilent = (caller: Caller) => {
  const before = caller.heard();
  return isLate(() => caller.heard() !== before || caller.end() !== undefined);
};

beforeEach(async () => {
  const [serverPort = 0, proxyPort = 0] = await freePorts(2);
  server = createServer((socket) => {
    served.push(socket);
    socket.on('error', () => undefined);
    socket.write('hello');
    socket.on('data', (bytes) => socket.write(bytes));
  });
  await new Promise<void>((resolve) => server.listen(serverPort, LOCAL_HOST, resolve));
  proxy = await startTcpProxy({ clock: systemClock, port: proxyPort, targetPort: () => serverPort });
});

afterEach(async () => {
  for (const { socket } of callers) socket.destroy();
  await proxy.close();
  for (const socket of served) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
  served = [];
  callers = [];
});

describe('a line without fault', () => {
  test('brings everything in order in both directions, and the end of it', async () => {
    const caller = await greeted();
    const text = 'x'.repeat(3_000_000);
    caller.socket.end(`${text}.`);
    await hears(caller, '.');
    expect(caller.heard()).toBe(`hello${text}.`);
    served[0]?.end();
    expect(await ends(caller)).toBe('closed');
    await eventually('no connection is left', () => (proxy.connections() === 0 ? true : undefined));
  });

  test('resets a caller when the server is not there', async () => {
    await new Promise((resolve) => server.close(resolve));
    expect(await ends(call())).toBe('ECONNRESET');
  });
});

describe('a cut line', () => {
  test('brings nothing and tells nobody, and goes on where it was when it is healed', async () => {
    const caller = await greeted();
    await proxy.set({ kind: 'cut' });
    caller.socket.write('late');
    served[0]?.write('later');
    expect(await staysSilent(caller)).toBe(true);
    await proxy.set({ kind: 'none' });
    await eventually('both texts', () =>
      /late/.test(caller.heard()) && /later/.test(caller.heard()) ? true : undefined,
    );
  });

  test('does not answer new connections until it is healed', async () => {
    await proxy.set({ kind: 'cut' });
    const caller = call();
    expect(await staysSilent(caller)).toBe(true);
    await proxy.set({ kind: 'none' });
    await hears(caller, 'hello');
  });

  test('does not tell the server that a caller has given up, until it is healed', async () => {
    const caller = await greeted();
    let isTold = false;
    served[0]?.on('close', () => {
      isTold = true;
    });
    await proxy.set({ kind: 'cut' });
    caller.socket.write('an order');
    caller.socket.destroy();
    expect(await isLate(() => isTold)).toBe(true);
    await proxy.set({ kind: 'none' });
    await eventually('the server hears of it', () => (isTold ? true : undefined));
  });

  test('holds no more than the kernel and 256 KB of what is sent into it', async () => {
    const caller = await greeted();
    await proxy.set({ kind: 'cut' });
    const before = process.memoryUsage().arrayBuffers;
    const piece = Buffer.alloc(64 * 1024);
    // More than all buffers on the way can take: the last pieces must still wait at the sender.
    for (let index = 0; index < 512; index++) caller.socket.write(piece);
    expect(await isLate(() => caller.socket.writableLength < 16 * 1024 * 1024)).toBe(true);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4 * 1024 * 1024);
  });

  test('forgets callers that have given up waiting', async () => {
    await proxy.set({ kind: 'cut' });
    const waiting = Array.from({ length: 20 }, call);
    await eventually('all of them wait', () => (proxy.connections() === 20 ? true : undefined));
    for (const { socket } of waiting) socket.destroy();
    await eventually('none is kept', () => (proxy.connections() === 0 ? true : undefined));
  });
});

describe('a reset line', () => {
  test('resets connections and refuses new ones, and takes them again when it is healed', async () => {
    const caller = await greeted();
    await proxy.set({ kind: 'reset' });
    expect(await ends(caller)).toBe('ECONNRESET');
    expect(await ends(call())).toBe('ECONNREFUSED');
    await proxy.set({ kind: 'none' });
    await greeted();
  });

  test('resets those who wait on a cut line as well', async () => {
    await proxy.set({ kind: 'cut' });
    const caller = call();
    await eventually('it waits', () => (proxy.connections() === 1 ? true : undefined));
    await proxy.set({ kind: 'reset' });
    expect(await ends(caller)).toBe('ECONNRESET');
  });
});

test('a slow line brings everything late and in order, and is quick again when it is healed', async () => {
  const caller = await greeted();
  await proxy.set({ kind: 'slow', ms: 100 });
  const beganMs = systemClock.monotonicMs();
  for (const letter of 'abc') caller.socket.write(letter);
  await hears(caller, 'abc');
  const tookMs = systemClock.monotonicMs() - beganMs;
  expect(tookMs).toBeGreaterThanOrEqual(199);
  expect(tookMs).toBeLessThan(1_000);
  await proxy.set({ kind: 'none' });
  caller.socket.write('d');
  expect(await within(systemClock, 90, hears(caller, 'd'))).toBe(true);
});

describe('several faults on one way', () => {
  test('are a cut if one is, else a reset, else the sum of delays', () => {
    const [none, cut, reset] = [{ kind: 'none' }, { kind: 'cut' }, { kind: 'reset' }] as const;
    const slow = { kind: 'slow', ms: 30 } as const;
    expect(combined([reset, cut])).toEqual(cut);
    expect(combined([slow, reset])).toEqual(reset);
    expect(combined([slow, none, slow])).toEqual({ kind: 'slow', ms: 60 });
    expect(combined([none, none])).toEqual(none);
  });
});
