import { systemClock } from '@tillmesh/clock';
import { loadConfig } from '@tillmesh/config';
import { migrateGroup } from '@tillmesh/order-groups';
import { createLog } from '@tillmesh/telemetry';
import { MigrateConfig } from './config.ts';

// Brings every group to the latest schema, makes the partitions of the days to come and drops those whose time is over, then ends; to be
// run every day. A group that is down does not keep the others from theirs. All groups come first, the new version of the services after.
try {
  const { orders, retentionDays, logLevel } = loadConfig(MigrateConfig, process.env);
  const log = createLog('order-store-migrate', logLevel);
  const account = { user: orders.user, password: orders.password.reveal(), database: orders.database };
  for (const group of orders.map.groups.filter(({ state }) => state !== 'retired')) {
    try {
      const report = await migrateGroup({ group, account, retentionDays, clock: systemClock });
      log.info(report, 'group migrated');
      const held = report.retention?.held;
      if (held !== undefined)
        log.warn({ group: group.tag, ...held }, 'a day stays beyond its time: some of it is still open');
    } catch (error) {
      log.error({ err: error, group: group.tag }, 'the group was not migrated; run this again when it is back');
      process.exitCode = 1;
    }
  }
} catch (error) {
  process.stderr.write(
    `the schema could not be brought up to date: ${error instanceof Error ? error.message : String(error)}\n`,
  );
  process.exitCode = 1;
}
