import { systemClock } from '@tillmesh/clock';
import { loadConfig } from '@tillmesh/config';
import { openRowKeys, rotateRowKeys } from '@tillmesh/order-groups';
import { createLog } from '@tillmesh/telemetry';
import { RotateKeysConfig } from './config.ts';

// Writes every row with the present key, group by group, then says which older keys no row needs any more. Run again after any end.
const PROGRESS_EVERY_MS = 5_000;

try {
  const { orders, rowKeys, rowsPerSecondMax, logLevel } = loadConfig(RotateKeysConfig, process.env);
  const log = createLog('order-store-rotate-keys', logLevel);
  const account = { user: orders.user, password: orders.password.reveal(), database: orders.database };
  const keys = openRowKeys(rowKeys);
  const inUse = new Set<number>();
  let shownAtMs = systemClock.monotonicMs();
  for (const group of orders.map.groups.filter(({ state }) => state !== 'retired')) {
    const report = await rotateRowKeys({
      group,
      account,
      keys,
      rowsPerSecondMax,
      clock: systemClock,
      onProgress: (progress) => {
        if (systemClock.monotonicMs() - shownAtMs < PROGRESS_EVERY_MS) return;
        shownAtMs = systemClock.monotonicMs();
        log.info(progress, 'rotating');
      },
    });
    const { olderKeys, ...numbers } = report;
    log.info({ ...numbers, olderKeys: Object.fromEntries(olderKeys) }, 'group rotated');
    for (const row of report.tampered)
      log.error({ group: group.tag, row }, 'a row does not fit its key; it was left as it is');
    for (const id of olderKeys.keys()) inUse.add(id);
  }
  const free = keys.ids().filter((id) => id !== keys.current.id && !inUse.has(id));
  if (free.length > 0) log.info({ keys: free }, 'no row uses these keys any more: their files may be removed');
  if (inUse.size > 0) {
    log.error(
      { keys: [...inUse] },
      'rows still use these keys: keep them, look at the rows named above, and run this again',
    );
    process.exitCode = 2;
  }
} catch (error) {
  process.stderr.write(`the keys could not be rotated: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
