import { LogConfig, ServerConfig, z } from '@tillmesh/config';
import { GroupAdministrationConfig, OrderGroupsConfig, RowKeysConfig } from '@tillmesh/order-groups';

export const OrderStoreConfig = z.strictObject({
  server: ServerConfig,
  logLevel: LogConfig,
  orders: OrderGroupsConfig,
});

/** What `migrate-main.ts` needs: the same map, and the account that may change the schema. */
export const MigrateConfig = z.strictObject({
  logLevel: LogConfig,
  orders: GroupAdministrationConfig,
});

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
