import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import {
  DiscrepancyClass,
  DiscrepancySchema,
  ReportSchema,
} from '@tillmesh/proto/tillmesh/reconciliation/v1/reconciler_service_pb.ts';
import { expect, test } from 'vitest';
import { classText, moneyText, reportPage, sideText, sumsText } from '../report-page.ts';

const report = create(ReportSchema, {
  bill: { channelId: 'wechat', accountId: 'wechat-a', day: '2026-11-26' },
  madeAt: timestampFromMs(1_764_150_000_000),
  equal: 9n,
  ours: 10n,
  billLines: 10n,
  billSums: [{ currency: 'CNY', minorUnits: 12_345n }],
  classes: [{ class: DiscrepancyClass.AMOUNT, count: 1n, open: 1n, sums: [{ currency: 'CNY', minorUnits: 100n }] }],
  merchants: [{ merchantId: 'a<b>', currency: 'CNY', payments: 2n, takenMinorUnits: 5_000n }],
});
const discrepancy = create(DiscrepancySchema, {
  class: DiscrepancyClass.AMOUNT,
  kind: 'payment',
  channelOrderNo: '42',
  ours: { amountMinorUnits: 100n, currency: 'CNY', state: 'settled' },
  bill: { amountMinorUnits: 101n, currency: 'CNY', state: 'succeeded', feeMinorUnits: 1n },
  note: 'a person has to look <script>',
  open: true,
});

test('money is written with its decimals, sums of several currencies beside each other', () => {
  expect(moneyText(5n, 'CNY')).toBe('0.05 CNY');
  expect(moneyText(-12_345n, 'USD')).toBe('-123.45 USD');
  expect(moneyText(100n, 'JPY')).toBe('100 JPY');
  expect(sumsText([])).toBe('0');
  expect(
    sumsText([
      { currency: 'CNY', minorUnits: 1n },
      { currency: 'JPY', minorUnits: 2n },
    ]),
  ).toBe('0.01 CNY, 2 JPY');
  expect(sideText(undefined)).toBe('—');
  expect(sideText(discrepancy.bill)).toBe('1.01 CNY succeeded, fee 0.01 CNY');
});

test('a class is told as people say it', () => {
  expect(classText(DiscrepancyClass.UNKNOWN_ORDER)).toBe('unknown order');
  expect(classText(99 as DiscrepancyClass)).toBe('unspecified');
});

test('the page says what is open and shows both sides; nothing that comes from outside is markup', () => {
  const page = reportPage(report, [discrepancy]);
  expect(page).toContain('1 discrepancies are open; 9 entries are the same');
  expect(page).toContain('<td>1.00 CNY settled</td><td>1.01 CNY succeeded, fee 0.01 CNY</td>');
  expect(page).toContain('123.45 CNY');
  expect(page).toContain('a&lt;b&gt;');
  expect(page).not.toContain('<script>');
  expect(page).not.toContain('a<b>');
});

test('where all agree the page says so', () => {
  const page = reportPage(create(ReportSchema, { ...report, classes: [] }), []);
  expect(page).toContain('Books and bill agree: 9 entries are the same.');
});
