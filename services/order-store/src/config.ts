import { LogConfig, ServerConfig, z } from '@tillmesh/config';
import { GroupAdministrationConfig, OrderGroupsConfig } from '@tillmesh/order-groups';

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
