import { LogConfig, port, ServerConfig, target, z } from '@tillmesh/config';

export const WatchConfig = z.strictObject({
  server: ServerConfig.describe('Where the gRPC health service listens.'),
  logLevel: LogConfig,
  http: z
    .strictObject({
      host: z
        .string()
        .min(1)
        .default('127.0.0.1')
        .describe('Address to listen on for browsers. The page asks for no password: keep it on loopback.'),
      port: port.describe('Port of the page and of its streams.'),
      names: z
        .array(z.string().min(1).max(253))
        .max(16)
        .default([])
        .describe('Host names under which browsers call the page, beside addresses and localhost; others are refused.'),
      clientsMax: z
        .int()
        .min(1)
        .max(1_000)
        .default(64)
        .describe('Streams that are followed at once; more are answered with 503.'),
    })
    .describe('Where the live page is served.'),
  processes: z
    .array(
      z.strictObject({
        service: z.string().min(1).max(64).describe('The name under which its lanes are shown.'),
        target: target('LaneService of the process'),
      }),
    )
    .max(256)
    .describe(
      'Every process whose lanes are shown: service and target. A service may be listed several times, and a target may name several processes. Read again when the file changes.',
    ),
});
