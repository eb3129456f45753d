import { type Timestamp, timestampDate } from '@bufbuild/protobuf/wkt';
import {
  type BookSide,
  type CurrencySum,
  type Discrepancy,
  DiscrepancyClass,
  type Report,
} from '@tillmesh/proto/tillmesh/reconciliation/v1/reconciler_service_pb.ts';

/** A class as people say it. */
export const classText = (of: DiscrepancyClass): string => {
  const [name] = Object.entries(DiscrepancyClass).find(([, value]) => value === of) ?? ['UNSPECIFIED'];
  return name.toLowerCase().replaceAll('_', ' ');
};

/** Currencies whose minor unit is the unit itself; all others have two decimals here. */
const WITHOUT_DECIMALS = new Set(['JPY', 'KRW', 'VND', 'CLP']);

/** 12.34 CNY. */
export const moneyText = (minorUnits: bigint, currency: string): string => {
  if (WITHOUT_DECIMALS.has(currency)) return `${minorUnits} ${currency}`;
  const digits = (minorUnits < 0n ? -minorUnits : minorUnits).toString().padStart(3, '0');
  return `${minorUnits < 0n ? '-' : ''}${digits.slice(0, -2)}.${digits.slice(-2)} ${currency}`;
};

/** Sums of several currencies in one line. */
export const sumsText = (sums: readonly Pick<CurrencySum, 'currency' | 'minorUnits'>[]): string =>
  sums.map(({ currency, minorUnits }) => moneyText(minorUnits, currency)).join(', ') || '0';

const timeText = (time: Timestamp | undefined): string =>
  time === undefined ? '' : timestampDate(time).toISOString().replace('T', ' ').slice(0, 19);

/** What a side says, in one line; a dash where it has nothing. */
export const sideText = (side: BookSide | undefined): string => {
  if (side === undefined) return '—';
  const fee = side.feeMinorUnits === undefined ? '' : `, fee ${moneyText(side.feeMinorUnits, side.currency)}`;
  return `${moneyText(side.amountMinorUnits, side.currency)} ${side.state}${fee}`;
};

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
const escaped = (text: string): string => text.replaceAll(/[&<>"']/g, (sign) => ESCAPES[sign] ?? sign);

const row = (cells: readonly string[], cell: 'td' | 'th' = 'td'): string =>
  `<tr>${cells.map((text) => `<${cell}>${escaped(text)}</${cell}>`).join('')}</tr>`;

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  rows.length === 0 ? '<p>none</p>' : `<table>${row(head, 'th')}${rows.map((cells) => row(cells)).join('')}</table>`;

/** Bars, the longest as wide as the picture: what each merchant took. */
const bars = (merchants: Report['merchants']): string => {
  const most = merchants.reduce((max, { takenMinorUnits }) => (takenMinorUnits > max ? takenMinorUnits : max), 1n);
  const shown = merchants.toSorted((a, b) => (a.takenMinorUnits < b.takenMinorUnits ? 1 : -1)).slice(0, 20);
  const lines = shown.map(({ merchantId, currency, takenMinorUnits }, place) => {
    const width = Math.max(1, Number((takenMinorUnits * 360n) / most));
    const y = place * 22;
    return `<text x="0" y="${y + 15}">${escaped(merchantId)}</text><rect x="150" y="${y + 3}" width="${width}" height="14"/><text x="${155 + width}" y="${y + 15}">${escaped(moneyText(takenMinorUnits, currency))}</text>`;
  });
  return `<svg viewBox="0 0 660 ${Math.max(22, shown.length * 22)}" role="img" aria-label="What each merchant took">${lines.join('')}</svg>`;
};

const STYLE = `body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1c2330}
h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}table{border-collapse:collapse;width:100%;font-size:14px}
th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #d9dee7;vertical-align:top}
.verdict{padding:.6rem 1rem;border-radius:6px;font-weight:600}.good{background:#e2f5e6}.bad{background:#fde6e2}
svg{width:100%;max-width:42rem;font-size:12px}rect{fill:#3a78c2}`;

/**
 * A day's report of one account as a page of its own, without anything from elsewhere.
 *
 * @param discrepancies those that are shown; the counts are the report's.
 */
export const reportPage = (report: Report, discrepancies: readonly Discrepancy[]): string => {
  const { bill } = report;
  const open = report.classes.reduce((sum, { open: left }) => sum + left, 0n);
  const title = `${bill?.channelId ?? ''} ${bill?.accountId ?? ''}, ${bill?.day ?? ''}`;
  const verdict =
    open === 0n
      ? `<p class="verdict good">Books and bill agree: ${report.equal} entries are the same${report.reversed > 0n ? `, ${report.reversed} were reversed` : ''}.</p>`
      : `<p class="verdict bad">${open} discrepancies are open; ${report.equal} entries are the same.</p>`;
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Reconciliation: ${escaped(title)}</title><style>${STYLE}</style>
<h1>Reconciliation: ${escaped(title)}</h1>
${verdict}
${report.awaitsNextBill ? '<p>Something may still stand in the next day’s bill; it is compared again then.</p>' : ''}
${report.tamperedRows > 0n ? `<p class="verdict bad">${report.tamperedRows} rows of our books do not bear their seal.</p>` : ''}
<h2>Totals</h2>
${table(
  ['', 'entries', 'sum'],
  [
    [
      'the channel’s bill',
      `${report.billLines}${report.billAbsent ? ' (there is no bill)' : ''}`,
      sumsText(report.billSums),
    ],
    ['our books', String(report.ours), sumsText(report.ourSums)],
  ],
)}
<h2>Discrepancies by class</h2>
${table(
  ['class', 'found', 'open', 'about'],
  report.classes.map((one) => [classText(one.class), String(one.count), String(one.open), sumsText(one.sums)]),
)}
<h2>What each merchant took</h2>
${report.merchants.length === 0 ? '<p>nothing</p>' : bars(report.merchants)}
${table(
  ['merchant', 'payments', 'taken', 'refunds', 'given back'],
  report.merchants.map((one) => [
    one.merchantId,
    String(one.payments),
    moneyText(one.takenMinorUnits, one.currency),
    String(one.refunds),
    moneyText(one.givenBackMinorUnits, one.currency),
  ]),
)}
<h2>Discrepancies, one by one</h2>
${table(
  ['class', 'what', 'number', 'our books', 'the bill', 'when', 'what was done'],
  discrepancies.map((one) => [
    `${classText(one.class)}${one.open ? '' : ' (done)'}`,
    one.kind,
    one.refundNo === '' ? one.channelOrderNo : `${one.channelOrderNo} / ${one.refundNo}`,
    sideText(one.ours),
    sideText(one.bill),
    timeText(one.bill?.at ?? one.ours?.at),
    one.note,
  ]),
)}
<p>Made ${timeText(report.madeAt)} UTC. The bill’s SHA-256: ${escaped(report.billSha256) || 'none'}.</p>
</html>
`;
};
