import { join } from 'node:path';
import type { LocalStack } from '@tillmesh/local-stack';
import type { GeneratedKeys } from './generated-keys.ts';
import { type AdapterId, accountOfChannel, type FurtherChannel, type MeshProcess } from './mesh-plan.ts';
import type { MeshPorts } from './mesh-ports.ts';

/** The simulated accounts, in the order in which routing tries them. */
export const WECHAT_ACCOUNTS = ['wechat-a', 'wechat-b'] as const;
export const ALIPAY_ACCOUNTS = ['alipay-a'] as const;
export const STRIPE_ACCOUNTS = ['stripe-a'] as const;
export const UNIONPAY_ACCOUNTS = ['unionpay-a'] as const;

/** Stripe shows a code of WeChat Pay's and leads to a page of Alipay's: the other two ways it does not have. */
const STRIPE_RULES = [
  { wallets: ['alipay'], kinds: ['merchant_qr'], exclude: STRIPE_ACCOUNTS },
  { wallets: ['wechat'], kinds: ['pc_redirect', 'h5'], exclude: STRIPE_ACCOUNTS },
];

/** Merchants of the demonstration. */
export const MERCHANTS = [
  {
    merchantId: 'demo-cafe',
    displayName: 'Demo Café',
    accountIds: [...WECHAT_ACCOUNTS, ...ALIPAY_ACCOUNTS, ...STRIPE_ACCOUNTS, ...UNIONPAY_ACCOUNTS],
    rules: STRIPE_RULES,
  },
  {
    merchantId: 'demo-books',
    displayName: 'Demo Books',
    accountIds: [...ALIPAY_ACCOUNTS, 'wechat-b', ...STRIPE_ACCOUNTS],
    rules: STRIPE_RULES,
  },
];

/** What the simulated UnionPay means by its codes; of the real one they have to be confirmed. */
const UNIONPAY_CODES = {
  notFound: ['34'],
  declined: { '51': 'insufficient_funds', '62': 'payment_code_invalid', '89': 'payer_cancelled' },
};

/** The most that a payment of the demonstration may be: 50,000 yuan. */
const AMOUNT_MAX = 5_000_000;

export type ConfigInputs = {
  readonly folder: string;
  readonly ports: MeshPorts;
  readonly processes: readonly MeshProcess[];
  /** Where a service's clients find it. */
  readonly targetOf: (service: string) => string;
  readonly channels: readonly FurtherChannel[];
  readonly stack: LocalStack;
  readonly keys: GeneratedKeys;
  /** Path of the key that seals and encrypts rows. */
  readonly rowKeyFile: string;
  readonly logLevel: string;
  /** How long calls under way may take after SIGTERM; a few seconds unless told. */
  readonly drainMs: number | undefined;
  /** Factor on the waits between a simulated channel's notifications. */
  readonly notificationTimeScale: number;
  readonly otherSettings: { readonly [service: string]: object };
  /** What the simulated channels have agreed to, by account. */
  readonly agreed: Readonly<Record<string, object>>;
};

const HOST = '127.0.0.1';

const address = (port: number): string => `${HOST}:${port}`;

type Channel = { readonly channelId: string; readonly adapter: AdapterId; readonly accountIds: readonly string[] };

const channelsOf = (further: readonly FurtherChannel[]): readonly Channel[] => [
  { channelId: 'wechat', adapter: 'wechat', accountIds: WECHAT_ACCOUNTS },
  { channelId: 'alipay', adapter: 'alipay', accountIds: ALIPAY_ACCOUNTS },
  { channelId: 'stripe', adapter: 'stripe', accountIds: STRIPE_ACCOUNTS },
  { channelId: 'unionpay', adapter: 'unionpay', accountIds: UNIONPAY_ACCOUNTS },
  ...further.map((channel) => ({ ...channel, accountIds: [accountOfChannel(channel.channelId)] })),
];

/** Every account at the simulated channels that an adapter serves, those of further channels included. */
export const accountsOf = (adapter: AdapterId, further: readonly FurtherChannel[]): readonly string[] =>
  channelsOf(further).flatMap((channel) => (channel.adapter === adapter ? channel.accountIds : []));

type Offer = { readonly wallets: readonly string[]; readonly kinds: readonly string[]; readonly rankFrom: number };

