import { run } from './administrator.ts';
import { fenceReplicas, hearReplicas, type Unheard } from './candidates.ts';
import { EXECUTE_MS_MAX, executeRelayLog } from './execute-relay-log.ts';
import { type Fence, fencePrimary, unfencePrimary } from './fence.ts';
import { attached, follow } from './following.ts';
import { type GroupContext, primaryOf } from './group-context.ts';
import { LocalStackError } from './local-stack-error.ts';
import type { MariadbProcess } from './mariadb-node.ts';
import { ceaseToBeReplica, receiveAgain } from './primary-change.ts';
import { type Choice, choosePrimary, demandHeard, exclusionsAfter, type Former } from './promotion-choice.ts';
import { rejoin } from './rejoin.ts';
import { openGroup } from './start-node.ts';
import { createStepWatch, type Step, type StepWatch } from './step-watch.ts';

export type PromotionOptions = {
  /**
   * Goes on although a replica cannot say what it has acknowledged. It is ended and left out; writes that only it and the
   * old primary have are lost.
   */
  readonly acceptLoss?: boolean;
};

/** What a promotion did. Nodes are told by their names. */
export type Promotion = {
  readonly primary: string;
  readonly formerPrimary: {
    readonly name: string;
    /**
     * `follows`: it answered, took no more writes and follows the new primary. Everything else is left out of the group
     * until start() finds that it can follow, or rebuild() makes it anew. `read_only`: it takes no writes, but could not
     * follow. `holds_writes`: it answers and has writes that wait for an acknowledgement which never comes. `silent`: it
     * runs and does not answer. `down`: it does not run.
     */
    readonly state: 'follows' | Fence;
  };
  /** Who could not be heard; empty unless loss was accepted. What only they had acknowledged is lost. */
  readonly unheard: readonly { readonly name: string; readonly reason: string }[];
  /** From the call until the new primary took writes; undefined when no replica is there: it opens with the first. */
  readonly writableAfterMs: number | undefined;
  readonly tookMs: number;
  readonly steps: readonly Step[];
};

// Far more than connecting takes; whoever is cut off is not waited for.
const ATTACH_MS = 5_000;

/**
 * Attaches a replica that has received no more than the new primary has; false when it does not follow now. It stays a
 * replica, also if its threads have ended: it may have acknowledged a write before, so the next promotion has to ask it.
 */
const attach = async (group: GroupContext, node: MariadbProcess): Promise<boolean> => {
  try {
    await node.ask((connection) => run(connection, 'STOP SLAVE'));
    await follow(group, node);
    await attached(group, node, group.closing, ATTACH_MS);
    return true;
  } catch (error) {
    if (!(error instanceof LocalStackError)) throw error;
    group.onProgress(`${node.name} does not follow the new primary yet: ${error.message}`);
    return false;
  }
};

// It is a replica as soon as it may follow; when it gets connected may depend on a network that is cut.
const FOLLOW_MS = 3_000;

/** Lets the old primary follow the new one; false when it has to stay out. */
const followAgain = async (group: GroupContext, former: MariadbProcess): Promise<boolean> => {
  try {
    await rejoin(group, former, { attachWithinMs: FOLLOW_MS });
  } catch (error) {
    if (!(error instanceof LocalStackError)) throw error;
    group.onProgress(`${former.name} does not follow the new primary yet: ${error.message}`);
  }
  return group.roles.exclusionOf(former.name) === undefined;
};

/** Lets a replica receive again; one whose executing thread has ended first executes what it has. */
const receive = async ({ clock, closing, onProgress }: GroupContext, node: MariadbProcess): Promise<void> => {
  if (await node.ask(receiveAgain)) return;
  await node.ask(async (connection) => {
    await executeRelayLog(clock, node.name, connection, node.dataFolder, closing, onProgress);
    await run(connection, 'START SLAVE');
  }, EXECUTE_MS_MAX);
};

/** Puts back what was fenced, as far as it still answers: the group is then as it was before the call. */
const restore = async (group: GroupContext, former: Former, replicas: readonly MariadbProcess[]): Promise<void> => {
  const works = [...replicas.map((node) => receive(group, node)), unfencePrimary(group, former.node, former.fence)];
  for (const outcome of await Promise.allSettled(works)) {
    if (outcome.status === 'fulfilled') continue;
    const { reason } = outcome as { reason: unknown };
    const why = reason instanceof Error ? reason.message : String(reason);
    group.onProgress(`group ${group.tag} is not as it was before a promotion that was given up: ${why}`);
  }
};

