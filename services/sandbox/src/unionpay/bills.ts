import { buffer } from 'node:stream/consumers';
import { deflateSync } from 'node:zlib';
import { ZipFile } from 'yazl';
import { compactInBeijing } from '../beijing-time.ts';
import type { BillBook, BillEntry } from '../bills/bill-book.ts';
import type { UnionpayAccount } from './account.ts';

// A ZM file: fields of fixed width with a space between them (UnionPay's own demos; names of third parties).
const WIDTHS = [
  3, 11, 11, 6, 10, 19, 12, 4, 2, 21, 2, 32, 2, 6, 10, 13, 13, 4, 15, 2, 2, 6, 2, 4, 32, 1, 21, 15, 1, 15, 32, 13, 13,
  8, 32, 13, 13, 12, 2, 1, 32, 98,
];

const digits = (fen: bigint): string => String(fen < 0n ? -fen : fen).padStart(12, '0');

const rowOf = ({ merId }: UnionpayAccount, entry: BillEntry): string => {
  const isCharge = entry.kind === 'charge';
  const cells: Record<number, string> = {
    1: 'S22',
    5: compactInBeijing(entry.atMs).slice(4),
    6: '6226****0000',
    7: digits(entry.amountFen),
    10: entry.transactionId,
    12: isCharge ? entry.outTradeNo : (entry.refundNo ?? ''),
    16: `${entry.feeFen < 0n ? 'C' : 'D'}${digits(entry.feeFen)}`,
    17: `${isCharge ? 'C' : 'D'}${digits(entry.amountFen - (isCharge ? entry.feeFen : -entry.feeFen))}`,
    20: entry.state ?? (isCharge ? '01' : '04'),
    28: merId,
    41: isCharge ? '' : entry.outTradeNo,
  };
  return WIDTHS.map((width, index) => (cells[index + 1] ?? '').slice(0, width).padEnd(width)).join(' ');
};

/** What the file-transfer interface says: no file, or its name and its content. */
export type UnionpayFile = { readonly fileName: string; readonly fileContent: string } | undefined;

/**
 * The file of a settlement day.
 *
 * @param settleDate MMDD: of the last such day.
 */
export const unionpayFile = async (
  book: BillBook,
  account: UnionpayAccount,
  settleDate: string,
  nowMs: number,
): Promise<UnionpayFile> => {
  const { accountId, merId } = account;
  // The settlement day has begun at 23:00, so the day of now may be tomorrow's.
  const tomorrow = compactInBeijing(nowMs + 3_600_000);
  const year = Number(tomorrow.slice(0, 4)) - (settleDate > tomorrow.slice(4, 8) ? 1 : 0);
  const day = `${year}-${settleDate.slice(0, 2)}-${settleDate.slice(2)}`;
  const opened = book.open({ channel: 'unionpay', accountId, day });
  if (opened.kind !== 'bill') return undefined;
  const { entries, faults } = opened;
  const rows = Buffer.from(entries.map((entry) => `${rowOf(account, entry)}\r\n`).join(''));
  const zip = new ZipFile();
  const short = day.replaceAll('-', '').slice(2);
  zip.addBuffer(faults.has('truncated') ? rows.subarray(0, -200) : rows, `INN${short}88ZM_${merId}`);
  zip.addBuffer(Buffer.alloc(0), `INN${short}88ZME_${merId}`);
  zip.end();
  const bytes = await buffer(zip.outputStream);
  if (faults.has('bad_archive')) bytes.fill(0xaa, Math.floor(bytes.length / 4), Math.floor(bytes.length / 2));
  return { fileName: `${merId}_${day.replaceAll('-', '')}.zip`, fileContent: deflateSync(bytes).toString('base64') };
};
