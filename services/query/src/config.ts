import { LogConfig, ServerConfig, z } from '@tillmesh/config';
import { OrderGroupsConfig } from '@tillmesh/order-groups';

export const QueryConfig = z.strictObject({
  server: ServerConfig,
  logLevel: LogConfig,
  orders: OrderGroupsConfig.describe('The order groups; an account with SELECT alone is enough.'),
});
