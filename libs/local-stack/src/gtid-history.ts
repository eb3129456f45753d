import { advancedTo, type Gtid, includes, sequencesOf } from './relay-log.ts';

/** What a node has of its group's history, in MariaDB's numbers: domain-server-sequence. */
export type NodeHistory = {
  readonly name: string;
  readonly serverId: number;
  /** `gtid_slave_pos`: up to where it has executed what it received. */
  readonly replicated: string;
  /** `gtid_binlog_pos`: the last transaction of its own binary log. */
  readonly logged: string;
  /** `gtid_binlog_state`: of every server that ever was the primary, the last transaction that stands in the log. */
  readonly origins: string;
  /** `Gtid_IO_Pos`: up to where it has received; empty for a node that is no replica. */
  readonly received: string;
};

/** Reads `1-11-5,1-12-7` into transactions; also several of one domain. */
export const gtidsIn = (text: string): readonly Gtid[] =>
  text
    .split(',')
    .map((part) => /^\s*(\d+)-(\d+)-(\d+)\s*$/.exec(part))
    .filter((match) => match !== null)
    .map(([, domain, server, sequence]) => ({
      domain: Number(domain),
      server: Number(server),
      sequence: BigInt(sequence ?? 0),
    }));

/** The form in which the server writes a transaction's number. */
export const gtidText = ({ domain, server, sequence }: Gtid): string => `${domain}-${server}-${sequence}`;

/** Whether a position has everything that another has. */
export const includesAll = (position: string, wanted: string): boolean =>
  gtidsIn(wanted).every((gtid) => includes(position, gtid));

/** Of each domain the later of several positions. */
export const latestOf = (...positions: readonly string[]): string =>
  positions.flatMap(gtidsIn).reduce((latest, gtid) => (includes(latest, gtid) ? latest : advancedTo(latest, gtid)), '');

/** Everything a node has, executed or not: what it can bring into a new primary. */
export const everythingOf = ({ replicated, logged, received }: NodeHistory): string =>
  latestOf(replicated, logged, received);

/** How much one has received more than the other, in transactions; negative when it has less. */
export const advanceOf = (one: NodeHistory, other: NodeHistory): bigint => {
  const sum = (history: NodeHistory) =>
    [...sequencesOf(everythingOf(history)).values()].reduce((total, sequence) => total + sequence, 0n);
  return sum(one) - sum(other);
};

/**
 * Transactions under a replica's own number that it did not receive: somebody wrote to it in spite of read_only. (What
 * it did receive may stand under its own number as well: a schema change that its crash recovery brought to its end.)
 */
export const strayOf = ({ serverId, origins, replicated }: NodeHistory): readonly Gtid[] =>
  gtidsIn(origins).filter((gtid) => gtid.server === serverId && !includes(replicated, gtid));

/**
 * The transactions of a node that another does not have; empty when its history is the beginning of the other's. Every
 * primary counts on from the one before, and a node that has gone its own way takes part only when it was made anew. So
 * two nodes that have the same last number of every origin up to some point have the same history up to there.
 */
export const divergenceOf = (node: NodeHistory, from: NodeHistory): readonly Gtid[] => {
  const known = new Map(gtidsIn(from.origins).map(({ domain, server, sequence }) => [`${domain}-${server}`, sequence]));
  return gtidsIn(node.origins).filter((gtid) => {
    const sequence = known.get(`${gtid.domain}-${gtid.server}`);
    if (sequence !== undefined && sequence >= gtid.sequence) return false;
    // A schema change that the node's crash recovery wrote under the node's number: received, so not its own.
    return !(gtid.server === node.serverId && includes(node.replicated, gtid));
  });
};
