import { systemClock } from '@tillmesh/clock';
import { loadConfig } from '@tillmesh/config';
import { migrateGroups } from '@tillmesh/order-groups';
import { createLog } from '@tillmesh/telemetry';
import { AdministrationConfig } from './config.ts';

// Brings every group to the latest schema, makes the partitions of the days to come and drops those whose time is over, then ends; to be
// run every day. A group that is down does not keep the others from theirs. All groups come first, the new version of the services after.
try {
  const { orders, retentionDays, logLevel } = loadConfig(AdministrationConfig, process.env);
  const log = createLog('order-store-migrate', logLevel);
  await migrateGroups({
    groups: orders.map.groups.filter(({ state }) => state !== 'retired'),
    account: { user: orders.user, password: orders.password.reveal(), database: orders.database },
    retentionDays,
    clock: systemClock,
    onDone: (report) => {
      log.info(report, 'group migrated');
      const held = report.retention?.held;
      if (held !== undefined)
        log.warn({ group: report.tag, ...held }, 'a day stays beyond its time: some of it is still open');
    },
    onFailed: (group, error) => {
      log.error({ err: error, group: group.tag }, 'the group was not migrated; run this again when it is back');
      process.exitCode = 1;
    },
  });
} catch (error) {
  process.stderr.write(
    `the schema could not be brought up to date: ${error instanceof Error ? error.message : String(error)}\n`,
  );
  process.exitCode = 1;
}
