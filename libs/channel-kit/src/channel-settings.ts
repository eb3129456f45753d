import { X509Certificate } from 'node:crypto';
import { tmpdir } from 'node:os';
import { LogConfig, RedisConfig, ServerConfig, secretFile, secretFolder, z } from '@tillmesh/config';
import type { AccountSettings } from './account-settings.ts';
import { parseSealingKeys } from './accounts/sealed-account.ts';
import { BILL_LIMITS } from './bills/bill.ts';
import type { Channel } from './channel.ts';
import type { HttpHost, HttpLimits } from './channel-http.ts';
import { type ChannelLanes, lanesSetting } from './channel-lanes.ts';

/** Two in one file would be trusted together, and only the first one be looked at. */
const isAuthority = (pem: string): boolean => {
  if (pem.split('-----BEGIN CERTIFICATE-----').length !== 2) return false;
  try {
    return new X509Certificate(pem).ca;
  } catch {
    return false;
  }
};

const rootFile = secretFile('the certificate of an authority').transform((secret, context): string => {
  const pem = secret.reveal();
  if (isAuthority(pem)) return pem;
  context.addIssue({ code: 'custom', message: 'the file holds no certificate of an authority, one alone and in PEM' });
  return z.NEVER;
});

const HttpSettings = z
  .strictObject({
    connectTimeoutMs: z.int().min(50).max(10_000).default(1_000).describe('TCP and TLS together, ms.'),
    headersTimeoutMs: z.int().min(100).max(40_000).default(30_000).describe("Until the answer's head, ms."),
    bodyTimeoutMs: z.int().min(100).max(40_000).default(5_000).describe("Between parts of the answer's body, ms."),
    keepAliveMs: z.int().min(1).max(60_000).default(4_000).describe('How long an unused socket is kept, ms.'),
    answerBytesMax: z.int().min(1_024).max(4_194_304).default(262_144).describe('A longer answer is given up.'),
    trustedRoots: z
      .array(rootFile)
      .min(1)
      .max(16)
      .optional()
      .describe(
        'The authorities that may vouch for the hosts of this channel, and no others; the public ones without it.',
      ),
  })
  .prefault({})
  .describe('How the channel is called.');

const BillSettings = z
  .strictObject({
    folder: z
      .string()
      .min(1)
      .default(tmpdir())
      .describe('Where a bill lies while it is fetched and read; room for rawBytesMax times the bill lane.'),
    rawBytesMax: z.int().min(1_024).default(BILL_LIMITS.rawBytesMax).describe('Of a file as it is received.'),
    plainBytesMax: z.int().min(1_024).default(BILL_LIMITS.plainBytesMax).describe('Of what a file unpacks to.'),
    linesMax: z.int().min(1).max(50_000_000).default(BILL_LIMITS.linesMax).describe('Of a bill.'),
    lineBytesMax: z.int().min(256).max(1_048_576).default(BILL_LIMITS.lineBytesMax).describe('Of a line.'),
  })
  .prefault({})
  .describe('What a bill may cost.');

/** The configuration of a channel's process. */
export const channelSettings = <Account extends AccountSettings>(channel: Channel<Account>) =>
  z
    .strictObject({
      server: ServerConfig,
      logLevel: LogConfig,
      accounts: z
        .array(channel.account)
        .max(500)
        .default([])
        .superRefine((accounts, context) => {
          const seen = new Set<string>();
          accounts.forEach(({ accountId }, index) => {
            if (seen.has(accountId)) {
              context.addIssue({ code: 'custom', path: [index, 'accountId'], message: `${accountId} stands twice` });
            }
            seen.add(accountId);
          });
        })
        .describe(`The accounts at ${channel.id} that this process serves.`),
      accountData: z
        .strictObject({
          folder: secretFolder('sealed accounts, <account>.sealed each, as npm run accounts makes them'),
          keyFile: secretFile(
            'the keys that they are sealed with, one a line: a name and 64 hex digits, the newest first',
          ).transform((secret, context) => {
            const keys = parseSealingKeys(secret.reveal());
            if (keys !== undefined) return keys;
            context.addIssue({ code: 'custom', message: 'does not hold lines of a name and 64 hex digits' });
            return z.NEVER;
          }),
          lifetimeMs: z
            .int()
            .min(1_000)
            .max(3_600_000)
            .default(60_000)
            .describe('How old what is known of the folder may become, ms; RefreshAccounts reads it at once.'),
        })
        .optional()
        .describe('Accounts that come and go while the process works, with their keys, encrypted at rest.'),
      redis: RedisConfig.optional().describe(
        'Divides what channels have agreed to among the replicas. Without it each has an equal part.',
      ),
      lanes: lanesSetting(channel.lanes),
      http: HttpSettings,
      bills: BillSettings,
      sendFloorMs: z
        .int()
        .min(0)
        .max(10_000)
        .default(1_000)
        .describe(
          'A call that moves money is not sent with less time than this left, ms, nor with less than 99 of 100 such calls have taken in the last minutes.',
        ),
    })
    .refine(({ accounts, accountData }) => accounts.length > 0 || accountData !== undefined, {
      path: ['accounts'],
      message: 'there are none, and no accountData',
    });

export type ChannelSettings<Account> = {
  readonly accounts: readonly Account[];
  readonly lanes: ChannelLanes;
  readonly http: z.output<typeof HttpSettings>;
  readonly bills: z.output<typeof BillSettings>;
  readonly sendFloorMs: number;
};

/** The limits of the HTTP client: as many sockets as the lanes let through, so that no lane waits for another's sockets. */
export const httpLimitsOf = ({ http, lanes }: Pick<ChannelSettings<unknown>, 'http' | 'lanes'>): HttpLimits => {
  const { pay, refund, query, bill } = lanes;
  const connectionsMax = pay.concurrentMax + refund.concurrentMax + query.concurrentMax + (bill?.concurrentMax ?? 0);
  const { trustedRoots: _roots, ...limits } = http;
  return { ...limits, connectionsMax, waitingMax: connectionsMax };
};

/** Every host that the accounts name, each once. */
export const hostsOf = <Account extends AccountSettings>(
  channel: Channel<Account>,
  settings: Pick<ChannelSettings<Account>, 'accounts' | 'http'>,
): readonly HttpHost[] => {
  const { trustedRoots } = settings.http;
  const trusting = (host: HttpHost): HttpHost => (trustedRoots === undefined ? host : { ...host, trustedRoots });
  const hosts: readonly HttpHost[] = [
    ...settings.accounts.flatMap(({ baseUrls }) => baseUrls.map((baseUrl) => ({ baseUrl }))),
    ...settings.accounts.flatMap((account) => channel.furtherHosts?.(account) ?? []),
  ];
  const named = new Map(hosts.map((host) => [`${host.clientCertificate?.holder ?? ''} ${host.baseUrl}`, host]));
  return [...named.values()].map(trusting);
};
