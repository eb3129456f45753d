/** A transaction's number as MariaDB writes it: domain-server-sequence. */
export type Gtid = { readonly domain: number; readonly server: number; readonly sequence: bigint };

/** A whole transaction in a relay log and where it begins. */
export type RelayedTransaction = { readonly gtid: Gtid; readonly file: string; readonly position: number };

// The format of binary logs, version 4: four magic bytes, then events with a header of 19 bytes each: time (4), type
// (1), server id (4), length with header (4), end position at the primary (4), flags (2).
const MAGIC_BYTES = 4;
const HEADER_BYTES = 19;
const TYPE_AT = 4;
const SERVER_AT = 5;
const LENGTH_AT = 9;

const GTID_EVENT = 162;
// A transaction of InnoDB ends with XID; a schema change is one QUERY, other engines end with a QUERY "COMMIT".
const ENDS_TRANSACTION: ReadonlySet<number> = new Set([16, 2, 165]);
// The events a server writes into a relay log about the log itself: format, rotation, list of positions, checkpoint.
const ABOUT_THE_LOG: ReadonlySet<number> = new Set([4, 15, 161, 163]);

/**
 * The whole transactions of a relay log file from a position on, oldest first. A transaction whose end was not
 * received any more was never acknowledged and is left out.
 *
 * @param bytes the file from its beginning.
 * @param from a position at which an event begins; 4 is the first.
 */
export const transactionsIn = (file: string, bytes: Buffer, from: number): readonly RelayedTransaction[] => {
  const found: RelayedTransaction[] = [];
  let open: RelayedTransaction | undefined;
  let lastType = 0;
  const close = () => {
    if (open !== undefined && ENDS_TRANSACTION.has(lastType)) found.push(open);
    open = undefined;
  };
  for (let at = Math.max(from, MAGIC_BYTES); at + HEADER_BYTES <= bytes.length; ) {
    const type = bytes.readUInt8(at + TYPE_AT);
    const length = bytes.readUInt32LE(at + LENGTH_AT);
    // The last event may have been cut by a crash.
    if (length < HEADER_BYTES || at + length > bytes.length) break;
    if (type === GTID_EVENT) {
      close();
      const body = at + HEADER_BYTES;
      const server = bytes.readUInt32LE(at + SERVER_AT);
      const gtid = { sequence: bytes.readBigUInt64LE(body), domain: bytes.readUInt32LE(body + 8), server };
      open = { gtid, file, position: at };
    }
    if (!ABOUT_THE_LOG.has(type)) lastType = type;
    at += length;
  }
  close();
  return found;
};

/** Reads `1-11-5,2-21-7` into the last sequence of each domain. */
export const sequencesOf = (position: string): ReadonlyMap<number, bigint> =>
  new Map(
    position
      .split(',')
      .filter((text) => text !== '')
      .map((text) => {
        const [domain, , sequence] = text.split('-');
        return [Number(domain), BigInt(sequence ?? 0)];
      }),
  );

/** Whether a position of the form `1-11-5,2-21-7` includes the transaction. */
export const includes = (position: string, { domain, sequence }: Gtid): boolean =>
  (sequencesOf(position).get(domain) ?? 0n) >= sequence;

/** The position with this transaction as the last one of its domain. */
export const advancedTo = (position: string, { domain, server, sequence }: Gtid): string =>
  [
    ...position.split(',').filter((text) => text !== '' && !text.startsWith(`${domain}-`)),
    `${domain}-${server}-${sequence}`,
  ].join(',');

/** Reads `relay-log.info`: the file and position up to which the log has been executed, or a little behind it. */
export const executedUpTo = (infoFile: string): { readonly file: string; readonly position: number } | undefined => {
  // The first line is the number of lines, the second the file, the third the position in it.
  const [, path = '', position = ''] = infoFile.split('\n');
  if (path === '' || !/^\d+$/.test(position)) return undefined;
  return { file: path.replace(/^\.\//, ''), position: Number(position) };
};
