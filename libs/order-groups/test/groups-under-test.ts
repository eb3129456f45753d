import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@tillmesh/clock';
import { groupTag } from '@tillmesh/domain';
import { type LocalStack, startLocalStack } from '@tillmesh/local-stack';
import { createLog } from '@tillmesh/telemetry';
import {
  createGroupAdministration,
  createOrderGroups,
  type GroupAdministration,
  type GroupMap,
  migrateGroup,
  type OrderGroups,
  type OrderGroupsConfig,
} from '../src/index.ts';
import { testRowKeys } from './row-codec.ts';
import { serverUnderTest } from './server-under-test.ts';

export type GroupsUnderTest = {
  readonly stack: LocalStack;
  readonly map: GroupMap;
  readonly rowKeys: ReturnType<typeof testRowKeys>;
  /** Another instance on the same groups. */
  open(changes?: Partial<OrderGroupsConfig>): Promise<OrderGroups>;
  /** An operator's way to the same groups. */
  administer(): Promise<GroupAdministration>;
  close(): Promise<void>;
};

/** Starts real groups in a folder of their own, with the schema in place. */
export const startGroups = async (groupTags: readonly number[]): Promise<GroupsUnderTest> => {
  const folder = mkdtempSync(join(tmpdir(), 'tillmesh-groups-'));
  const stack = await startLocalStack({
    folder,
    groupTags,
    redis: false,
    server: serverUnderTest,
    clock: systemClock,
  });
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
  const rowKeys = testRowKeys();
  const opened: OrderGroups[] = [];
  const administrations: GroupAdministration[] = [];
  return {
    stack,
    map,
    rowKeys,
    open: async (changes = {}) => {
      const groups = createOrderGroups({
        config: {
          map,
          user: app.user,
          password: app.password,
          database: 'tillmesh',
          rowKeys,
          connectionBudget: { serverMax: 200, reserved: 20, instancesMax: 2, others: 64 },
          idempotencyHours: 24,
          batchRowsMax: 1,
          sweepEveryMs: 500,
          connectionsMax: 16,
          idleMin: 3,
          waitersMax: 200,
          waitMsMax: 200,
          statementMsMax: 1_000,
          homeMsMax: 450,
          failuresToOpen: 3,
          monitorEveryMs: 200,
          ...changes,
        },
        clock: systemClock,
        log: createLog('test', 'silent'),
      });
      opened.push(groups);
      await groups.look();
      return groups;
    },
    administer: async () => {
      const administration = await createGroupAdministration({
        config: { map, user: migrate.user, password: migrate.password, database: 'tillmesh' },
        clock: systemClock,
        log: createLog('test', 'silent'),
      });
      administrations.push(administration);
      return administration;
    },
    close: async () => {
      for (const administration of administrations) administration.close();
      await Promise.all(opened.map((groups) => groups.close()));
      await stack.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
};
