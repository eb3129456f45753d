import { AlarmsConfig } from '@tillmesh/alarms';
import { LogConfig, RedisConfig, ServerConfig, secretFile, target, z } from '@tillmesh/config';
import { WEBHOOK_SIGNINGS } from '@tillmesh/domain';
import { EventStoreConfig } from '@tillmesh/merchant-events';
import { OrderReadersConfig } from '@tillmesh/order-groups';
import { parseNetwork } from './address-guard.ts';
import { parseSigningKey, type SigningKey } from './webhook-signature.ts';

const Key = z
  .strictObject({
    keyId: z.string().regex(/^[a-z0-9-]{1,32}$/, 'is not 1 to 32 of a-z, 0-9 and -'),
    signing: z.enum(WEBHOOK_SIGNINGS),
    keyFile: secretFile('the key: a private key as PEM for ed25519, base64 of 24 to 64 bytes for hmac-sha256'),
  })
  .transform(({ keyId, signing, keyFile }, context): SigningKey => {
    try {
      return parseSigningKey(keyId, signing, keyFile.reveal());
    } catch (error) {
      const why = error instanceof Error ? error.message : 'cannot be read';
      // What OpenSSL says of a file may quote it.
      const known = why.startsWith('has ') || why.startsWith('is ');
      context.addIssue({ code: 'custom', path: ['keyFile'], message: known ? `the key ${why}` : 'the key is no PEM' });
      return z.NEVER;
    }
  });

const Webhooks = z
  .strictObject({
    keys: z
      .array(Key)
      .max(10_000)
      .default([])
      .superRefine((keys, context) => {
        if (new Set(keys.map(({ keyId }) => keyId)).size !== keys.length)
          context.addIssue({ code: 'custom', message: 'a key is listed twice' });
      })
      .describe('Keys that webhooks are signed with; the routing table says which of them an endpoint has.'),
    allowPlainHttp: z.boolean().default(false).describe('Whether endpoints may be reached without TLS.'),
    allowedNetworks: z
      .array(z.string().refine((text) => parseNetwork(text) !== undefined, 'is no network such as 10.1.0.0/16'))
      .max(100)
      .default([])
      .describe('Private or otherwise special networks that endpoints may lie in; none unless named.'),
    authorityFile: secretFile('certificates, PEM, that are trusted beside those of Node').optional(),
    timeoutMs: z
      .int()
      .min(100)
      .max(20_000)
      .default(10_000)
      .describe('What one sending may take, from looking up the name to the last byte of the answer.'),
    retryTimeScale: z
      .number()
      .min(0.000_1)
      .max(1)
      .default(1)
      .describe('Shortens the waits between tries; below 1 only for tests and drills.'),
  })
  .prefault({})
  .describe('How merchants are reached.');

export const NotifierConfig = z.strictObject({
  server: ServerConfig,
  logLevel: LogConfig,
  orders: OrderReadersConfig,
  store: EventStoreConfig,
  redis: RedisConfig.describe('Carries the schedule. While it is away merchants are told later, and of everything.'),
  routing: z
    .strictObject({ target: target('routing') })
    .describe('Where the routing table comes from: it says which endpoints a merchant has.'),
  webhooks: Webhooks,
  alarms: AlarmsConfig.optional(),
  everyMs: z.int().min(5).max(10_000).default(50).describe('Between looks at a group that had nothing new.'),
  changesMax: z.int().min(1).max(500).default(256).describe('Changes that are read and recorded together.'),
  saveEveryMs: z.int().min(10).max(10_000).default(250).describe('Between savings of how far a group was followed.'),
  deliveriesMax: z.int().min(1).max(5_000).default(512).describe('Deliveries that this instance has in hand at once.'),
  sweepEveryMs: z
    .int()
    .min(100)
    .max(60_000)
    .default(2_000)
    .describe('Between looks for what is overdue: what Redis has lost, or never had.'),
});
export type NotifierConfig = z.output<typeof NotifierConfig>;
