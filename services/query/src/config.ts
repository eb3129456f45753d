import { LogConfig, ServerConfig, z } from '@tillmesh/config';
import { OrderReadersConfig } from '@tillmesh/order-groups';

export const QueryConfig = z.strictObject({
  server: ServerConfig,
  logLevel: LogConfig,
  orders: OrderReadersConfig,
});
