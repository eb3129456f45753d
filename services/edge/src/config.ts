import { channelTargets, LogConfig, port, ServerConfig, target, z } from '@tillmesh/config';
import { parseChannelId } from '@tillmesh/domain';

export const EdgeConfig = z.strictObject({
  server: ServerConfig.describe('Where the gRPC health service listens.'),
  logLevel: LogConfig,
  http: z
    .strictObject({
      host: z.string().min(1).default('127.0.0.1').describe('Address to listen on for channels.'),
      port: port.describe('Port for channels.'),
      bodyBytesMax: z.int().min(1_024).max(131_072).default(131_072).describe('Larger notifications are refused.'),
      requestsMax: z
        .int()
        .min(1)
        .max(10_000)
        .default(256)
        .describe('Notifications under way at once; more are answered with 503.'),
    })
    .describe('Where channels send their notifications.'),
  orderStore: z.strictObject({ target: target('the order store') }),
  channels: channelTargets(parseChannelId),
  oneCode: z
    .strictObject({
      cashier: target('the cashier'),
      publicUrl: z
        .string()
        .regex(
          /^https?:\/\/[0-9A-Za-z.:-]+(?:\/[0-9A-Za-z_-]+)+$/,
          'is not an http(s) address with a path and without a slash at its end',
        )
        .max(33)
        .describe("What the cashier's oneCode.baseUrl says: payers' browsers come there."),
      clientIpHeader: z
        .string()
        .regex(/^[a-z0-9-]{1,40}$/)
        .optional()
        .describe(
          'Where a trusted proxy in front says the payer’s address, such as x-real-ip. Without it the connection’s own counts.',
        ),
    })
    .optional()
    .describe('Pages of one-code QRs. Without it the edge has none.'),
});
export type EdgeConfig = z.output<typeof EdgeConfig>;
