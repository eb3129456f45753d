import { LogConfig, RedisConfig, ServerConfig, z } from '@tillmesh/config';
import { ListStoreConfig } from '@tillmesh/merchant-lists';
import { OrderReadersConfig } from '@tillmesh/order-groups';

export const ProjectorConfig = z.strictObject({
  server: ServerConfig,
  logLevel: LogConfig,
  orders: OrderReadersConfig,
  store: ListStoreConfig,
  redis: RedisConfig.describe('Carries the changes to whoever applies them. Lists fall behind while it is away.'),
  everyMs: z.int().min(5).max(10_000).default(50).describe('Between looks at a group that had nothing new.'),
  changesMax: z.int().min(1).max(1_000).default(500).describe('Changes that are read and applied together.'),
  saveEveryMs: z.int().min(10).max(10_000).default(250).describe('Between savings of how far a group was followed.'),
  jobsMax: z.int().min(1).max(100).default(6).describe('Jobs that this instance does at once.'),
  doneMsMax: z
    .int()
    .min(500)
    .max(60_000)
    .default(4_000)
    .describe('After this, jobs that nobody has done are given again.'),
});
export type ProjectorConfig = z.output<typeof ProjectorConfig>;
