import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManualClock } from '@tillmesh/clock';
import { ConfigError } from '@tillmesh/config';
import {
  type AccountId,
  type AccountReport,
  type ChannelId,
  DEFAULT_HEALTH_POLICY,
  type RoutedAccount,
  type RoutingTable,
} from '@tillmesh/domain';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openDayUses } from '../src/day-uses.ts';
import { createHealthReports } from '../src/health-reports.ts';
import { createNews } from '../src/news.ts';

const A = 'a' as AccountId;
const NO_USE = { day: '', minorUnits: 0n, count: 0 };

const account = (accountId: AccountId): RoutedAccount => ({
  accountId,
  channelId: 'c' as ChannelId,
  wallets: ['wechat'],
  kinds: ['jsapi'],
  currencies: [],
  amountMax: 1n,
  rank: 0,
  feeBasisPoints: 0,
  weight: 1,
  dayLimit: undefined,
  grey: undefined,
  enabled: true,
  stateNote: '',
});
const TABLE: RoutingTable = {
  version: 1n,
  merchants: new Map(),
  accounts: new Map([[A, account(A)]]),
  healthPolicy: DEFAULT_HEALTH_POLICY,
};

const says = (parts: Partial<AccountReport> = {}): AccountReport => ({
  accountId: A,
  opinion: 'none',
  cause: '',
  share: 1,
  good: 0,
  bad: 0,
  use: NO_USE,
  ...parts,
});
const SICK = says({ opinion: 'sick', cause: 'answers nothing', share: 0 });

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tillmesh-reports-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const start = () => {
  const clock = new ManualClock();
  const news = createNews(clock);
  const path = join(folder, 'uses');
  const uses = openDayUses(path);
  return { clock, news, path, uses, reports: createHealthReports({ table: () => TABLE, uses, clock, news }) };
};

describe('reports of health', () => {
  test('reach all others, and never who made them', () => {
    const { reports } = start();
    reports.take('one', [SICK]);
    expect(reports.heardBy('one').get(A)).toBeUndefined();
    expect(reports.heardBy('two').get(A)).toMatchObject({ sick: 1, well: 0, cause: 'answers nothing' });
  });

  test('are added up, and the latest of a process replaces its earlier one', () => {
    const { reports } = start();
    reports.take('one', [SICK]);
    reports.take('two', [says({ opinion: 'well', good: 30, bad: 1 })]);
    reports.take('one', [says({ opinion: 'well', good: 5, bad: 4 })]);
    expect(reports.heardBy('three').get(A)).toMatchObject({ sick: 0, well: 2, good: 35, bad: 5 });
  });

  test('say nothing any more when they are older than five seconds', async () => {
    const { reports, clock } = start();
    reports.take('one', [SICK]);
    await clock.advance(5_000);
    expect(reports.heardBy('two').get(A)?.sick).toBe(1);
    await clock.advance(1);
    expect(reports.heardBy('two').get(A)).toBeUndefined();
  });

  test('of an account that is not in the table are left out', () => {
    const { reports, uses } = start();
    const stranger = 'stranger' as AccountId;
    reports.take('one', [says({ accountId: stranger, use: { day: '2026-01-01', minorUnits: 1n, count: 1 } })]);
    expect(reports.heardBy('two').size).toBe(0);
    expect(uses.of(stranger, '').count).toBe(0);
  });

  test('are news when somebody falls sick or gets well, and not when only numbers change', () => {
    const { reports, news } = start();
    const newsOf = (...accounts: readonly AccountReport[]): number => {
      const before = news.count();
      reports.take('one', accounts);
      return news.count() - before;
    };
    expect(newsOf(says({ opinion: 'well' }))).toBe(1);
    expect(newsOf(says({ opinion: 'well', good: 9 }))).toBe(0);
    expect(newsOf(SICK)).toBe(1);
    expect(newsOf(SICK)).toBe(0);
    expect(newsOf()).toBe(1);
  });

  test('together are the present health: the mean of what cashiers give, and nothing where most find it sick', () => {
    const { reports } = start();
    reports.take('one', [says({ opinion: 'well', share: 1 })]);
    reports.take('two', [says({ opinion: 'none', share: 0.5 })]);
    expect(reports.present().accounts.get(A)?.share).toBe(0.75);
    reports.take('two', [SICK]);
    reports.take('three', [SICK]);
    expect(reports.present().accounts.get(A)).toMatchObject({ share: 0, cause: 'answers nothing' });
  });
});

describe('what accounts have taken today', () => {
  const today = (minorUnits: bigint, count: number, day = '2026-11-27') => ({ day, minorUnits, count });

  test('is the sum over all other processes, also of those that are gone', async () => {
    const { reports, clock } = start();
    reports.take('one', [says({ use: today(500n, 2) })]);
    await clock.advance(3_600_000);
    reports.take('two', [says({ use: today(30n, 1) })]);
    expect(reports.heardBy('three').get(A)?.use).toEqual(today(530n, 3));
    expect(reports.heardBy('two').get(A)?.use).toEqual(today(500n, 2));
  });

  test('begins at nothing with the next day, whoever sees it first', () => {
    const { uses } = start();
    uses.set('one', A, today(500n, 2));
    uses.set('two', A, today(7n, 1, '2026-11-28'));
    expect(uses.of(A, '')).toEqual(today(7n, 1, '2026-11-28'));
    uses.set('one', A, today(3n, 1, '2026-11-28'));
    expect(uses.of(A, '')).toEqual(today(10n, 2, '2026-11-28'));
  });

  test('is known after a restart, and days that are over are forgotten', () => {
    const { uses, path } = start();
    uses.set('one', A, today(500n, 2));
    uses.set('old', A, today(9n, 9, '2026-11-20'));
    uses.keep(Date.UTC(2026, 10, 27, 12));
    expect(openDayUses(path).of(A, '')).toEqual(today(500n, 2));
    expect(readFileSync(path, 'utf8')).not.toContain('old');
  });

  test('that cannot be read ends routing: limits would be passed unseen', () => {
    const { path } = start();
    writeFileSync(path, '{"reporters":{"one":{"a":{"day":"2026-11-27","minorUnits":"-5","count":1}}}}');
    expect(() => openDayUses(path)).toThrow(ConfigError);
  });
});

describe('whoever waits for news', () => {
  const never = new AbortController().signal;

  test('is woken by it, and hears at once of what came before the wait', async () => {
    const { news, clock } = start();
    const known = news.count();
    const waited = news.next(known, 1_000, never);
    news.tell();
    await waited;
    await news.next(known, 1_000, never);
    expect(clock.waitingCount).toBe(0);
  });

  test('is woken by time or by the end of its call, and leaves nothing behind', async () => {
    const { news, clock } = start();
    const slept = news.next(news.count(), 1_000, never);
    await clock.advance(1_000);
    await slept;
    const call = new AbortController();
    const ended = news.next(news.count(), 1_000, call.signal);
    call.abort();
    await ended;
    expect(clock.waitingCount).toBe(0);
  });
});
