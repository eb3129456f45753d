import { join } from 'node:path';
import type { LocalStack } from '@tillmesh/local-stack';
import type { GeneratedKeys } from './generated-keys.ts';
import type { MeshPorts } from './mesh-ports.ts';

/** The simulated accounts, in the order in which routing tries them. */
export const WECHAT_ACCOUNTS = ['wechat-a', 'wechat-b'] as const;
export const ALIPAY_ACCOUNTS = ['alipay-a'] as const;

/** Merchants of the demonstration. */
export const MERCHANTS = [
  { merchantId: 'demo-cafe', displayName: 'Demo Café', accountIds: [...WECHAT_ACCOUNTS, ...ALIPAY_ACCOUNTS] },
  { merchantId: 'demo-books', displayName: 'Demo Books', accountIds: [...ALIPAY_ACCOUNTS, 'wechat-b'] },
];

/** The most that a payment of the demonstration may be: 50,000 yuan. */
const AMOUNT_MAX = 5_000_000;

export type ConfigInputs = {
  readonly folder: string;
  readonly ports: MeshPorts;
  readonly stack: LocalStack;
  readonly keys: GeneratedKeys;
  /** Path of the key that seals and encrypts rows. */
  readonly rowKeyFile: string;
  readonly logLevel: string;
  /** Factor on the waits between a simulated channel's notifications. */
  readonly notificationTimeScale: number;
  readonly otherSettings: { readonly [service: string]: object };
};

const HOST = '127.0.0.1';

const address = (port: number): string => `${HOST}:${port}`;

const routingTable = () => ({
  merchants: MERCHANTS,
  accounts: [
    ...WECHAT_ACCOUNTS.map((accountId, rank) => ({
      accountId,
      channelId: 'wechat',
      wallets: ['wechat'],
      kinds: ['payment_code', 'merchant_qr', 'jsapi'],
      currencies: ['CNY'],
      amountMax: AMOUNT_MAX,
      rank,
    })),
    ...ALIPAY_ACCOUNTS.map((accountId, rank) => ({
      accountId,
      channelId: 'alipay',
      wallets: ['alipay'],
      kinds: ['payment_code', 'merchant_qr'],
      currencies: ['CNY'],
      amountMax: AMOUNT_MAX,
      rank,
    })),
  ],
});

/** Every configuration file of a mesh on this machine, by file name: the same form as in a cluster. */
export const serviceConfigs = (inputs: ConfigInputs): Readonly<Record<string, unknown>> => {
  const { folder, ports, stack, keys, rowKeyFile, logLevel, notificationTimeScale, otherSettings } = inputs;
  const server = (port: number) => ({ host: HOST, port, reflection: true, drainMs: 3_000 });
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
  // On this machine the lists lie on the servers of the first group, in a schema of their own; elsewhere on servers of their own.
  const listStore = (name: 'lists' | 'read') => {
    const { user, passwordFile } = stack.accounts[name];
    const statementMsMax = name === 'read' ? 200 : 2_000;
    return { endpoints: map.groups[0]?.endpoints ?? [], user, password: passwordFile, statementMsMax };
  };
  const orderStore = { target: address(ports['order-store']) };
  const channels = [
    { channelId: 'wechat', target: address(ports['channel-wechat']) },
    { channelId: 'alipay', target: address(ports['channel-alipay']) },
  ];
  const baseUrls = (port: number) => [`http://${address(port)}`];
  const configs: Record<string, object> = {
    sandbox: {
      logLevel,
      ports: { control: ports['sandbox-control'], wechat: ports['sandbox-wechat'], alipay: ports['sandbox-alipay'] },
      portFile: join(folder, 'sandbox-ports.json'),
      journalFile: join(folder, 'sandbox-journal.ndjson'),
      notifications: { timeScale: notificationTimeScale },
      ...keys.sandbox,
    },
    migrate: { logLevel, orders: account('migrate'), orderStore },
    'order-store': { server: server(ports['order-store']), logLevel, orders: { ...account('app'), rowKeys } },
    query: {
      server: server(ports.query),
      logLevel,
      orders: { ...account('read'), rowKeys },
      lists: { store: listStore('read') },
    },
    // Without Redis lists fall behind, and the groups answer.
    ...(stack.redis === undefined
      ? {}
      : {
          projector: {
            server: server(ports.projector),
            logLevel,
            orders: { ...account('read'), rowKeys, connectionsMax: 12 },
            store: listStore('lists'),
            ...redis,
          },
        }),
    routing: {
      server: server(ports.routing),
      logLevel,
      tableFile: join(folder, 'routing-table.json'),
      stateFile: join(folder, 'routing-switches.json'),
      orderStore,
    },
    'channel-wechat': {
      server: server(ports['channel-wechat']),
      logLevel,
      accounts: keys.wechat.accounts.map((wechat) => ({
        accountId: wechat.accountId,
        baseUrls: baseUrls(ports['sandbox-wechat']),
        mchId: wechat.mchid,
        appId: wechat.appid,
        merchantSerialNo: wechat.merchantSerialNo,
        privateKeyFile: wechat.merchantPrivateKeyFile,
        apiV3KeyFile: wechat.apiV3KeyFile,
        apiV2KeyFile: wechat.apiV2KeyFile,
        wechatpayKeys: [{ id: keys.wechat.publicKeyId, keyFile: keys.wechat.publicKeyFile }],
      })),
    },
    'channel-alipay': {
      server: server(ports['channel-alipay']),
      logLevel,
      accounts: keys.alipay.accounts.map((alipay) => ({
        accountId: alipay.accountId,
        baseUrls: baseUrls(ports['sandbox-alipay']),
        appId: alipay.appId,
        sellerId: alipay.sellerId,
        privateKeyFile: alipay.appPrivateKeyFile,
        alipayPublicKeys: [keys.alipay.publicKeyFile],
      })),
    },
    cashier: {
      server: { ...server(ports.cashier), drainMs: 5_000 },
      logLevel,
      orderStore,
      routing: { target: address(ports.routing), snapshotFile: join(folder, 'routing-snapshot.bin') },
      channels,
      ...redis,
      notifyBaseUrl: `http://${address(ports['edge-http'])}`,
    },
    syncer: { server: server(ports.syncer), logLevel, orderStore, channels, ...redis },
    edge: {
      server: server(ports.edge),
      logLevel,
      http: { host: HOST, port: ports['edge-http'] },
      orderStore,
      channels,
    },
    'routing-table': routingTable(),
  };
  return Object.fromEntries(
    Object.entries(configs).map(([name, config]) => [`${name}.json`, { ...config, ...otherSettings[name] }]),
  );
};