/** An intermediate channel is behind the direct ones: it costs more, and its wallets' news comes later. */
const OFFERS: Readonly<Record<AdapterId, Offer>> = {
  wechat: {
    wallets: ['wechat'],
    kinds: ['payment_code', 'merchant_qr', 'jsapi', 'mini_program', 'h5', 'app'],
    rankFrom: 0,
  },
  alipay: {
    wallets: ['alipay'],
    kinds: ['payment_code', 'merchant_qr', 'jsapi', 'mini_program', 'h5', 'pc_redirect', 'app'],
    rankFrom: 0,
  },
  stripe: {
    wallets: ['wechat', 'alipay', 'card'],
    kinds: ['merchant_qr', 'pc_redirect', 'h5', 'card'],
    rankFrom: 50,
  },
  unionpay: { wallets: ['unionpay'], kinds: ['payment_code', 'merchant_qr'], rankFrom: 0 },
};

/** What the sandbox takes unless it is set up otherwise, of 10,000 fen; Stripe's is in another currency than the payment. */
const FEES: Readonly<Partial<Record<AdapterId, number>>> = { wechat: 60, alipay: 60, unionpay: 38 };

const routingTable = (channels: readonly Channel[]) => ({
  merchants: MERCHANTS,
  accounts: channels.flatMap(({ channelId, adapter, accountIds }) =>
    accountIds.map((accountId, rank) => ({
      accountId,
      channelId,
      wallets: OFFERS[adapter].wallets,
      kinds: OFFERS[adapter].kinds,
      currencies: ['CNY'],
      amountMax: AMOUNT_MAX,
      rank: OFFERS[adapter].rankFrom + rank,
    })),
  ),
});

