import { channelTargets, LogConfig, RedisConfig, ServerConfig, target, z } from '@tillmesh/config';
import { parseChannelId } from '@tillmesh/domain';
import { RateLimits } from './rate-limits-config.ts';
import { RefundRules } from './refund-rules.ts';

/** With a slash and 12 characters behind it 46: the most that version 4 holds at Q (ISO 18004, table 7, bytes). */
const ONE_CODE_BASE_MAX = 33;

export const CashierConfig = z
  .strictObject({
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
    refundRules: RefundRules,
    oneCode: z
      .strictObject({
        baseUrl: z
          .string()
          .regex(
            /^https?:\/\/[0-9A-Za-z.:-]+(?:\/[0-9A-Za-z_-]+)*$/,
            'is not an http(s) address without query and without a slash at its end',
          )
          .max(ONE_CODE_BASE_MAX)
          .describe(
            'Address of the edge as payers reach it, such as https://pay.example.com/q. A code’s id comes behind it; 33 characters at most, so that the QR code stays of version 4.',
          ),
      })
      .optional()
      .describe('Codes of one address for every wallet. Needs redis, where they wait.'),
    notifyBaseUrl: z
      .string()
      .regex(/^https?:\/\/[^?#]+[^/?#]$/, 'is not an http(s) address without query and without a slash at its end')
      .max(120)
      .optional()
      .describe('Address of the edge as the channels reach it. Without it channels send no notifications.'),
  })
  .refine(({ oneCode, redis }) => oneCode === undefined || redis !== undefined, {
    path: ['oneCode'],
    message: 'needs redis: codes wait there for their payers',
  });
export type CashierConfig = z.output<typeof CashierConfig>;
