import { systemClock } from '@tillmesh/clock';
import type { AccountId, AccountReport } from '@tillmesh/domain';
import type { ReportHealthRequest } from '@tillmesh/proto/tillmesh/routing/v1/routing_service_pb.ts';
import { RoutingService } from '@tillmesh/proto/tillmesh/routing/v1/routing_service_pb.ts';
import { bind, createClient, notYet, notYetStream, serve } from '@tillmesh/rpc';
import { createLog } from '@tillmesh/telemetry';
import { afterEach, expect, test } from 'vitest';
import { reportHealth } from '../src/report-health.ts';
import { createCollectingLog } from './collecting-log.ts';

const REPORT: AccountReport = {
  accountId: 'wechat-a' as AccountId,
  opinion: 'sick',
  cause: 'lane open '.repeat(20),
  share: 0.25,
  good: 3,
  bad: 4,
  use: { day: '2026-11-27', minorUnits: 100n, count: 1 },
};

const toClose: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of toClose.splice(0).toReversed()) await close();
});

const startRouting = async (port = 0) => {
  const requests: { readonly atMs: number; readonly request: ReportHealthRequest }[] = [];
  const server = await serve({
    services: [
      bind(RoutingService, {
        watchRoutingTable: notYetStream('WatchRoutingTable'),
        explainRoute: notYet('ExplainRoute'),
        setAccountState: notYet('SetAccountState'),
        reportHealth: async (request) => {
          requests.push({ atMs: systemClock.monotonicMs(), request });
          return {};
        },
      }),
    ],
    host: '127.0.0.1',
    port,
    log: createLog('test', 'silent'),
  });
  const stop = () => server.drain(0);
  toClose.push(stop);
  return { port: server.port, requests, stop };
};

const startReporting = (port: number) => {
  const stop = new AbortController();
  const { log, lines } = createCollectingLog();
  const routing = createClient(RoutingService, { target: `127.0.0.1:${port}`, caller: 'cashier', capMs: 5_000 });
  let tell = (): void => undefined;
  const health = {
    reports: () => [REPORT],
    onOpinion: (listener: () => void) => {
      tell = listener;
    },
  };
  reportHealth({ routing, health, reporter: 'one', clock: systemClock, log, signal: stop.signal });
  toClose.push(() => {
    stop.abort(new Error('the process ends'));
    routing.close();
  });
  return { lines, tell: () => tell() };
};

test('routing hears everything every second, and a change at once', async () => {
  const { port, requests } = await startRouting();
  const { tell } = startReporting(port);
  await expect.poll(() => requests.length, { timeout: 10_000 }).toBe(2);
  const [first, second] = requests;
  expect((second?.atMs ?? 0) - (first?.atMs ?? 0)).toBeGreaterThan(900);
  tell();
  await expect.poll(() => requests.length, { timeout: 10_000 }).toBe(3);
  expect((requests[2]?.atMs ?? 0) - (second?.atMs ?? 0)).toBeLessThan(900);
  expect(first?.request).toMatchObject({
    reporter: 'one',
    accounts: [{ accountId: 'wechat-a', cause: REPORT.cause.slice(0, 64), sharePerMille: 250, good: 3n, bad: 4n }],
  });
});

test('a routing that is away costs one line of the log, and is told again when it is back', async () => {
  const before = await startRouting();
  const { lines } = startReporting(before.port);
  await expect.poll(() => before.requests.length, { timeout: 10_000 }).toBeGreaterThan(0);
  await before.stop();
  await expect
    .poll(() => lines.filter((line) => line.includes('does not hear of')).length, { timeout: 10_000 })
    .toBe(1);
  const after = await startRouting(before.port);
  await expect.poll(() => after.requests.length, { timeout: 20_000 }).toBeGreaterThan(0);
  await expect.poll(() => lines.some((line) => line.includes('hears of the accounts’ health again'))).toBe(true);
  expect(lines.filter((line) => line.includes('does not hear of'))).toHaveLength(1);
}, 60_000);
