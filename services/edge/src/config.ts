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
});
export type EdgeConfig = z.output<typeof EdgeConfig>;