/** The configuration of every service of a mesh on this machine, by name: the same form as in a cluster. */
export const serviceConfigs = (inputs: ConfigInputs): Readonly<Record<string, object>> => {
  const { folder, ports, processes, stack, rowKeyFile, logLevel, notificationTimeScale, otherSettings } = inputs;
  const channels = channelsOf(inputs.channels);
  const simulated = simulatedSide(inputs);
  // The port is each process's own.
  const server = { host: HOST, reflection: true, drainMs: inputs.drainMs ?? 3_000 };
  const map = {
    version: 1,
    groups: stack.groups.map(({ tag, nodes }) => ({
      tag,
      state: 'open',
      endpoints: nodes.map(({ host, port }) => ({ host, port })),
    })),
  };
  const account = (name: 'app' | 'migrate' | 'read') => {
    const { user, passwordFile } = stack.accounts[name];
    return { map, user, password: passwordFile, database: 'tillmesh' };
  };
  const rowKeys = { current: 1, keys: [{ id: 1, keyFile: rowKeyFile }] };
  const redis = stack.redis === undefined ? {} : { redis: { host: stack.redis.host, port: stack.redis.port } };
  // On this machine lists and events lie on the servers of the first group, each in a schema of its own; elsewhere on servers of their own.
  const listStore = (name: 'lists' | 'events' | 'read') => {
    const { user, passwordFile } = stack.accounts[name];
    const statementMsMax = name === 'read' ? 200 : 2_000;
    return { endpoints: map.groups[0]?.endpoints ?? [], user, password: passwordFile, statementMsMax };
  };
  const target = inputs.targetOf;
  const orderStore = { target: target('order-store') };
  const channelTargets = channels.map(({ channelId }) => ({ channelId, target: target(`channel-${channelId}`) }));
  const oneCodeUrl = `http://${address(ports['edge-http'])}/q`;
  const configs: Record<string, object> = {
    sandbox: {
      logLevel,
      portFile: join(folder, 'sandbox-ports.json'),
      journalFile: join(folder, 'sandbox-journal.ndjson'),
      notifications: { timeScale: notificationTimeScale },
      ...simulated.sandbox,
    },
    migrate: { logLevel, orders: account('migrate'), orderStore },
    'order-store': { server, logLevel, orders: { ...account('app'), rowKeys } },
    query: {
      server,
      logLevel,
      orders: { ...account('read'), rowKeys },
      lists: { store: listStore('read') },
      events: { store: listStore('read') },
    },
    // Without Redis lists fall behind, and the groups answer; and nobody tells merchants.
    ...(stack.redis === undefined
      ? {}
      : {
          projector: {
            server,
            logLevel,
            orders: { ...account('read'), rowKeys, connectionsMax: 12 },
            store: listStore('lists'),
            ...redis,
          },
          notifier: {
            server,
            logLevel,
            orders: { ...account('read'), rowKeys, connectionsMax: 12 },
            store: listStore('events'),
            ...redis,
            routing: { target: target('routing') },
          },
        }),
    routing: {
      server,
      logLevel,
      tableFile: join(folder, 'routing-table.json'),
      stateFile: join(folder, 'routing-switches.json'),
      orderStore,
    },
    ...Object.fromEntries(
      channels.map(({ channelId }) => [
        `channel-${channelId}`,
        {
          server,
          logLevel,
          ...simulated.channels[channelId],
          ...redis,
        },
      ]),
    ),
    cashier: {
      server: { ...server, drainMs: inputs.drainMs ?? 5_000 },
      logLevel,
      orderStore,
      routing: { target: target('routing'), snapshotFile: join(folder, 'routing-snapshot.bin') },
      channels: channelTargets,
      ...redis,
      notifyBaseUrl: `http://${address(ports['edge-http'])}`,
      ...(stack.redis === undefined ? {} : { oneCode: { baseUrl: oneCodeUrl } }),
    },
    syncer: { server, logLevel, orderStore, channels: channelTargets, ...redis },
    reconciler: {
      server,
      logLevel,
      orders: { ...account('read'), rowKeys, connectionsMax: 8 },
      channels: channelTargets,
      syncer: { target: target('syncer') },
      ...redis,
      folder: join(folder, 'reconciler'),
      fees: channels.flatMap(({ adapter, accountIds }) =>
        FEES[adapter] === undefined
          ? []
          : accountIds.map((accountId) => ({ accountId, perTenThousand: FEES[adapter] })),
      ),
      ...(stack.redis === undefined ? {} : { schedule: { daysBack: 3 } }),
    },
    edge: {
      server,
      logLevel,
      http: { host: HOST, port: ports['edge-http'] },
      orderStore,
      channels: channelTargets,
      oneCode: { cashier: target('cashier'), publicUrl: oneCodeUrl },
    },
    watch: {
      server,
      logLevel,
      http: { host: HOST, port: ports['watch-http'] },
      processes: watchedProcesses(processes),
    },
    'routing-table': simulated.routingTable,
  };
  return Object.fromEntries(
    Object.entries(configs).map(([name, config]) => [name, { ...config, ...otherSettings[name] }]),
  );
};

/**
 * What the simulated channels and their adapters know of each other: the sandbox's configuration, each channel's accounts and the
 * routing table.
 */
export const simulatedSide = (inputs: Pick<ConfigInputs, 'ports' | 'keys' | 'channels' | 'agreed'>) => {
  const { ports, keys } = inputs;
  const channels = channelsOf(inputs.channels);
  return {
    sandbox: {
      ports: {
        control: ports['sandbox-control'],
        wechat: ports['sandbox-wechat'],
        alipay: ports['sandbox-alipay'],
        stripe: ports['sandbox-stripe'],
        unionpay: ports['sandbox-unionpay'],
      },
      ...keys.sandbox,
      stripe: { ...keys.sandbox.stripe, accounts: stripeWithWebhooks(keys, channels, ports) },
      unionpay: keys.sandbox.unionpay,
    },
    channels: Object.fromEntries(
      channels.map(({ channelId, adapter, accountIds }) => [
        channelId,
        { accounts: accountSettings(adapter, accountIds, inputs), ...httpOf(adapter, keys) },
      ]),
    ),
    routingTable: routingTable(channels),
  };
};

/** The processes whose lanes are shown: by their own ports, so that what is cut off from its callers is seen all the same. */
export const watchedProcesses = (processes: readonly MeshProcess[]): readonly object[] =>
  processes
    .filter(({ service }) => service !== 'sandbox' && service !== 'watch')
    .map(({ service, port }) => ({ service, target: address(port) }));

