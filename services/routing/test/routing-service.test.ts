import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@tillmesh/clock';
import { PaymentKind, Wallet } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { AccountOpinion } from '@tillmesh/proto/tillmesh/routing/v1/routing_health_pb.ts';
import {
  RoutingService,
  type WatchRoutingTableResponse,
} from '@tillmesh/proto/tillmesh/routing/v1/routing_service_pb.ts';
import { AccountState } from '@tillmesh/proto/tillmesh/routing/v1/routing_table_pb.ts';
import { bind, createClient, serve } from '@tillmesh/rpc';
import { createLog } from '@tillmesh/telemetry';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openDayUses } from '../src/day-uses.ts';
import { createHealthReports } from '../src/health-reports.ts';
import { createNews } from '../src/news.ts';
import { createRoutingService } from '../src/routing-service.ts';
import { createRoutingSource } from '../src/routing-source.ts';
import { openSwitches } from '../src/switches.ts';
import { readTableFile } from '../src/table-file.ts';

const WITHIN = { timeout: 10_000 };
const account = (accountId: string, more: object = {}) => ({
  accountId,
  channelId: 'wechat',
  wallets: ['wechat'],
  kinds: ['merchant_qr'],
  currencies: ['CNY'],
  amountMax: 1_000,
  ...more,
});

let folder: string;
const toClose: (() => Promise<void> | void)[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tillmesh-routing-'));
});
afterEach(async () => {
  for (const close of toClose.splice(0).toReversed()) await close();
  rmSync(folder, { recursive: true, force: true });
});

/** Routing as main.ts wires it. */
const start = async () => {
  const clock = systemClock;
  const tableFile = join(folder, 'table.json');
  const accounts = [account('a'), account('b', { rank: 1 }), account('new', { grey: { percent: 100 } })];
  writeFileSync(
    tableFile,
    JSON.stringify({ merchants: [{ merchantId: 'm', accountIds: ['a', 'b', 'new'] }], accounts }),
  );
  const news = createNews(clock);
  const uses = openDayUses(join(folder, 'uses'));
  const switches = openSwitches(join(folder, 'switches'));
  const source = createRoutingSource(readTableFile(tableFile), switches, clock, news);
  const health = createHealthReports({ table: source.table, uses, clock, news });
  const log = createLog('test', 'silent');
  const orderStore = { getOrder: () => Promise.reject(new Error('nobody asks for stored payments here')) };
  const service = createRoutingService({ source, health, news, orderStore, clock, log });
  const server = await serve({ services: [bind(RoutingService, service)], host: '127.0.0.1', port: 0, log });
  toClose.push(() => server.drain(0));
  const client = createClient(RoutingService, { target: `127.0.0.1:${server.port}`, caller: 'test', capMs: 20_000 });
  toClose.push(client.close);
  const watch = (reporter: string, knownVersion = 0n) => {
    const stop = new AbortController();
    const heard: WatchRoutingTableResponse[] = [];
    const follow = async () => {
      for await (const one of client.watchRoutingTable({ reporter, knownVersion }, { signal: stop.signal }))
        heard.push(one);
    };
    const end = follow().catch(() => undefined);
    toClose.push(async () => {
      stop.abort();
      await end;
    });
    return heard;
  };
  return { client, watch };
};

const SICK = { accountId: 'a', opinion: AccountOpinion.SICK, cause: 'lane open' };
const sickIn = (heard: readonly WatchRoutingTableResponse[]) =>
  heard.at(-1)?.health?.accounts.map(({ accountId, sick }) => [accountId, sick]);

describe('whoever watches', () => {
  test('has table and health at once, then health as soon as another reports a sick account, and no table again', async () => {
    const { client, watch } = await start();
    const [one, two] = [watch('one'), watch('two')];
    await expect.poll(() => [one.length, two.length].every((count) => count > 0), WITHIN).toBe(true);
    expect(one[0]?.table?.accounts).toHaveLength(3);
    await client.reportHealth({ reporter: 'one', accounts: [SICK] });
    await expect.poll(() => sickIn(two), WITHIN).toEqual([['a', 1]]);
    expect(two.slice(1).every(({ table }) => table === undefined)).toBe(true);
    // Who has reported it itself does not hear it back.
    expect(sickIn(one)).toEqual([]);
  });

  test('hears something every second, so that silence means that routing is away', async () => {
    const { watch } = await start();
    const heard = watch('one');
    await expect.poll(() => heard.length, WITHIN).toBeGreaterThanOrEqual(3);
  });

  test('hears of a switch, and is not told a table that it holds', async () => {
    const { client, watch } = await start();
    const first = watch('one');
    await expect.poll(() => first[0]?.table?.version, WITHIN).toBeDefined();
    const later = watch('two', first[0]?.table?.version);
    await expect.poll(() => later.length, WITHIN).toBeGreaterThan(0);
    expect(later[0]?.table).toBeUndefined();
    await client.setAccountState({ accountId: 'b', state: AccountState.DISABLED, note: 'audit' });
    await expect
      .poll(
        () => later.findLast(({ table }) => table !== undefined)?.table?.accounts.find((b) => b.accountId === 'b'),
        WITHIN,
      )
      .toMatchObject({ state: AccountState.DISABLED, stateNote: 'audit' });
  });
});

describe('an explanation of a payment that might be', () => {
  const explain = async (client: Awaited<ReturnType<typeof start>>['client'], merchantOrderNo = '') => {
    const value = {
      merchantId: 'm',
      merchantOrderNo,
      amount: { currency: 'CNY', minorUnits: 100n },
      wallet: Wallet.WECHAT,
      kind: PaymentKind.MERCHANT_QR,
    };
    const { candidates } = await client.explainRoute({ subject: { case: 'hypothetical', value } });
    return Object.fromEntries(
      candidates.map(({ accountId, chosen, chance, reason }) => [accountId, { chosen, chance, reason }]),
    );
  };

  test('says who would take it now, and why the others would not', async () => {
    const { client } = await start();
    expect(await explain(client)).toEqual({
      a: { chosen: true, chance: 1, reason: 'chosen: rank 0, weight 100, gets 100 %' },
      b: { chosen: false, chance: 0, reason: 'fits, others come first: rank 1' },
      new: { chosen: false, chance: 0, reason: 'skipped: grey: released to 100 % of payments, not to this one' },
    });
    expect((await explain(client, 'order-1'))['new']).toMatchObject({ chosen: true, chance: 1 });
  });

  test('goes by the health that cashiers report', async () => {
    const { client } = await start();
    await client.reportHealth({ reporter: 'one', accounts: [SICK] });
    expect(await explain(client)).toMatchObject({
      a: { chosen: false, chance: 0, reason: 'skipped: sick (lane open)' },
      b: { chosen: true, chance: 1 },
    });
    await client.reportHealth({
      reporter: 'one',
      accounts: [{ accountId: 'a', sharePerMille: 250, cause: 'getting better' }],
    });
    expect(await explain(client)).toMatchObject({ a: { chance: 0.25 }, b: { chance: 0.75 } });
  });
});

test('a report without a proper name is refused', async () => {
  const { client } = await start();
  await expect(client.reportHealth({ reporter: 'two words', accounts: [] })).rejects.toMatchObject({
    reason: 'REQUEST_INVALID',
  });
});
