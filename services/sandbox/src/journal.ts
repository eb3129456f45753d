import { createReadStream } from 'node:fs';
import { type FileHandle, open, stat, truncate } from 'node:fs/promises';

/** One row as it is after a change; a row that is null is gone. */
export type JournalEntry = readonly [table: string, id: string, row: unknown];

export interface Journal {
  /** Notes a change. All changes of one synchronous step are one line: after a kill they are all there or none is. */
  note(entry: JournalEntry): void;
  /** Resolves when everything noted so far is on the disk. Rejects for good once the disk refused a write. */
  durable(): Promise<void>;
  close(): Promise<void>;
}

/** For a sandbox that may forget: nothing is written. */
export const noJournal: Journal = {
  note: () => undefined,
  durable: () => Promise.resolve(),
  close: () => Promise.resolve(),
};

const HEADER = '{"journal":"tillmesh sandbox","version":1}';
const LINE_FEED = 0x0a;

// JSON has no bigint. No row of ours has an object with this one key otherwise.
const toLine = (step: readonly JournalEntry[]): string =>
  JSON.stringify(step, (_key, value: unknown) => (typeof value === 'bigint' ? { $fen: String(value) } : value));

const fromLine = (line: string): JournalEntry[] =>
  JSON.parse(line, (_key, value: unknown) =>
    typeof value === 'object' && value !== null && '$fen' in value ? BigInt(String(value.$fen)) : value,
  ) as JournalEntry[];

/** Gives every complete line to `onLine`; the answer is the count of bytes of complete lines. */
const readLines = async (file: string, onLine: (line: string, number: number) => void): Promise<number> => {
  let rest = Buffer.alloc(0);
  let completeBytes = 0;
  let number = 0;
  for await (const chunk of createReadStream(file)) {
    const bytes = Buffer.concat([rest, chunk as Buffer]);
    let start = 0;
    for (let end = bytes.indexOf(LINE_FEED); end !== -1; end = bytes.indexOf(LINE_FEED, start)) {
      number += 1;
      onLine(bytes.toString('utf8', start, end), number);
      completeBytes += end + 1 - start;
      start = end + 1;
    }
    rest = Buffer.from(bytes.subarray(start));
  }
  return completeBytes;
};

const replayFile = async (file: string, replay: (entry: JournalEntry) => void): Promise<void> => {
  const completeBytes = await readLines(file, (line, number) => {
    if (number === 1) {
      if (line !== HEADER) throw new Error(`${file} is not a journal of the sandbox, or of another version`);
      return;
    }
    try {
      for (const entry of fromLine(line)) replay(entry);
    } catch (error) {
      throw new Error(`line ${number} of ${file} cannot be replayed`, { cause: error });
    }
  });
  // A kill in the middle of a write leaves a line without its end. Nobody was answered on it: it never happened.
  if ((await stat(file)).size > completeBytes) await truncate(file, completeBytes);
};

/** Writes batches one after the other: whoever waits while one is under way shares the next fsync. */
const createWriter = (handle: FileHandle) => {
  let step: JournalEntry[] = [];
  let lines: string[] = [];
  let linesNoted = 0;
  let linesSafe = 0;
  let writing: Promise<void> | undefined;
  let failure: Error | undefined;

  const endStep = () => {
    if (step.length === 0) return;
    lines.push(toLine(step));
    linesNoted += 1;
    step = [];
  };
  const writeBatch = async () => {
    const batch = lines;
    lines = [];
    try {
      await handle.appendFile(`${batch.join('\n')}\n`);
      await handle.datasync();
      linesSafe += batch.length;
    } catch (error) {
      // What reached the disk is not known any more, so no later success may be believed either.
      failure = new Error('the journal cannot be written', { cause: error });
    } finally {
      writing = undefined;
    }
  };

  return {
    note: (entry: JournalEntry) => {
      step.push(entry);
      if (step.length === 1) queueMicrotask(endStep);
    },
    durable: async () => {
      endStep();
      const wanted = linesNoted;
      while (linesSafe < wanted && failure === undefined) {
        writing ??= writeBatch();
        await writing;
      }
      if (failure !== undefined) throw failure;
    },
  };
};

/**
 * Opens an append-only journal, creating it where it is missing, and replays what it holds, oldest first.
 *
 * @throws where the file is no journal of ours or is broken anywhere but in its last line.
 */
export const openJournal = async (file: string, replay: (entry: JournalEntry) => void): Promise<Journal> => {
  const handle = await open(file, 'a', 0o600);
  try {
    if ((await handle.stat()).size > 0) await replayFile(file, replay);
    // A kill between creation and the first fsync can leave a file whose header is torn: it was cut to nothing above.
    if ((await handle.stat()).size === 0) {
      await handle.appendFile(`${HEADER}\n`);
      await handle.datasync();
    }
  } catch (error) {
    await handle.close();
    throw error;
  }
  const writer = createWriter(handle);
  return {
    note: writer.note,
    durable: writer.durable,
    close: async () => {
      try {
        await writer.durable();
      } finally {
        await handle.close();
      }
    },
  };
};