/** Where a service's processes answer, as its clients' configuration says it: a list that does not change. */
export const fixedTargetOf = (service: string, processes: readonly MeshProcess[]): string => {
  const addresses = processes
    .filter((process) => process.service === service)
    .map(({ clientPort }) => address(clientPort));
  // A service that is not started is configured all the same: nobody answers there.
  if (addresses.length === 0) return address(1);
  return addresses.length === 1 ? (addresses[0] ?? '') : `ipv4:${addresses.join(',')}`;
};

/** Stripe has one address of ours for an account, not one for each payment. */
const stripeWithWebhooks = (keys: GeneratedKeys, channels: readonly Channel[], ports: MeshPorts): readonly object[] =>
  keys.stripe.accounts.map((account) => {
    const channelId = channels.find(({ accountIds }) => accountIds.includes(account.accountId))?.channelId ?? 'stripe';
    return {
      ...account,
      webhookUrl: `http://${address(ports['edge-http'])}/notify/${channelId}/${account.accountId}`,
    };
  });

/** What a channel's process has to trust besides. */
const httpOf = (adapter: AdapterId, keys: GeneratedKeys): object =>
  adapter === 'stripe' ? { http: { trustedRoots: [keys.stripe.certificateFile] } } : {};

const accountSettings = (
  adapter: AdapterId,
  accountIds: readonly string[],
  inputs: Pick<ConfigInputs, 'keys' | 'ports' | 'agreed'>,
): readonly object[] => {
  const { keys, ports, agreed } = inputs;
  const contractOf = (accountId: string) => (agreed[accountId] === undefined ? {} : { agreed: agreed[accountId] });
  const baseUrls = [`http://${address(ports[`sandbox-${adapter}`])}`];
  if (adapter === 'stripe') {
    return keys.stripe.accounts
      .filter(({ accountId }) => accountIds.includes(accountId))
      .map(({ accountId, secretKeyFile, webhookSecretFile }) => ({
        accountId,
        ...contractOf(accountId),
        baseUrls: [`https://${address(ports['sandbox-stripe'])}`],
        secretKeyFile,
        webhookSecretFiles: [webhookSecretFile],
      }));
  }
  const isServed = ({ accountId }: { readonly accountId: string }) => accountIds.includes(accountId);
  if (adapter === 'wechat') {
    return keys.wechat.accounts.filter(isServed).map((wechat) => ({
      accountId: wechat.accountId,
      ...contractOf(wechat.accountId),
      baseUrls,
      mchId: wechat.mchid,
      appId: wechat.appid,
      merchantSerialNo: wechat.merchantSerialNo,
      privateKeyFile: wechat.merchantPrivateKeyFile,
      apiV3KeyFile: wechat.apiV3KeyFile,
      apiV2KeyFile: wechat.apiV2KeyFile,
      wechatpayKeys: [{ id: keys.wechat.publicKeyId, keyFile: keys.wechat.publicKeyFile }],
      payerAuth: {
        appSecretFile: wechat.appSecretFile,
        authorizeUrl: `${baseUrls[0]}/connect/oauth2/authorize`,
        apiUrl: baseUrls[0],
      },
    }));
  }
  if (adapter === 'unionpay') {
    return keys.unionpay.accounts.filter(isServed).map((unionpay) => ({
      accountId: unionpay.accountId,
      ...contractOf(unionpay.accountId),
      baseUrls: [`${baseUrls[0]}/gateway/api`],
      fileUrl: baseUrls[0],
      merId: unionpay.merId,
      certId: unionpay.certId,
      privateKeyFile: unionpay.merchantPrivateKeyFile,
      unionpayCertificates: [keys.unionpay.certificateFile],
      confirmedCodes: UNIONPAY_CODES,
    }));
  }
  return keys.alipay.accounts.filter(isServed).map((alipay) => ({
    accountId: alipay.accountId,
    ...contractOf(alipay.accountId),
    baseUrls,
    billUrl: baseUrls[0],
    appId: alipay.appId,
    sellerId: alipay.sellerId,
    privateKeyFile: alipay.appPrivateKeyFile,
    alipayPublicKeys: [keys.alipay.publicKeyFile],
    payerAuth: { authorizeUrl: `${baseUrls[0]}/oauth2/publicAppAuthorize.htm` },
  }));
};
