import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import type { BodySink } from '../http-exchange.ts';
import { BrokenBill } from './bill.ts';

const PART_BYTES = 65_536;

/**
 * A bill's file while it is fetched and read. It lies on the disk: how much memory a bill takes does not depend on its size, the channel's address is
 * not held open by who reads slowly, and nothing of it is told before its digest is known. The file is gone when the bill is.
 */
export type BillSpool = {
  /** Takes the body of an answer; see HttpRequest. One answer. */
  readonly sink: BodySink;
  /** Adds bytes, for bills that come in many answers. @throws {BrokenBill} `too_large` */
  append(part: Uint8Array): Promise<void>;
  /** Nothing more will come; what came can be read. May be called again. */
  complete(): Promise<void>;
  /** What came, from its beginning, as often as wanted. */
  read(): AsyncIterable<Buffer>;
  /** For readers that jump, as those of archives do. */
  readonly path: string;
  readonly bytes: number;
  /** SHA-256 of what came; after complete(). */
  readonly sha256: string;
  remove(): Promise<void>;
};

/**
 * Opens a file that only this process's user may read.
 *
 * @param bytesMax more is refused: by the exchange as `answer_too_large`, by append as BrokenBill `too_large`.
 */
export const openBillSpool = (folder: string, bytesMax: number): BillSpool => {
  const path = join(folder, `tillmesh-bill-${randomUUID()}`);
  const file = createWriteStream(path, { flags: 'wx', mode: 0o600 });
  // Whoever waits for the file hears of it; nobody may be waiting yet.
  file.on('error', () => undefined);
  const sha256 = createHash('sha256');
  let bytes = 0;
  let digest = '';
  const write = (part: Uint8Array): boolean => {
    bytes += part.byteLength;
    sha256.update(part);
    return file.write(part);
  };
  return {
    path,
    get bytes() {
      return bytes;
    },
    get sha256() {
      return digest;
    },
    sink: {
      bytesMax,
      write,
      onceDrained: (resume) => file.once('drain', resume),
      onceFailed: (fail) => file.once('error', fail),
    },
    append: async (part) => {
      if (bytes + part.byteLength > bytesMax)
        throw new BrokenBill('too_large', `the bill has more than ${bytesMax} bytes`);
      if (!write(part)) await once(file, 'drain');
    },
    complete: async () => {
      if (digest !== '') return;
      file.end();
      await finished(file);
      digest = sha256.digest('hex');
    },
    read: () => createReadStream(path, { highWaterMark: PART_BYTES }),
    remove: async () => {
      // A file that is still being opened would come into being after it was removed.
      if (!file.closed) await new Promise<void>((resolve) => file.once('close', resolve).destroy());
      await rm(path, { force: true });
    },
  };
};
