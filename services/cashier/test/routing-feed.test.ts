import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { systemClock } from '@tillmesh/clock';
import type { AccountId } from '@tillmesh/domain';
import type { RoutingHealthSchema } from '@tillmesh/proto/tillmesh/routing/v1/routing_health_pb.ts';
import { RoutingService } from '@tillmesh/proto/tillmesh/routing/v1/routing_service_pb.ts';
import { AccountState, type RoutingTableSchema } from '@tillmesh/proto/tillmesh/routing/v1/routing_table_pb.ts';
import { bind, createClient, notYet, type RpcServer, serve } from '@tillmesh/rpc';
import { createLog } from '@tillmesh/telemetry';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { followRouting } from '../src/routing-feed.ts';
import { createCollectingLog } from './collecting-log.ts';

type Table = MessageInitShape<typeof RoutingTableSchema>;

const tableOf = (version: bigint, accountIds: readonly string[] = ['wechat-a', 'wechat-b']): Table => ({
  version,
  merchants: [{ merchantId: 'demo-cafe', accountIds: [...accountIds] }],
  accounts: accountIds.map((accountId) => ({ accountId, channelId: 'wechat', state: AccountState.ENABLED })),
});

let folder: string;
let snapshotFile: string;
const toClose: (() => Promise<void> | void)[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tillmesh-feed-'));
  snapshotFile = join(folder, 'snapshot.bin');
});
afterEach(async () => {
  for (const close of toClose.splice(0).toReversed()) await close();
  rmSync(folder, { recursive: true, force: true });
});

/** Routing as its callers see it: sends a table at once unless the caller has it, then every one that is published. */
const startRouting = async (first: Table, port = 0) => {
  const knownVersions: bigint[] = [];
  let latest = first;
  let health: MessageInitShape<typeof RoutingHealthSchema> | undefined;
  let published = Promise.withResolvers<void>();
  const server: RpcServer = await serve({
    services: [
      bind(RoutingService, {
        reportHealth: async () => ({}),
        watchRoutingTable: async function* ({ knownVersion }, { signal }) {
          knownVersions.push(knownVersion);
          let sent = knownVersion;
          while (!signal.aborted) {
            const next = published.promise;
            if (latest.version !== sent) {
              sent = latest.version ?? 0n;
              yield { table: latest };
            } else if (health !== undefined) yield { health };
            await next;
          }
        },
        explainRoute: notYet('ExplainRoute'),
        setAccountState: notYet('SetAccountState'),
      }),
    ],
    host: '127.0.0.1',
    port,
    log: createLog('test', 'silent'),
  });
  const stop = () => server.drain(0);
  toClose.push(stop);
  return {
    port: server.port,
    knownVersions,
    stop,
    publishHealth: (news: MessageInitShape<typeof RoutingHealthSchema>) => {
      health = news;
      published.resolve();
      published = Promise.withResolvers();
    },
    publish: (table: Table) => {
      latest = table;
      published.resolve();
      published = Promise.withResolvers();
    },
  };
};

/** A cashier's feed, as its process would have it. */
const startFeed = (port: number) => {
  const stop = new AbortController();
  const { log, lines } = createCollectingLog();
  const routing = createClient(RoutingService, { target: `127.0.0.1:${port}`, caller: 'cashier', capMs: 5_000 });
  const feed = followRouting({
    routing,
    snapshotFile,
    reporter: 'a-cashier',
    clock: systemClock,
    log,
    signal: stop.signal,
  });
  const end = () => {
    stop.abort(new Error('the process ends'));
    routing.close();
  };
  toClose.push(end);
  return { feed, lines, end, version: () => feed.table()?.version };
};

/** Nobody listens there: port 1 is privileged and unused. */
const NOBODY = 1;

describe('the routing table', () => {
  test('is there as soon as routing has sent it, and there is none before', async () => {
    const routing = await startRouting(tableOf(5n));
    const { feed } = startFeed(routing.port);
    expect(feed.table()).toBeUndefined();
    await feed.ready();
    expect(feed.table()?.accounts.size).toBe(2);
    expect(routing.knownVersions).toEqual([0n]);
  });

  test('is replaced by every one that routing publishes', async () => {
    const routing = await startRouting(tableOf(5n));
    const { feed, version } = startFeed(routing.port);
    await feed.ready();
    routing.publish(tableOf(6n, ['wechat-b']));
    await expect.poll(version).toBe(6n);
    expect([...(feed.table()?.accounts.keys() ?? [])]).toEqual(['wechat-b']);
  });

  test('stays while routing is away, and the next one is heard when it is back, without the one that is held', async () => {
    const routing = await startRouting(tableOf(5n));
    const { feed, version, lines } = startFeed(routing.port);
    await feed.ready();
    await routing.stop();
    await expect.poll(() => lines.some((line) => line.includes('routing is away'))).toBe(true);
    expect(version()).toBe(5n);
    const again = await startRouting(tableOf(5n), routing.port);
    await expect.poll(() => again.knownVersions, { timeout: 10_000 }).toEqual([5n]);
    again.publish(tableOf(9n));
    await expect.poll(version).toBe(9n);
  });
});

