import { randomUUID } from 'node:crypto';
import { appendFile, mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { BillEntry, BookEntry } from '@tillmesh/reconciliation';

/** Parts of a comparison: one at a time is in memory. */
export const PARTS = 64;
/** Entries of one side in one part at most: with 5,000,000 lines, a channel's most, a part has some 80,000. */
export const PART_ENTRIES_MAX = 400_000;
const BUFFER_CHARACTERS = 65_536;

/** More entries came to one part than memory is meant for. */
export class PartTooLarge extends Error {
  override readonly name = 'PartTooLarge';
}

/**
 * Both sides of a comparison on the disk, in parts: everything about one number lies in one part. The files have mode 600 and are gone with remove().
 */
export type EntrySpool = {
  /** @throws {PartTooLarge} */
  addOurs(entry: BookEntry): Promise<void>;
  /** @throws {PartTooLarge} */
  addBill(entry: BillEntry): Promise<void>;
  /** Both sides of a part, each sorted as matchBooks wants it. Nothing may be added any more. */
  readPart(part: number): Promise<{ readonly ours: readonly BookEntry[]; readonly bill: readonly BillEntry[] }>;
  remove(): Promise<void>;
};

const keyOf = ({ kind, channelOrderNo, refundNo }: BookEntry | BillEntry): string =>
  `${kind} ${channelOrderNo} ${refundNo}`;

const inOrder = <Entry extends BookEntry | BillEntry>(entries: readonly Entry[]): readonly Entry[] =>
  entries
    .map((entry) => ({ key: keyOf(entry), entry }))
    // Sorting is stable: of several lines about one number the first one in the file stays the first.
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    .map(({ entry }) => entry);

const BIG = new Set(['amount', 'fee']);
const toLine = (entry: BookEntry | BillEntry): string =>
  `${JSON.stringify(entry, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))}\n`;
const fromLine = <Entry>(line: string): Entry =>
  JSON.parse(line, (name, value: unknown) =>
    BIG.has(name) && typeof value === 'string' ? BigInt(value) : value,
  ) as Entry;

/** A file that is written in pieces. */
const createPartFile = (path: string) => {
  let buffer = '';
  let entries = 0;
  const flush = async (): Promise<void> => {
    const text = buffer;
    buffer = '';
    if (text !== '') await appendFile(path, text, { mode: 0o600 });
  };
  return {
    add: async (line: string): Promise<void> => {
      entries += 1;
      if (entries > PART_ENTRIES_MAX)
        throw new PartTooLarge(`more than ${PART_ENTRIES_MAX} entries of one side have come to one of ${PARTS} parts`);
      buffer += line;
      if (buffer.length > BUFFER_CHARACTERS) await flush();
    },
    read: async <Entry>(): Promise<readonly Entry[]> => {
      await flush();
      if (entries === 0) return [];
      const text = await readFile(path, 'utf8');
      return text
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => fromLine<Entry>(line));
    },
  };
};

/**
 * Removes what comparisons of processes that died have left.
 *
 * @param lastsMsMax no comparison lasts longer: what is younger may be another process's.
 */
export const removeSpools = async (folder: string, nowMs: number, lastsMsMax: number): Promise<void> => {
  for (const name of await readdir(folder).catch(() => [])) {
    const path = join(folder, name);
    const begun = await stat(path).catch(() => undefined);
    if (begun !== undefined && nowMs - begun.mtimeMs > lastsMsMax) await rm(path, { recursive: true, force: true });
  }
};

/** Opens a spool in a folder of its own below `folder`. One writer for each side. */
export const openSpool = async (folder: string): Promise<EntrySpool> => {
  const own = join(folder, randomUUID());
  await mkdir(own, { recursive: true, mode: 0o700 });
  const parts = Array.from({ length: PARTS }, (_, part) => ({
    ours: createPartFile(join(own, `ours-${part}`)),
    bill: createPartFile(join(own, `bill-${part}`)),
  }));
  const partOf = ({ channelOrderNo }: BookEntry | BillEntry) => parts[crc32(channelOrderNo) % PARTS];
  return {
    addOurs: async (entry) => partOf(entry)?.ours.add(toLine(entry)),
    addBill: async (entry) => partOf(entry)?.bill.add(toLine(entry)),
    readPart: async (part) => ({
      ours: inOrder((await parts[part]?.ours.read<BookEntry>()) ?? []),
      bill: inOrder((await parts[part]?.bill.read<BillEntry>()) ?? []),
    }),
    remove: () => rm(own, { recursive: true, force: true }),
  };
};
