import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@tillmesh/clock';
import { groupTag } from '@tillmesh/domain';
import { type LocalStack, startLocalStack } from '@tillmesh/local-stack';
import { createLog } from '@tillmesh/telemetry';
import { createOrderGroups, type GroupMap, migrateGroup, type OrderGroups } from '../src/index.ts';

export type GroupsUnderTest = {
  readonly stack: LocalStack;
  readonly map: GroupMap;
  /** Another instance on the same groups. */
  open(workerId: number): Promise<OrderGroups>;
  close(): Promise<void>;
};

/** Starts real groups in a folder of their own, with the schema in place. */
export const startGroups = async (groupTags: readonly number[]): Promise<GroupsUnderTest> => {
  const folder = mkdtempSync(join(tmpdir(), 'tillmesh-groups-'));
  const stack = await startLocalStack({ folder, groupTags, redis: false, clock: systemClock });
  const map: GroupMap = {
    version: 1,
    groups: stack.groups.map((group) => ({
      tag: groupTag(group.tag),
      state: 'open',
      endpoints: group.nodes.map(({ host, port }) => ({ host, port })),
    })),
  };
  const { migrate, app } = stack.accounts;
  const account = { user: migrate.user, password: migrate.password.reveal(), database: 'tillmesh' };
  await Promise.all(map.groups.map((group) => migrateGroup({ group, account, clock: systemClock })));
  const opened: OrderGroups[] = [];
  return {
    stack,
    map,
    open: async (workerId) => {
      const groups = createOrderGroups({
        config: {
          map,
          user: app.user,
          password: app.password,
          database: 'tillmesh',
          workerId,
          connectionsMax: 16,
          idleMin: 3,
          waitersMax: 200,
          waitMsMax: 200,
          statementMsMax: 1_000,
          homeMsMax: 450,
          failuresToOpen: 3,
          monitorEveryMs: 200,
        },
        clock: systemClock,
        log: createLog('test', 'silent'),
      });
      opened.push(groups);
      await groups.look();
      return groups;
    },
    close: async () => {
      for (const groups of opened) groups.close();
      await stack.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
};
