import { systemClock } from '@tillmesh/clock';
import { loadConfig } from '@tillmesh/config';
import { migrateGroups } from '@tillmesh/order-groups';
import { createLog } from '@tillmesh/telemetry';
import { AdministrationConfig } from './config.ts';

// Brings every group of the configured map to the latest schema, then ends. All groups come first, the new version of the services after.
try {
  const { orders, logLevel } = loadConfig(AdministrationConfig, process.env);
  const log = createLog('order-store-migrate', logLevel);
  const account = { user: orders.user, password: orders.password.reveal(), database: orders.database };
  await migrateGroups({
    groups: orders.map.groups,
    account,
    clock: systemClock,
    onDone: (report) => log.info(report, 'group migrated'),
  });
} catch (error) {
  process.stderr.write(
    `the schema could not be brought up to date: ${error instanceof Error ? error.message : String(error)}\n`,
  );
  process.exitCode = 1;
}
