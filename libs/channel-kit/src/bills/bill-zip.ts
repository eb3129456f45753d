import { crc32 } from 'node:zlib';
import { type Entry, openPromise, type ZipFile } from 'yauzl';
import { type BillLimits, BrokenBill } from './bill.ts';

/** A file in a zip file. */
export type ZipEntry = {
  readonly name: string;
  /** Its bytes, unpacked. @throws {BrokenBill} `bad_archive` where they are not those that were packed. */
  read(): AsyncGenerator<Buffer>;
};

const ENTRIES_MAX = 32;
const UTF_8_NAME = 0x800;

const bad = (error: unknown): BrokenBill =>
  error instanceof BrokenBill
    ? error
    : new BrokenBill(
        'bad_archive',
        `the zip file cannot be read: ${error instanceof Error ? error.message : 'unknown'}`,
      );

/** Old programs write names in the encoding of their country, and the flag says which it is not. */
const nameOf = ({ fileNameRaw, generalPurposeBitFlag }: Entry): string =>
  new TextDecoder((generalPurposeBitFlag & UTF_8_NAME) === 0 ? 'gb18030' : 'utf-8').decode(fileNameRaw);

const entriesOf = (zip: ZipFile): Promise<readonly Entry[]> =>
  new Promise((resolve, reject) => {
    const entries: Entry[] = [];
    zip.on('error', reject);
    zip.on('end', () => resolve(entries));
    zip.on('entry', (entry: Entry) => {
      entries.push(entry);
      if (entries.length > ENTRIES_MAX)
        reject(new BrokenBill('bad_archive', `it holds more than ${ENTRIES_MAX} files`));
      else zip.readEntry();
    });
    zip.readEntry();
  });

/**
 * Opens a zip file, hands its files to `work`, and closes it. What a file unpacks to is held against the limit, its own size and its CRC-32.
 *
 * @throws {BrokenBill} `bad_archive`, `too_large`
 */
export const withZip = async function* <Batch, End>(
  path: string,
  limits: Pick<BillLimits, 'plainBytesMax'>,
  work: (entries: readonly ZipEntry[]) => AsyncGenerator<Batch, End>,
): AsyncGenerator<Batch, End> {
  const zip = await openPromise(path, { lazyEntries: true, autoClose: false, decodeStrings: false }).catch(
    (error: unknown) => {
      throw bad(error);
    },
  );
  const read = async function* (entry: Entry): AsyncGenerator<Buffer> {
    if (entry.uncompressedSize > limits.plainBytesMax) {
      throw new BrokenBill('too_large', `a file of the archive unpacks to more than ${limits.plainBytesMax} bytes`);
    }
    let sum = 0;
    try {
      for await (const part of await zip.openReadStreamPromise(entry)) {
        sum = crc32(part as Buffer, sum);
        yield part as Buffer;
      }
    } catch (error) {
      throw bad(error);
    }
    if (sum !== entry.crc32) throw new BrokenBill('bad_archive', 'a file of the archive has another CRC-32');
  };
  try {
    const entries = await entriesOf(zip).catch((error: unknown) => {
      throw bad(error);
    });
    return yield* work(entries.map((entry) => ({ name: nameOf(entry), read: () => read(entry) })));
  } finally {
    zip.close();
  }
};
