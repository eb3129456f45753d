import { ManualClock } from '@tillmesh/clock';
import type { AccountId } from '@tillmesh/domain';
import { expect, test } from 'vitest';
import { createHealthReports, type ReportedHealth } from '../src/health-reports.ts';

const report = (share: number, parts: Partial<ReportedHealth> = {}): ReportedHealth => ({
  accountId: 'wechat-a',
  share,
  handled: 0,
  failed: 0,
  reason: share === 1 ? '' : 'lane open',
  ...parts,
});

test('the middle of what cashiers see counts: one with a broken network drains no account for all', () => {
  const reports = createHealthReports(new ManualClock());
  reports.take('one', [report(0)]);
  expect(reports.merged()).toMatchObject({ instances: 1, accounts: [{ share: 0, reason: 'lane open' }] });
  reports.take('two', [report(1)]);
  reports.take('three', [report(1)]);
  expect(reports.merged()).toMatchObject({ instances: 3, accounts: [{ share: 1, reason: '' }] });
  reports.take('two', [report(0)]);
  expect(reports.merged()).toMatchObject({ accounts: [{ share: 0 }] });
});

test('attempts of all are added up, and make a share where there are enough', () => {
  const reports = createHealthReports(new ManualClock());
  reports.take('one', [report(1, { handled: 9, failed: 1 })]);
  expect(reports.health().get('wechat-a' as AccountId)?.successShare).toBeUndefined();
  reports.take('two', [report(1, { handled: 6, failed: 4 })]);
  expect(reports.health().get('wechat-a' as AccountId)?.successShare).toBe(0.75);
});

test('a cashier that says nothing any more has no say', async () => {
  const clock = new ManualClock();
  const reports = createHealthReports(clock);
  reports.take('one', [report(0)]);
  await clock.advance(5_001);
  expect(reports.merged()).toEqual({ instances: 0, accounts: [] });
});
