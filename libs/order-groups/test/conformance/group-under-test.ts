import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@tillmesh/clock';
import { type Accounts, type LocalNode, startLocalStack } from '@tillmesh/local-stack';
import { expect } from 'vitest';
import { serverUnderTest } from '../server-under-test.ts';
import { administer, eventually, isReceiving, readSemiSync, type SemiSync, see, serverWords } from './node-control.ts';
import { openSession, type Session } from './sessions.ts';

/** One group of a primary and two replicas, and ways to bring it into every situation. */
export type GroupUnderTest = {
  readonly primary: LocalNode;
  readonly replicas: readonly [LocalNode, LocalNode];
  readonly accounts: Accounts;
  /** A client's session; `app` at the primary unless told. They end with the group. */
  open(node?: LocalNode, account?: keyof Accounts): Promise<Session>;
  semiSync(): Promise<SemiSync>;
  /** Waits until so many sessions wait for an acknowledgement. */
  untilWaiting(count: number): Promise<void>;
  /** Runs `work` while both replicas receive nothing and so acknowledge nothing. Afterwards both are attached again. */
  withoutReplicas<T>(work: () => Promise<T>): Promise<T>;
  /** Lets both replicas receive again. */
  attach(): Promise<void>;
  /** Runs `work` while both replicas receive and acknowledge, and execute nothing. */
  withoutExecution<T>(work: () => Promise<T>): Promise<T>;
  /** Waits until the nodes' answers to the query are this. */
  untilAllSee(sql: string, expected: string | undefined, nodes?: readonly LocalNode[]): Promise<void>;
  close(): Promise<void>;
};

/**
 * Starts a group of the server under test.
 *
 * @param tables the statements that make the schema, run by the account for schema changes and waited for on all nodes.
 */
export const startGroupUnderTest = async (...tables: readonly string[]): Promise<GroupUnderTest> => {
  const folder = mkdtempSync(join(tmpdir(), 'tillmesh-facts-'));
  const stack = await startLocalStack({
    folder,
    groupTags: [1],
    redis: false,
    server: serverUnderTest,
    clock: systemClock,
  });
  const [primary, first, second] = stack.groups[0]?.nodes ?? [];
  if (primary === undefined || first === undefined || second === undefined) throw new Error('a group has three nodes');
  const replicas = [first, second] as const;
  const sessions: Session[] = [];

  const open: GroupUnderTest['open'] = async (node = primary, account = 'app') => {
    const session = await openSession(node, stack.accounts[account]);
    sessions.push(session);
    return session;
  };
  const semiSync = () => readSemiSync(primary);
  const onReplicas = (statement: string) => Promise.all(replicas.map((replica) => administer(replica, statement)));
  const attach = async () => {
    await onReplicas('START REPLICA IO_THREAD');
    await eventually(async () => {
      expect(await Promise.all(replicas.map(isReceiving))).toEqual([true, true]);
      expect(await semiSync()).toMatchObject({ on: true, waiting: 0 });
    });
  };
  const untilAllSee: GroupUnderTest['untilAllSee'] = async (sql, expected, nodes = [primary, ...replicas]) => {
    for (const node of nodes) await eventually(async () => expect(await see(node, sql)).toBe(expected));
  };

  const close = async () => {
    for (const session of sessions) session.cut();
    await stack.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const schema = await open(primary, 'migrate');
    for (const table of tables) await schema.write(table);
    const position = await see(primary, `SELECT ${serverWords.position}`);
    await untilAllSee(`SELECT ${serverWords.position}`, position);
  } catch (error) {
    await close();
    throw error;
  }

  return {
    primary,
    replicas,
    accounts: stack.accounts,
    open,
    semiSync,
    untilWaiting: (count) => eventually(async () => expect((await semiSync()).waiting).toBe(count)),
    withoutReplicas: async (work) => {
      await onReplicas('STOP REPLICA IO_THREAD');
      try {
        return await work();
      } finally {
        await attach();
      }
    },
    attach,
    withoutExecution: async (work) => {
      await onReplicas('STOP REPLICA SQL_THREAD');
      try {
        return await work();
      } finally {
        await onReplicas('START REPLICA SQL_THREAD');
      }
    },
    untilAllSee,
    close,
  };
};
