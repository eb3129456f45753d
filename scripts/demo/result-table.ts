import { AttemptState } from '@tillmesh/proto/tillmesh/payment/v1/attempt_pb.ts';
import { LearnedBy } from '@tillmesh/proto/tillmesh/payment/v1/outcome_pb.ts';
import { PaymentState } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import type { DemoResult } from './scenarios.ts';

/** The name of a wire value, in lower case. */
const word = (values: Readonly<Record<string, number>>, value: number | undefined): string =>
  (Object.entries(values).find(([, candidate]) => candidate === value)?.[0] ?? '-').toLowerCase().replaceAll('_', ' ');

/** Lines of a table whose columns are as wide as they have to be. */
export const tableLines = (rows: readonly (readonly string[])[]): string[] => {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  return [
    ...rows.slice(0, 1).map(line),
    widths.map((width) => '─'.repeat(width)).join('  '),
    ...rows.slice(1).map(line),
  ];
};

const HEAD = ['#', 'payment', 'order number', 'group', 'attempts', 'state', 'learned by', 'ms', 'charged'];

/** The table of the demonstration. */
export const resultTable = (results: readonly DemoResult[]): string[] =>
  tableLines([
    HEAD,
    ...results.map(({ title, payment, tookMs, ledger, wrong }, place) => [
      String(place + 1),
      title,
      payment?.orderNo ?? '-',
      payment === undefined ? '-' : String(payment.groupTag),
      (payment?.attempts ?? [])
        .map(({ accountId, state }) => `${accountId} ${word(AttemptState, state)}`)
        .join(' → ') || '-',
      `${wrong.length === 0 ? '✓' : '✗'} ${word(PaymentState, payment?.state)}`,
      word(LearnedBy, payment?.learnedBy),
      String(tookMs),
      ledger === undefined ? '-' : `${ledger.charges}×`,
    ]),
  ]);
