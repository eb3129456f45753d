import { type Clock, repeat } from '@tillmesh/clock';
import { gauge, type Log, withoutSpans } from '@tillmesh/telemetry';
import { type Account, openConnection } from './connection.ts';
import { DatabaseError } from './database-error.ts';
import { anyDialect, type NodeFacts } from './dialect.ts';
import type { Endpoint, GroupMap } from './group-map.ts';
import { type Finding, findingsOf, lackingGrants, partitionFindings } from './node-safety.ts';
import { daysAhead, partitionedDays } from './partitions.ts';

/** A finding with the server that it is about. */
export type NodeFinding = Finding & { readonly node: string };

/** Tells when something about a database server is not as it has to be, and when it is again. */
export type SafetyWatch = {
  /** Looks at every server once, and resolves with what is wrong now; servers that do not answer are left as they were. */
  look(): Promise<readonly NodeFinding[]>;
};

const found = gauge('tillmesh_node_findings', '1 while a database server is not as it has to be, by what is wrong.', [
  'node',
  'finding',
]);

/** Settings change when a person changes them; what loses orders is looked at with every look at a group as well. */
const LOOK_EVERY_MS = 10_000;

/** A replica's semi-sync is off and has no clients: that is its primary's matter. */
const OF_PRIMARIES: ReadonlySet<string> = new Set(['semi_sync_off', 'no_replica', 'unacknowledged']);

/** What is wrong with a server, whatever its part in the group: a replica may be the primary in a moment. */
export const findingsAt = (before: NodeFacts | undefined, now: NodeFacts): readonly Finding[] =>
  now.readOnly
    ? findingsOf(before, now)
        .filter(({ code }) => !OF_PRIMARIES.has(code))
        .map((finding) => ({ ...finding, weight: 'warning' }))
    : findingsOf(before, now);

/**
 * Watches the settings and grants of every server on the map until the signal. A connection of its own each time: privileges that were
 * taken away stay with connections that are open.
 */
export const watchSafety = (options: {
  readonly map: () => GroupMap;
  readonly account: Account;
  readonly isWriter: boolean;
  readonly statementMsMax: number;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly log: Log;
}): SafetyWatch => {
  const { map, account, isWriter, statementMsMax, signal, clock, log } = options;
  const facts = new Map<string, NodeFacts>();
  const known = new Map<string, ReadonlyMap<string, NodeFinding>>();

  const ask = async (
    endpoint: Endpoint,
  ): Promise<{ readonly facts: NodeFacts; readonly ahead: number } | undefined> => {
    const deadline = { atMs: clock.monotonicMs() + statementMsMax };
    try {
      const connection = await openConnection(endpoint, account, deadline, clock);
      try {
        const now = await anyDialect.factsOf(connection, deadline);
        return { facts: now, ahead: daysAhead(await partitionedDays(connection, deadline), clock.nowMs()) };
      } finally {
        connection.cut();
      }
    } catch (error) {
      // Whoever looks at the group tells that a server is away.
      if (error instanceof DatabaseError) return undefined;
      throw error;
    }
  };

  const tell = (node: string, now: ReadonlyMap<string, NodeFinding>): void => {
    const before = known.get(node) ?? new Map<string, NodeFinding>();
    for (const [code, finding] of now) {
      found.set({ node, finding: code }, 1);
      if (before.get(code)?.what === finding.what && before.get(code)?.weight === finding.weight) continue;
      const { weight, what, advice } = finding;
      log[weight === 'unsafe' ? 'error' : 'warn']({ node, finding: code, advice }, what);
    }
    for (const [code, { what }] of before) {
      if (now.has(code)) continue;
      found.set({ node, finding: code }, 0);
      log.info({ node, finding: code }, `no more: ${what}`);
    }
    known.set(node, now);
  };

  const lookAt = async (endpoint: Endpoint): Promise<void> => {
    const node = `${endpoint.host}:${endpoint.port}`;
    const now = await ask(endpoint);
    if (now === undefined) return;
    const findings = [
      ...findingsAt(facts.get(node), now.facts),
      ...lackingGrants(now.facts, account.database, isWriter),
      // A replica executes what its primary has done; how far it is behind is told elsewhere.
      ...(now.facts.readOnly ? [] : partitionFindings(now.ahead)),
    ];
    facts.set(node, now.facts);
    tell(node, new Map(findings.map((finding) => [finding.code, { ...finding, node }])));
  };

  const look = async (): Promise<readonly NodeFinding[]> => {
    const groups = map().groups.filter(({ state }) => state !== 'retired');
    await Promise.all(groups.flatMap(({ endpoints }) => endpoints).map(lookAt));
    return [...known.values()].flatMap((findings) => [...findings.values()]);
  };

  repeat({
    clock,
    everyMs: LOOK_EVERY_MS,
    signal,
    task: () => withoutSpans(async () => void (await look())),
    onError: (error) => log.error({ err: error }, 'the settings of the database servers could not be looked at'),
  }).catch((error: unknown) => log.error({ err: error }, 'the settings of the database servers are looked at no more'));

  return { look };
};
