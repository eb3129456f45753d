import { systemClock } from '@tillmesh/clock';
import { loadConfig } from '@tillmesh/config';
import { migrateGroup } from '@tillmesh/order-groups';
import { createLog } from '@tillmesh/telemetry';
import { MigrateConfig } from './config.ts';

// Brings every group to the latest schema, then ends. All groups come first, the new version of the services after.
try {
  const { orders, logLevel } = loadConfig(MigrateConfig, process.env);
  const log = createLog('order-store-migrate', logLevel);
  const account = { user: orders.user, password: orders.password.reveal(), database: orders.database };
  for (const group of orders.map.groups) {
    const report = await migrateGroup({ group, account, clock: systemClock });
    log.info(report, 'group migrated');
  }
} catch (error) {
  process.stderr.write(
    `the schema could not be brought up to date: ${error instanceof Error ? error.message : String(error)}\n`,
  );
  process.exitCode = 1;
}
