import { channelTargets, LogConfig, RedisConfig, ServerConfig, target, z } from '@tillmesh/config';
import { parseChannelId } from '@tillmesh/domain';
import { RateLimits } from './rate-limits-config.ts';

export const CashierConfig = z.strictObject({
  server: ServerConfig,
  logLevel: LogConfig,
  orderStore: z.strictObject({ target: target('the order store') }),
  routing: z.strictObject({
    target: target('routing'),
    snapshotFile: z
      .string()
      .min(1)
      .optional()
      .describe(
        'Absolute path of a file that keeps the last routing table, so that the cashier can start while routing is down.',
      ),
  }),
  channels: channelTargets(parseChannelId),
  redis: RedisConfig.optional().describe(
    'Where what is unresolved waits for the syncer. Without it the sweep finds it, later.',
  ),
  rateLimits: RateLimits,
  notifyBaseUrl: z
    .string()
    .regex(/^https?:\/\/[^?#]+[^/?#]$/, 'is not an http(s) address without query and without a slash at its end')
    .max(120)
    .optional()
    .describe('Address of the edge as the channels reach it. Without it channels send no notifications.'),
});
export type CashierConfig = z.output<typeof CashierConfig>;
