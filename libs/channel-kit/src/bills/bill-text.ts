import { type BillLimits, BrokenBill } from './bill.ts';

/** A line of a text, without its end. */
export type TextLine = { readonly number: number; readonly text: string };

const LINE_FEED = 0x0a;

/**
 * How a bill's text is written. GB18030 reads all of GBK, and what its newer forms have beyond it. As `bytes` each byte is a character, for files whose
 * fields have widths in bytes.
 */
export type BillEncoding = 'utf-8' | 'gb18030' | 'bytes';

/**
 * Cuts bytes into lines, in batches as the bytes come; CR LF and LF end a line, and a byte order mark at the beginning is left out. Bytes of one batch at a
 * time are held. A last line without an end is given like the others.
 *
 * @throws {BrokenBill} `wrong_encoding` with the line, `line_too_long`, `too_many_lines`.
 */
export const textLinesOf = async function* (
  bytes: AsyncIterable<Uint8Array>,
  encoding: BillEncoding,
  limits: Pick<BillLimits, 'lineBytesMax' | 'linesMax'>,
): AsyncGenerator<readonly TextLine[]> {
  const decoder = encoding === 'bytes' ? undefined : new TextDecoder(encoding, { fatal: true, ignoreBOM: true });
  let count = 0;
  let rest = Buffer.alloc(0);

  const decoded = (line: Buffer): string => {
    if (decoder === undefined) return line.toString('latin1');
    try {
      return decoder.decode(line);
    } catch {
      throw new BrokenBill('wrong_encoding', `the line is not ${encoding}`, count + 1);
    }
  };
  const textOf = (line: Buffer): string => {
    if (line.length > limits.lineBytesMax + 2) {
      throw new BrokenBill('line_too_long', `the line has more than ${limits.lineBytesMax} bytes`, count + 1);
    }
    const text = decoded(line.at(-1) === 0x0d ? line.subarray(0, -1) : line);
    return count === 0 && text.startsWith('\uFEFF') ? text.slice(1) : text;
  };
  const take = (line: Buffer): TextLine => {
    if (count >= limits.linesMax) {
      throw new BrokenBill('too_many_lines', `the bill has more than ${limits.linesMax} lines`, count + 1);
    }
    const text = textOf(line);
    count += 1;
    return { number: count, text };
  };

  for await (const part of bytes) {
    const block =
      rest.length === 0 ? Buffer.from(part.buffer, part.byteOffset, part.byteLength) : Buffer.concat([rest, part]);
    const lines: TextLine[] = [];
    let from = 0;
    // In UTF-8 and in GB18030 this byte is never a part of another character.
    for (let end = block.indexOf(LINE_FEED); end !== -1; end = block.indexOf(LINE_FEED, from)) {
      lines.push(take(block.subarray(from, end)));
      from = end + 1;
    }
    // Kept beyond the part that it lies in, whose memory may be used again.
    rest = Buffer.from(block.subarray(from));
    if (rest.length > limits.lineBytesMax + 2) textOf(rest);
    if (lines.length > 0) yield lines;
  }
  if (rest.length > 0) yield [take(rest)];
};
