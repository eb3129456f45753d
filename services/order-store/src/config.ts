import { AlarmsConfig } from '@tillmesh/alarms';
import { LogConfig, ServerConfig, target, z } from '@tillmesh/config';
import { GroupAdministrationConfig, OrderGroupsConfig, RowKeysConfig } from '@tillmesh/order-groups';

export const OrderStoreConfig = z.strictObject({
  server: ServerConfig,
  logLevel: LogConfig,
  orders: OrderGroupsConfig,
  alarms: AlarmsConfig.optional(),
});

/** What `migrate-main.ts` and `groups-main.ts` need: the same map, and the account that may change the schema. */
export const AdministrationConfig = z.strictObject({
  logLevel: LogConfig,
  orders: GroupAdministrationConfig,
  retentionDays: z
    .int()
    .min(7)
    .max(3_650)
    .optional()
    .describe(
      'Days whose orders are kept before today; longer than refunds, bills and repeats of numbers may come. Without it all are kept.',
    ),
  orderStore: z
    .strictObject({ target: target('an order store') })
    .optional()
    .describe('Who changes the group map. Needed for every command of groups-main.ts that changes it.'),
});
export type AdministrationConfig = z.output<typeof AdministrationConfig>;

/** What `rotate-keys-main.ts` needs: the order store's own account is enough. */
export const RotateKeysConfig = z.strictObject({
  logLevel: LogConfig,
  orders: GroupAdministrationConfig,
  rowKeys: RowKeysConfig,
  rowsPerSecondMax: z
    .int()
    .min(1)
    .max(100_000)
    .default(500)
    .describe('Rows that are rewritten in a second in a group at most; orders share the primary with it.'),
});
