import type { Deadline } from './connection.ts';
import { DatabaseError, OWN_CODES } from './database-error.ts';
import type { GroupClient, ReadFrom, Work } from './group-client.ts';

/** Where a read is made: at the primary if it answers, at a replica if one answers, or at a quorum of all nodes. */
export type ReadAt = 'read' | 'readNearby' | 'quorum';

/**
 * In this order a read goes on while it finds nothing: a replica may not have heard of a row yet, a quorum has of each that was
 * acknowledged.
 */
export const READ_ORDER: Readonly<Record<'read' | 'readNearby', readonly ReadAt[]>> = {
  read: ['read', 'quorum'],
  readNearby: ['readNearby', 'read', 'quorum'],
};

/**
 * One read of a row that may not be there.
 *
 * @param isShown whether a row counts; of a quorum's answers the first that does is taken.
 * @throws {DatabaseError} where nobody answers, or too few for a quorum.
 */
export const readAt = async <T>(
  client: GroupClient,
  at: ReadAt,
  deadline: Deadline,
  work: Work<T | undefined>,
  isShown: (value: T) => boolean = () => true,
): Promise<ReadFrom<T | undefined>> => {
  if (at !== 'quorum') return client[at](deadline, work);
  const seen = await client.readQuorum(deadline, work);
  if (seen === undefined) throw new DatabaseError(OWN_CODES.noQuorum, 'not_written');
  const found = seen.filter((value) => value !== undefined);
  return { value: found.find(isShown) ?? found[0], fromReplica: true, staleMs: undefined };
};

/**
 * Reads a row, and believes that there is none only where that is certain: at the primary, or at a quorum of all nodes.
 *
 * @throws {DatabaseError}
 */
export const readFound = async <T>(
  client: GroupClient,
  way: 'read' | 'readNearby',
  deadline: Deadline,
  work: Work<T | undefined>,
): Promise<ReadFrom<T | undefined>> => {
  const [first = 'read', ...others] = READ_ORDER[way];
  let answer = await readAt(client, first, deadline, work);
  for (const at of others) {
    if (answer.value !== undefined || !answer.fromReplica) return answer;
    answer = await readAt(client, at, deadline, work);
  }
  return answer;
};