type Decision = Choice & { readonly former: Former; readonly notHeard: readonly Unheard[] };

/** Fences, chooses and notes who is primary from now on; puts everything back when it fails before that. */
const decide = async (group: GroupContext, acceptLoss: boolean, watch: StepWatch): Promise<Decision> => {
  const node = primaryOf(group);
  const asked = await watch.step('ask the replicas', () => hearReplicas(group));
  demandHeard(asked.unheard, asked.heard.length, acceptLoss);
  const former: Former = { node, fence: await watch.step('fence the old primary', () => fencePrimary(group, node)) };
  try {
    const fenced = await watch.step('fence the replicas', () => fenceReplicas(asked.heard));
    demandHeard(fenced.unheard, fenced.heard.length, acceptLoss);
    const choice = await watch.step('execute what was received', () =>
      choosePrimary(group, former, fenced.heard, acceptLoss),
    );
    const notHeard = [...asked.unheard, ...fenced.unheard, ...choice.unheard];
    // One that could not be told to stop would go on acknowledging to the old primary as soon as it wakes.
    await watch.step('end who was not heard', () => Promise.all(notHeard.map((one) => one.node.kill('SIGKILL'))));
    group.roles.appoint(choice.chosen.name, exclusionsAfter(group, former, [...notHeard, ...choice.stuck]));
    return { ...choice, former, notHeard };
  } catch (error) {
    await restore(group, former, asked.heard);
    throw error;
  }
};

/** Lets the chosen node take writes; tells when it did, and whether the old primary follows it. */
const carryOut = async (
  group: GroupContext,
  { chosen, others, former }: Decision,
  watch: StepWatch,
): Promise<{ readonly writableAfterMs: number | undefined; readonly follows: boolean }> => {
  group.primaryWaits = true;
  await watch.step('end replication on the new primary', () => chosen.ask(ceaseToBeReplica));
  const attaching = () => Promise.all(others.map((other) => attach(group, other)));
  const attachedAny = (await watch.step('attach the other replica', attaching)).includes(true);
  const mayFollow = former.fence === 'read_only';
  const comeBack = () => watch.step('let the old primary follow', () => followAgain(group, former.node));
  // With nobody else there its acknowledgement is needed, otherwise it can wait.
  const followsFirst = mayFollow && !attachedAny && (await comeBack());
  if (!attachedAny && !followsFirst) return { writableAfterMs: undefined, follows: false };
  await watch.step('open the new primary', () => openGroup(group, group.closing));
  const writableAfterMs = watch.tookMs();
  return { writableAfterMs, follows: followsFirst || (mayFollow && (await comeBack())) };
};

/**
 * Makes the most advanced replica of a group its primary, without losing a write that was acknowledged.
 *
 * 1. Asks both replicas whether they answer. A write was acknowledged by any one of them: without one nobody knows.
 * 2. Fences: the old primary, if it answers, takes no more writes; both replicas receive no more, so that nothing can be
 *    acknowledged to the old primary, whether it answers or not.
 * 3. Takes the replica that has received most, lets both execute everything they have received, and compares histories.
 * 4. Notes on the disk who is primary. Until here nothing is final: a failure puts everything back.
 * 5. Attaches the other replica, turns semi-sync on and then read_only off.
 * 6. Lets the old primary follow, if it was made read-only and has nothing of its own.
 *
 * @throws {LocalStackError} `node_silent` when a replica cannot be heard and loss is not accepted; `node_diverged` when
 *   histories differ; `replication_broken` when the new primary finds no replica within 20 s (it opens with the first).
 */
export const promote = async (
  group: GroupContext,
  { acceptLoss = false }: PromotionOptions = {},
): Promise<Promotion> => {
  const watch = createStepWatch(group.clock);
  const decision = await decide(group, acceptLoss, watch);
  const { writableAfterMs, follows } = await carryOut(group, decision, watch);
  const { chosen, former, notHeard } = decision;
  return {
    primary: chosen.name,
    formerPrimary: { name: former.node.name, state: follows ? 'follows' : former.fence },
    unheard: notHeard.map(({ node, reason }) => ({ name: node.name, reason })),
    writableAfterMs,
    tookMs: watch.tookMs(),
    steps: watch.steps(),
  };
};
