import { status } from '@grpc/grpc-js';
import { systemClock } from '@tillmesh/clock';
import {
  RoutingService,
  type WatchRoutingTableRequest,
  type WatchRoutingTableResponse,
} from '@tillmesh/proto/tillmesh/routing/v1/routing_service_pb.ts';
import { createLog } from '@tillmesh/telemetry';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { bind, type CallContext, createClient, notYet, type RpcClient, rpcErrors, serve } from '../src/index.ts';
import { failureOf, QUIET, uncaught } from './a-server.ts';

type Watch = (request: WatchRoutingTableRequest, call: CallContext) => AsyncGenerator<{ table: { version: bigint } }>;

/** A routing service with this stream, and a client of it, until the test ends. */
const start = async (watchRoutingTable: Watch, log = QUIET): Promise<RpcClient<typeof RoutingService>> => {
  const handlers = {
    watchRoutingTable,
    reportHealth: notYet('ReportHealth'),
    explainRoute: notYet('ExplainRoute'),
    setAccountState: notYet('SetAccountState'),
  };
  const server = await serve({ services: [bind(RoutingService, handlers)], host: '127.0.0.1', port: 0, log });
  const client = createClient(RoutingService, { target: `127.0.0.1:${server.port}`, caller: 'test', capMs: 5_000 });
  onTestFinished(async () => {
    client.close();
    await server.drain(100);
  });
  return client;
};

/** A stream that never ends by itself; tells whether it was cleaned up, and how far it came. */
const endless = () => {
  const seen = { cleaned: false, yielded: 0 };
  const watch: Watch = async function* () {
    try {
      for (;;) {
        seen.yielded += 1;
        yield { table: { version: BigInt(seen.yielded) } };
        await systemClock.sleep(1);
      }
    } finally {
      seen.cleaned = true;
    }
  };
  return { seen, watch };
};

const versionOf = (message: WatchRoutingTableResponse): bigint | undefined => message.table?.version;

describe('a stream', () => {
  test('ends at the server when its reader has enough', async () => {
    const escaped = uncaught();
    const { seen, watch } = endless();
    const client = await start(watch);
    for await (const message of client.watchRoutingTable({})) if (versionOf(message) === 3n) break;
    await expect.poll(() => seen.cleaned).toBe(true);
    const { yielded } = seen;
    await systemClock.sleep(30);
    expect(seen.yielded).toBe(yielded);
    expect(escaped).toEqual([]);
  });

  test('ends at the server when its reader throws, and the reader hears its own error', async () => {
    const escaped = uncaught();
    const { seen, watch } = endless();
    const client = await start(watch);
    const read = async () => {
      for await (const message of client.watchRoutingTable({}))
        throw new RangeError(`cannot use ${versionOf(message)}`);
    };
    await expect(read()).rejects.toThrow('cannot use 1');
    await expect.poll(() => seen.cleaned).toBe(true);
    expect(escaped).toEqual([]);
  });

  test('ends when its signal is aborted, also when that was before it began', async () => {
    const { seen, watch } = endless();
    const client = await start(watch);
    const abort = new AbortController();
    const read = async (signal: AbortSignal) => {
      for await (const message of client.watchRoutingTable({}, { signal }))
        if (versionOf(message) === 2n) abort.abort();
    };
    expect(await failureOf(read(abort.signal))).toMatchObject({ code: status.CANCELLED });
    await expect.poll(() => seen.cleaned).toBe(true);
    const { yielded } = seen;
    expect(await failureOf(read(abort.signal))).toMatchObject({ code: status.CANCELLED });
    expect(seen.yielded).toBe(yielded);
  });

  test('cleans up behind a reader that stops reading and goes away, though the handler rests at a yield', async () => {
    let cleaned = false;
    let yielded = 0;
    const large = 'x'.repeat(60_000);
    const client = await start(async function* () {
      try {
        for (;;) {
          yielded += 1;
          // Never looks at its signal, and soon nobody asks for the next.
          yield { table: { version: 1n, merchants: [{ displayName: large }] } };
        }
      } finally {
        cleaned = true;
      }
    });
    const abort = new AbortController();
    const stream = client.watchRoutingTable({}, { signal: abort.signal })[Symbol.asyncIterator]();
    await stream.next();
    let before = -1;
    await expect
      .poll(
        () => {
          const rests = before === yielded;
          before = yielded;
          return rests;
        },
        { interval: 100 },
      )
      .toBe(true);
    // Backpressure: what waits for the reader is bounded, not the whole endless stream.
    expect(yielded).toBeLessThan(200);
    abort.abort();
    const readOn = async () => {
      while ((await stream.next()).done !== true);
    };
    expect(await failureOf(readOn())).toMatchObject({ code: status.CANCELLED });
    await expect.poll(() => cleaned).toBe(true);
  });

  test('that throws after some messages ends with its reason, and one that breaks with INTERNAL; both are served again', async () => {
    const escaped = uncaught();
    const client = await start(async function* ({ knownVersion }) {
      yield { table: { version: 1n } };
      if (knownVersion === 1n) throw rpcErrors.notReady('not yet');
      if (knownVersion === 2n) throw new TypeError('a bug with a secret');
    });
    const read = async (knownVersion: bigint): Promise<number> => {
      let messages = 0;
      for await (const _message of client.watchRoutingTable({ knownVersion })) messages += 1;
      return messages;
    };
    expect(await failureOf(read(1n))).toMatchObject({ reason: 'NOT_READY' });
    const broken = await failureOf(read(2n));
    expect(broken).toMatchObject({ code: status.INTERNAL, reason: 'INTERNAL' });
    expect(broken.message).not.toContain('secret');
    expect(await read(3n)).toBe(1);
    expect(escaped).toEqual([]);
  });

  test('has its cap as its deadline', async () => {
    const { seen, watch } = endless();
    const client = await start(watch);
    const read = async () => {
      for await (const message of client.watchRoutingTable({}, { capMs: 150 })) versionOf(message);
    };
    expect(await failureOf(read())).toMatchObject({ code: status.DEADLINE_EXCEEDED });
    await expect.poll(() => seen.cleaned).toBe(true);
  });
});

describe('a caller that goes away', () => {
  test('is no failed handler: nothing is logged', async () => {
    const log = createLog('test', 'silent');
    const error = vi.spyOn(log, 'error');
    const client = await start(async function* (_request, call) {
      yield { table: { version: 1n } };
      await new Promise((_resolve, reject) => {
        call.signal.addEventListener('abort', () => reject(call.signal.reason as Error));
      });
    }, log);
    for await (const _message of client.watchRoutingTable({})) break;
    await systemClock.sleep(50);
    expect(error).not.toHaveBeenCalled();
  });
});
