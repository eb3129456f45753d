import { rowsOf } from './administrator.ts';
import { awaitExecuted } from './await-executed.ts';
import { EXECUTE_MS_MAX, executeRelayLog } from './execute-relay-log.ts';
import { excludedOf, followersOf, type GroupContext } from './group-context.ts';
import { advanceOf, everythingOf, gtidText, type NodeHistory, strayOf } from './gtid-history.ts';
import { LocalStackError } from './local-stack-error.ts';
import type { MariadbProcess } from './mariadb-node.ts';
import { readHistory, stopReceiving } from './primary-change.ts';
import { readReplicaState } from './replication.ts';

/** A replica that answered and what it has. */
export type Candidate = { readonly node: MariadbProcess; readonly history: NodeHistory };

/** A replica that cannot say what it has acknowledged, or whose word does not count. */
export type Unheard = { readonly node: MariadbProcess; readonly reason: string };

/** What asking all of them gave. */
export type Hearing<T> = { readonly heard: readonly T[]; readonly unheard: readonly Unheard[] };

const PROBE_MS = 1_500;
// A replica whose primary is frozen needs a second or two to stop: it tries to tell it.
const STOP_RECEIVING_MS = 10_000;

const reasonOf = (error: unknown): string => {
  if (error instanceof LocalStackError) return error.message;
  throw error;
};

/** Asks every node; whoever fails to answer is among the unheard. */
const hear = async <T>(
  nodes: readonly MariadbProcess[],
  question: (node: MariadbProcess) => Promise<T>,
): Promise<Hearing<T>> => {
  const answers = await Promise.all(
    nodes.map((node) =>
      question(node).then(
        (answer) => ({ answer }),
        (error: unknown) => ({ node, reason: reasonOf(error) }),
      ),
    ),
  );
  return {
    heard: answers.flatMap((answer) => ('answer' in answer ? [answer.answer] : [])),
    unheard: answers.filter((answer) => 'reason' in answer),
  };
};

/** Who of those that may have acknowledged a write answers at all. Changes nothing. */
export const hearReplicas = async (group: GroupContext): Promise<Hearing<MariadbProcess>> => {
  const { heard, unheard } = await hear(followersOf(group), async (node) => {
    if (node.pid() === undefined) throw new LocalStackError('node_silent', `${node.name} does not run`);
    if (!group.isReachable(node)) throw new LocalStackError('node_silent', `${node.name} is cut off from everybody`);
    // Not merely SELECT 1: a replica that cannot write its relay log, because its disk is full, answers that.
    await node.ask(readReplicaState, PROBE_MS);
    return node;
  });
  const withheld = excludedOf(group).flatMap((node) => {
    const exclusion = group.roles.exclusionOf(node.name);
    return exclusion?.mayHoldMore === true ? [{ node, reason: `${node.name} is left out: ${exclusion.reason}` }] : [];
  });
  return { heard, unheard: [...unheard, ...withheld] };
};

/** Lets the replicas receive no more, and reads what each of them has. */
export const fenceReplicas = async (replicas: readonly MariadbProcess[]): Promise<Hearing<Candidate>> =>
  hear(replicas, async (node) => {
    const history = await node.ask(async (connection) => {
      await stopReceiving(connection);
      return readHistory(node, connection);
    }, STOP_RECEIVING_MS);
    const stray = strayOf(history).map(gtidText);
    if (stray.length === 0) return { node, history };
    throw new LocalStackError('node_diverged', `${node.name} was written to, past its primary: ${stray.join(', ')}`);
  });

/** Executes everything that a replica has received, whether its executing thread runs or not. */
const executeAll = async (
  { clock, closing, onProgress }: GroupContext,
  { node, history }: Candidate,
): Promise<void> => {
  const wanted = everythingOf(history);
  await node.ask(async (connection) => {
    const state = (await rowsOf(connection, 'SHOW SLAVE STATUS'))[0];
    if (state?.['Slave_SQL_Running'] !== 'Yes') {
      // With GTIDs the thread would throw the relay log away: here it is executed by its positions.
      await executeRelayLog(clock, node.name, connection, node.dataFolder, closing, onProgress);
    }
    const problem = await awaitExecuted(node.name, connection, wanted, { clock, signal: closing, onProgress });
    if (problem === undefined) return;
    throw new LocalStackError('replication_broken', `${node.name} cannot execute what it has received: ${problem}`);
  }, EXECUTE_MS_MAX);
};

/** What the replicas have once everything received is executed. */
export type Executed = {
  /** The most advanced first. */
  readonly ready: readonly Candidate[];
  /** Those that could not execute what they had, though another has all of it. */
  readonly stuck: readonly Unheard[];
  /** Those that have received more than every other and cannot execute it. */
  readonly unheard: readonly Unheard[];
};

/** Executes everything that was received on all candidates, side by side. */
export const executeOnAll = async (group: GroupContext, candidates: readonly Candidate[]): Promise<Executed> => {
  const histories = new Map(candidates.map(({ node, history }) => [node.name, history]));
  const { heard, unheard } = await hear(
    candidates.map(({ node }) => node),
    async (node) => {
      const history = histories.get(node.name);
      if (history === undefined) throw new Error(`${node.name} is no candidate`);
      await executeAll(group, { node, history });
      return { node, history: await node.ask((connection) => readHistory(node, connection)) };
    },
  );
  const ready = heard.toSorted((one, other) => Number(advanceOf(other.history, one.history)));
  const [best] = ready;
  const hasMore = ({ node }: Unheard): boolean => {
    const history = histories.get(node.name);
    return history !== undefined && (best === undefined || advanceOf(history, best.history) > 0n);
  };
  return { ready, stuck: unheard.filter((one) => !hasMore(one)), unheard: unheard.filter(hasMore) };
};
