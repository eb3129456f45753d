import { LogConfig, ServerConfig, target, z } from '@tillmesh/config';
import { GroupAdministrationConfig, OrderGroupsConfig } from '@tillmesh/order-groups';

export const OrderStoreConfig = z.strictObject({
  server: ServerConfig,
  logLevel: LogConfig,
  orders: OrderGroupsConfig,
});

/** What `migrate-main.ts` and `groups-main.ts` need: the same map, and the account that may change the schema. */
export const AdministrationConfig = z.strictObject({
  logLevel: LogConfig,
  orders: GroupAdministrationConfig,
  orderStore: z
    .strictObject({ target: target('an order store') })
    .optional()
    .describe('Who changes the group map. Needed for every command of groups-main.ts that changes it.'),
});
export type AdministrationConfig = z.output<typeof AdministrationConfig>;