describe('a cashier that starts while routing is down', () => {
  const keepSnapshot = async () => {
    const routing = await startRouting(tableOf(5n));
    const before = startFeed(routing.port);
    await before.feed.ready();
    await expect.poll(() => statSync(snapshotFile, { throwIfNoEntry: false })?.isFile()).toBe(true);
    before.end();
    await routing.stop();
  };

  test('decides by the table that an earlier process has kept', async () => {
    await keepSnapshot();
    const { feed, version } = startFeed(NOBODY);
    await feed.ready();
    expect(version()).toBe(5n);
    expect(feed.table()?.merchants.size).toBe(1);
  });

  test('keeps it where nobody else reads it', async () => {
    await keepSnapshot();
    expect(statSync(snapshotFile).mode & 0o077).toBe(0);
  });

  const DAMAGES: readonly (readonly [what: string, damage: () => void])[] = [
    ['empty', () => truncateSync(snapshotFile, 0)],
    ['half', () => truncateSync(snapshotFile, Math.floor(statSync(snapshotFile).size / 2))],
    ['one byte short', () => truncateSync(snapshotFile, statSync(snapshotFile).size - 1)],
    ['something else', () => writeFileSync(snapshotFile, '{"version":5}')],
    [
      'with one byte changed',
      () => {
        const bytes = readFileSync(snapshotFile);
        bytes.writeUInt8(bytes.readUInt8(bytes.length - 20) ^ 1, bytes.length - 20);
        writeFileSync(snapshotFile, bytes);
      },
    ],
  ];
  for (const [what, damage] of DAMAGES) {
    test(`does not decide by a kept table that is ${what}: it says so and waits for routing`, async () => {
      await keepSnapshot();
      damage();
      const { feed, lines } = startFeed(NOBODY);
      expect(feed.table()).toBeUndefined();
      expect(lines.filter((line) => line.includes('cannot be read'))).toHaveLength(1);
    });
  }

  test('has every account of a kept table cut at any place, or no table at all', async () => {
    await keepSnapshot();
    const whole = readFileSync(snapshotFile);
    for (let length = 0; length < whole.length; length += 1) {
      writeFileSync(snapshotFile, whole.subarray(0, length));
      const { feed, end } = startFeed(NOBODY);
      expect(feed.table()?.accounts.size ?? 2).toBe(2);
      end();
    }
  });

  test('takes the table of routing as soon as that is back', async () => {
    writeFileSync(snapshotFile, 'nonsense');
    const routing = await startRouting(tableOf(8n));
    const { feed, version } = startFeed(routing.port);
    await feed.ready();
    expect(version()).toBe(8n);
    // What could not be read is replaced.
    await expect.poll(() => startFeed(NOBODY).version()).toBe(8n);
  });
});

test('what others say of health is heard, without the table, and forgotten when routing falls silent', async () => {
  const routing = await startRouting({
    version: 5n,
    healthPolicy: { goodPercent: 95, badPercent: 50, outcomesMin: 20, reportAgeMsMax: 1_500 },
  });
  const { feed, end } = startFeed(routing.port);
  await feed.ready();
  expect(feed.hearsay()).toBeUndefined();
  routing.publishHealth({ accounts: [{ accountId: 'wechat-a', sick: 2, well: 1, cause: 'lane open' }] });
  const ofA = () => feed.hearsay()?.get('wechat-a' as AccountId);
  await expect.poll(ofA, { timeout: 10_000 }).toMatchObject({ sick: 2, well: 1, cause: 'lane open' });
  expect(feed.table()?.version).toBe(5n);
  await routing.stop();
  await expect.poll(() => feed.hearsay(), { timeout: 10_000 }).toBeUndefined();
  expect(feed.table()?.version).toBe(5n);
  end();
});

test('a folder that cannot be written costs a line of the log, not the table', async () => {
  snapshotFile = join(folder, 'missing', 'snapshot.bin');
  const routing = await startRouting(tableOf(5n));
  const { feed, lines } = startFeed(routing.port);
  await feed.ready();
  await expect.poll(() => lines.filter((line) => line.includes('could not be kept')).length).toBe(1);
  expect(feed.table()?.version).toBe(5n);
});
