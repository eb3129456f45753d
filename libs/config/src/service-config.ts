import { z } from 'zod';
import { secretFile } from './secret.ts';

const HOST = '[0-9A-Za-z.-]+:[0-9]{1,5}';
const IP = '[0-9.]+:[0-9]{1,5}';
const TARGET_FORMS = [
  HOST,
  `dns://(?:${IP})?/${HOST}`,
  `ipv4:${IP}(?:,${IP})*`,
  `kubernetes://(?:${HOST})?/[a-z0-9-]{1,63}\\.[a-z0-9-]{1,63}:[a-z0-9-]{1,15}`,
];

/**
 * Where a neighbour answers: `host:port`; `dns:///name:port` for every address that DNS has, asked for again and again;
 * `kubernetes:///service.namespace:port` by EndpointSlices; `ipv4:a:1,b:2` for a list. See docs/balancing.md.
 */
export const target = (neighbour: string) =>
  z
    .string()
    .regex(
      new RegExp(`^(?:${TARGET_FORMS.join('|')})$`),
      'is not host:port, dns:///host:port, kubernetes:///service.namespace:port or ipv4:a:1,b:2',
    )
    .describe(
      `Where ${neighbour} answers: host:port, dns:///host:port for a headless service, kubernetes:///service.namespace:port by EndpointSlices, or ipv4:a:1,b:2 for a list.`,
    );

/**
 * The adapters of all channels: `channelId` and `target` of each, 1 to 64.
 *
 * @param parseChannelId undefined for a text that is no channel id.
 */
export const channelTargets = (parseChannelId: (text: string) => string | undefined) =>
  z
    .array(
      z.strictObject({
        channelId: z.string().refine((text) => parseChannelId(text) !== undefined, 'is not a channel id'),
        target: target("the channel's adapter"),
      }),
    )
    .min(1)
    .max(64)
    .superRefine((channels, context) => {
      const ids = channels.map(({ channelId }) => channelId);
      // Of two adapters of one channel only one would ever be asked.
      for (const id of new Set(ids.filter((candidate, place) => ids.indexOf(candidate) !== place))) {
        context.addIssue({ code: 'custom', message: `channel ${id} is listed twice` });
      }
    })
    .describe('Every channel adapter: its id and where it answers.');

export const port = z.int().min(0).max(65_535);

/** What every gRPC service needs. */
export const ServerConfig = z
  .strictObject({
    host: z.string().min(1).default('127.0.0.1').describe('Address to listen on; 0.0.0.0 inside a container.'),
    port: port.describe('Port of the gRPC server.'),
    metricsPort: port.describe('Port of GET /metrics; 0 takes a free one.').default(0),
    probePort: port
      .optional()
      .describe(
        'Port of the health service for Kubernetes’ probes (startup, readiness, liveness), without TLS; 0 takes a free one. Without it there is none.',
      ),
    tls: z
      .strictObject({
        folder: z
          .string()
          .min(1)
          .describe(
            'Folder with tls.crt, tls.key and ca.crt: what the service shows callers and neighbours, and whose certificates it takes. Read again every 5 s.',
          ),
        serverName: z
          .string()
          .regex(/^[0-9A-Za-z.-]{1,253}$/, 'is no host name')
          .optional()
          .describe("The name in all neighbours' certificates. Without it that of the host that is called."),
      })
      .optional()
      .describe('Mutual TLS between services. Without it gRPC is spoken without TLS.'),
    reflection: z.boolean().default(false).describe('Offer gRPC server reflection, for grpcurl and the like.'),
    drainMs: z.int().min(0).max(60_000).default(10_000).describe('How long calls under way may take after SIGTERM.'),
    inFlightMax: z.int().min(1).max(10_000).default(512).describe('Calls under way at once; more are refused.'),
  })
  .describe('Where the service listens.');

export const LogConfig = z
  .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
  .default('info')
  .describe('The least severe level that is logged.');

/** Redis holds schedules and hints, never truth. */
export const RedisConfig = z
  .strictObject({
    host: z.string().min(1).describe('Host of Redis.'),
    port: port.describe('Port of Redis.'),
    password: secretFile("Redis' password").optional(),
    timeoutMs: z.int().min(1).max(50).default(50).describe('A call that takes longer is given up; at most 50 (C5).'),
  })
  .describe('Redis: schedules and hints, never truth.');
