import { type BillLine, type BillRead, BrokenBill } from '@tillmesh/channel-kit';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readTradeBill } from '../src/protocol.ts';

const LIMITS = { lineBytesMax: 4_096, linesMax: 1_000 };
const MER_ID = '777290058110048';
const WIDTHS = [
  3, 11, 11, 6, 10, 19, 12, 4, 2, 21, 2, 32, 2, 6, 10, 13, 13, 4, 15, 2, 2, 6, 2, 4, 32, 1, 21, 15, 1, 15, 32, 13, 13,
  8, 32, 13, 13, 12, 2, 1, 32, 98,
];

/** A line, its fields by their numbers. */
const row = (cells: Readonly<Record<number, string>>): string =>
  WIDTHS.map((_width, index) => (({ 28: MER_ID, ...cells }) as Record<number, string>)[index + 1] ?? '')
    .map((cell, index) => cell.padEnd(WIDTHS[index] ?? 0))
    .join(' ');
const payment = (more: Readonly<Record<number, string>> = {}) =>
  row({
    5: '1122120001',
    7: '000000001234',
    10: '201611221200011234567',
    12: 'order0001',
    16: 'D000000000005',
    20: '01',
    ...more,
  });
const refund = row({
  5: '1122130001',
  7: '000000000234',
  10: '201611221300017654321',
  12: 'refund0001',
  16: 'C000000000001',
  20: '04',
  41: 'order0001',
});
const bill = (...rows: readonly string[]) => Buffer.from(rows.map((one) => `${one}\r\n`).join(''), 'latin1');

const read = async (bytes: Buffer, day = '2026-11-22') => {
  const parts = async function* () {
    for (let from = 0; from < bytes.length; from += 77) yield bytes.subarray(from, from + 77);
  };
  const reader: AsyncGenerator<readonly BillLine[], BillRead> = readTradeBill(parts(), LIMITS, MER_ID, day);
  const lines: BillLine[] = [];
  for (;;) {
    const step = await reader.next();
    if (step.done === true) return lines;
    lines.push(...step.value);
  }
};
const flawOf = (work: Promise<unknown>) =>
  work.then(
    () => undefined,
    (error: unknown) => (error instanceof BrokenBill ? error.flaw : error),
  );

test("a settlement day's lines become ours: the refund names its payment", async () => {
  expect(await read(bill(payment(), refund))).toMatchObject([
    {
      lineNumber: 1,
      kind: 'payment',
      channelOrderNo: 'order0001',
      refundNo: '',
      channelTransactionId: '201611221200011234567',
      amount: 1_234n,
      fee: 5n,
      happenedAtMs: Date.UTC(2026, 10, 22, 4, 0, 1),
    },
    {
      lineNumber: 2,
      kind: 'refund',
      channelOrderNo: 'order0001',
      refundNo: 'refund0001',
      channelRefundId: '201611221300017654321',
      amount: -234n,
      fee: -1n,
      state: 'succeeded',
    },
  ]);
});

test('names of second merchants in GBK move no field behind them', async () => {
  const bytes = bill(payment({ 31: 'NAME'.padEnd(32), 41: 'x' }));
  bytes.write('\xd6\xd0\xb9\xfa', bytes.indexOf('NAME'), 'latin1');
  expect(await read(bytes)).toMatchObject([{ amount: 1_234n }]);
});

test('a time without its year lies nearest to the bill', async () => {
  const times = (await read(bill(payment({ 5: '1231235959' })), '2027-01-01')).map(({ happenedAtMs }) => happenedAtMs);
  expect(times).toEqual([Date.UTC(2026, 11, 31, 15, 59, 59)]);
});

test('a line that stands twice is marked: the file tells no totals', async () => {
  expect((await read(bill(payment(), payment()))).map(({ repeated }) => repeated)).toEqual([false, true]);
});

for (const [what, bytes, flaw] of [
  ['cut in a line', bill(payment(), refund).subarray(0, -200), 'truncated'],
  ['with a short line', bill(payment().slice(0, 300), refund), 'bad_line'],
  ['of another merchant', bill(payment({ 28: '777290058110049' })), 'foreign_account'],
  ['with an amount that is none', bill(payment({ 7: '0000000012.4' }), refund), 'bad_line'],
  ['with a fee without its direction', bill(payment({ 16: '0000000000005' }), refund), 'bad_line'],
  ['with a time that is none', bill(payment({ 5: '0230250000' }), refund), 'bad_line'],
] as const) {
  test(`a file ${what} is ${flaw}`, async () => {
    expect(await flawOf(read(bytes))).toBe(flaw);
  });
}

test('chance bytes are no bill, and no crash', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 1_500 }), async (bytes) => {
      const seen = await read(Buffer.from(bytes)).catch((error: unknown) => error);
      expect(seen instanceof BrokenBill || (Array.isArray(seen) && seen.length === 0)).toBe(true);
    }),
    { numRuns: 500 },
  );
});
