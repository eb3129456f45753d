import { type Candidate, executeOnAll, type Unheard } from './candidates.ts';
import type { Fence } from './fence.ts';
import { excludedOf, type GroupContext } from './group-context.ts';
import type { Exclusion } from './group-roles.ts';
import { divergenceOf, gtidText, type NodeHistory } from './gtid-history.ts';
import { LocalStackError } from './local-stack-error.ts';
import type { MariadbProcess } from './mariadb-node.ts';
import { readHistory } from './primary-change.ts';

/** The node that was the primary, and how it was kept from taking writes. */
export type Former = { readonly node: MariadbProcess; readonly fence: Fence };

/** Who becomes the primary, who follows, and who does not. */
export type Choice = {
  readonly chosen: MariadbProcess;
  readonly others: readonly MariadbProcess[];
  /** Replicas that could not execute what they had; the chosen one has all of it. */
  readonly stuck: readonly Unheard[];
  /** Replicas that could not execute what nobody else has; only when loss is accepted. */
  readonly unheard: readonly Unheard[];
};

/**
 * Refuses when somebody was not heard who may hold what nobody else has.
 *
 * @throws {LocalStackError} `node_silent`, naming each with its reason.
 */
export const demandHeard = (unheard: readonly Unheard[], heard: number, acceptLoss: boolean): void => {
  if (heard > 0 && (unheard.length === 0 || acceptLoss)) return;
  const reasons = unheard.map(({ reason }) => reason).join('; ') || 'all replicas are left out';
  const advice =
    heard === 0
      ? 'No replica is left that could be promoted.'
      : 'It may hold acknowledged writes that no other replica has: start it, or promote({ acceptLoss: true }).';
  throw new LocalStackError('node_silent', `not promoted: ${reasons}. ${advice}`);
};

const demandSameHistory = (node: NodeHistory, from: NodeHistory): void => {
  const own = divergenceOf(node, from).map(gtidText);
  if (own.length === 0) return;
  const what = `${node.name} has transactions up to ${own.join(', ')}, which ${from.name} has not`;
  throw new LocalStackError(
    'node_diverged',
    `not promoted: ${what}. Find out which is right, and rebuild() the other.`,
  );
};

/**
 * Lets the candidates execute what they have received and chooses the most advanced.
 *
 * @throws {LocalStackError} `node_diverged` when their histories differ, `node_silent` when one that has received more
 *   than all others cannot execute it and loss is not accepted.
 */
export const choosePrimary = async (
  group: GroupContext,
  former: Former,
  candidates: readonly Candidate[],
  acceptLoss: boolean,
): Promise<Choice> => {
  const { ready, stuck, unheard } = await executeOnAll(group, candidates);
  demandHeard(unheard, ready.length, acceptLoss);
  const [chosen, ...others] = ready;
  if (chosen === undefined) throw new Error('nobody was heard, and nobody noticed');
  for (const { history } of others) demandSameHistory(history, chosen.history);
  if (former.fence === 'read_only') {
    const { node } = former;
    demandSameHistory(chosen.history, await node.ask((connection) => readHistory(node, connection)));
  }
  return { chosen: chosen.node, others: others.map(({ node }) => node), stuck, unheard };
};

const REASONS: Readonly<Record<Fence, string>> = {
  down: 'it was the primary and was down when another took its place',
  silent: 'it was the primary and did not answer when another took its place',
  holds_writes: 'it was the primary and holds writes that no replica has acknowledged',
  read_only: 'it was the primary until another took its place',
};

/** Who is left out after a promotion. Whoever could hold more was heard, or its loss was accepted. */
export const exclusionsAfter = (
  group: GroupContext,
  former: Former,
  leftOut: readonly Unheard[],
): ReadonlyMap<string, Exclusion> => {
  const before = excludedOf(group).map(({ name }) => [name, group.roles.exclusionOf(name)?.reason ?? ''] as const);
  const now = leftOut.map(({ node, reason }) => [node.name, reason] as const);
  const all = [...before, ...now, [former.node.name, REASONS[former.fence]] as const];
  return new Map(all.map(([name, reason]) => [name, { reason, mayHoldMore: false }]));
};
