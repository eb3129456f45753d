import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { type Readable, Transform } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { BrokenBill } from './bill.ts';

const GZIP = [0x1f, 0x8b];

/** Lets at most so many bytes through. */
const limited = (bytesMax: number): Transform => {
  let bytes = 0;
  return new Transform({
    transform: (part: Buffer, _encoding, done) => {
      bytes += part.length;
      if (bytes > bytesMax) done(new BrokenBill('too_large', `the bill unpacks to more than ${bytesMax} bytes`));
      else done(null, part);
    },
  });
};

const isGzip = async (path: string): Promise<boolean> => {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(2), 0, 2, 0);
    return bytesRead === 2 && GZIP.every((byte, at) => buffer[at] === byte);
  } finally {
    await file.close();
  }
};

/** Pipes that end together, whichever fails; the last one fails with the first error. */
const piped = (...streams: readonly (Readable | Transform)[]): Readable => {
  const [first, ...others] = streams as [Readable, ...Transform[]];
  let end: Readable = first;
  for (const next of others) {
    const before = end;
    before.on('error', (error) => next.destroy(error));
    next.on('close', () => before.destroy());
    end = before.pipe(next);
  }
  return end;
};

const brokenArchive = (error: unknown): unknown => {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return error;
  if (error.code === 'Z_BUF_ERROR') return new BrokenBill('truncated', 'the gzip file ends too early');
  return error.code.startsWith('Z_')
    ? new BrokenBill('bad_archive', `the gzip file cannot be read: ${error.code}`)
    : error;
};

/**
 * The bytes of a file, unpacked where it is a gzip file.
 *
 * @throws {BrokenBill} `too_large`, `truncated`, `bad_archive`.
 */
export const plainBytesOf = async function* (path: string, plainBytesMax: number): AsyncGenerator<Buffer> {
  const source = createReadStream(path);
  const stream = (await isGzip(path))
    ? piped(source, createGunzip(), limited(plainBytesMax))
    : piped(source, limited(plainBytesMax));
  try {
    for await (const part of stream) yield part as Buffer;
  } catch (error) {
    throw brokenArchive(error);
  } finally {
    stream.destroy();
  }
};

/** SHA-1 in lower-case hexadecimal: the digest that WeChat Pay tells. */
export const sha1Of = async (bytes: AsyncIterable<Uint8Array>): Promise<string> => {
  const sha1 = createHash('sha1');
  for await (const part of bytes) sha1.update(part);
  return sha1.digest('hex');
};
