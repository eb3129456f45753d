import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { type Clock, systemClock, systemRandom } from '@tillmesh/clock';
import { parseConfig } from '@tillmesh/config';
import { ChannelService } from '@tillmesh/proto/tillmesh/channel/v1/channel_service_pb.ts';
import { PaymentKind } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { createClient, type RpcClient, serve } from '@tillmesh/rpc';
import { createLog } from '@tillmesh/telemetry';
import {
  type AccountSettings,
  type Channel,
  channelSettings,
  createChannelHttp,
  hostsOf,
  httpLimitsOf,
  serveChannel,
} from '../src/index.ts';
import type { ChannelWorld, Fault, FaultyOperation, Payer, SentNotification } from './channel-world.ts';
import { type SandboxKeys, startSandboxProcess } from './sandbox-process.ts';

const DAY_MS = 86_400_000;
const NOTIFICATION_MS_MAX = 15_000;

/** What a channel has to say to be put beside the sandbox. */
export type SandboxWorldOptions<Account extends AccountSettings> = {
  readonly channel: Channel<Account>;
  readonly wallet: 'wechat' | 'alipay' | 'stripe';
  /** The settings of two accounts, as they stand in a configuration file. */
  readonly accountsOf: (keys: SandboxKeys, baseUrl: string) => readonly [object, object];
  /** Further settings of the channel's process. */
  readonly settingsOf?: (keys: SandboxKeys) => object;
  /** A payment code unless told. */
  readonly instantKind?: ChannelWorld['instantKind'];
  /** True unless told. */
  readonly signsAnswers?: boolean;
  /** The order that a notification speaks of, where the channel has one address for all of them. */
  readonly orderNoOf?: (notification: SentNotification) => string | undefined;
  readonly declineCode: string;
  readonly secretsOf: (keys: SandboxKeys) => readonly string[];
  readonly forged: ChannelWorld['forged'];
  readonly unsigned: ChannelWorld['unsigned'];
};

type Act = Readonly<Record<string, unknown>>;

const ACT_OF: Readonly<Record<Fault, Act>> = {
  lost_before_commit: { do: 'answer_lost_before_commit', how: 'cut' },
  lost_after_commit: { do: 'answer_lost_after_commit', how: 'cut' },
  silent_after_commit: { do: 'answer_lost_after_commit', how: 'hang' },
  error_after_commit: { do: 'error_after_commit', code: 'NOVEL_CODE_OF_TOMORROW' },
  bad_signature: { do: 'bad_signature' },
  unsigned: { do: 'unsigned' },
  web_page: { do: 'garbage', form: 'html', commit: true },
  truncated: { do: 'garbage', form: 'truncated', commit: true },
  http_500: { do: 'http_error', status: 500, commit: true },
};

const OPERATIONS_OF: Readonly<Record<FaultyOperation, readonly string[]>> = {
  pay: ['pay'],
  query: ['query'],
  end: ['close', 'reverse'],
  refund: ['refund'],
  refund_query: ['refund_query'],
};

const scriptOf = (payer: Payer): Act[] => {
  switch (payer.kind) {
    case 'pays':
      return [];
    case 'types_password':
      return [{ do: 'payer_types_password', seconds: payer.seconds, then: 'pays' }];
    case 'declined':
      return [{ do: 'decline', code: payer.code }];
  }
};

const shifted = (byMs: number): Clock => ({ ...systemClock, nowMs: () => systemClock.nowMs() + byMs });

const freePort = async (): Promise<number> => {
  const server = createTcpServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
};

/** Receives notifications and keeps the first one of each path, or of each order where the path does not say it. */
const startInbox = async (orderNoOf: (notification: SentNotification) => string | undefined = () => undefined) => {
  const received = new Map<string, SentNotification>();
  const read = async (request: IncomingMessage): Promise<void> => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const headers = Object.entries(request.headers).map(([name, value]) => ({ name, value: String(value) }));
    const body = Buffer.concat(parts);
    const orderNo = orderNoOf({ headers, body });
    const path = orderNo === undefined ? (request.url ?? '') : `/notify/${orderNo}`;
    if (!received.has(path)) received.set(path, { headers, body });
  };
  const server = createServer((request, response) => {
    read(request).then(
      () => response.writeHead(200, { 'content-type': 'text/plain' }).end('success'),
      () => response.writeHead(500).end(),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    received,
    url: `http://127.0.0.1:${port}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
};

/** Serves a channel over gRPC in this process, beside whatever is at its accounts' addresses. */
const startChannel = async <Account extends AccountSettings>(
  channel: Channel<Account>,
  accounts: readonly object[],
  clock: Clock,
  more: object,
): Promise<{ readonly client: RpcClient<typeof ChannelService>; readonly close: () => Promise<void> }> => {
  const raw = {
    server: { port: 0 },
    accounts,
    // Answers that never come shall not make the suite wait for long.
    lanes: { pay: { timeoutMs: 1_500 }, query: { timeoutMs: 1_500 }, refund: { timeoutMs: 1_500 } },
    sendFloorMs: 100,
    ...more,
  };
  const settings = parseConfig(channelSettings(channel), raw, 'the world');
  const lanes = settings.lanes;
  const http = createChannelHttp({
    channelId: channel.id,
    hosts: hostsOf(channel, settings),
    limits: httpLimitsOf(settings),
    clock,
  });
  const log = createLog('world', 'silent');
  const { binding } = serveChannel({
    channel,
    accounts: settings.accounts,
    // The suite disturbs every second exchange: a breaker that opened on it would answer in the channel's place.
    lanes: {
      pay: { ...lanes.pay, callsMin: 100_000 },
      refund: { ...lanes.refund, callsMin: 100_000 },
      query: { ...lanes.query, callsMin: 100_000 },
      notify: lanes.notify,
    },
    sendFloorMs: settings.sendFloorMs,
    http,
    clock,
    random: systemRandom,
    log,
  });
  const server = await serve({ services: [binding], host: '127.0.0.1', port: 0, log });
  server.setReady(true);
  const client = createClient(ChannelService, { target: `127.0.0.1:${server.port}`, caller: 'contract', capMs: 5_000 });
  return {
    client,
    close: async () => {
      client.close();
      await server.drain(100);
      await http.close();
    },
  };
};

/** Starts the sandbox and a channel beside it. */
export const startSandboxWorld = async <Account extends AccountSettings>(
  options: SandboxWorldOptions<Account>,
): Promise<ChannelWorld> => {
  const { channel, wallet, accountsOf } = options;
  const inbox = await startInbox(options.orderNoOf);
  const sandbox = await startSandboxProcess(`${inbox.url}/webhook`);
  const accounts = accountsOf(sandbox.keys, sandbox.urls[wallet]);
  const nobody = accountsOf(sandbox.keys, `http://127.0.0.1:${await freePort()}`);
  const more = options.settingsOf?.(sandbox.keys) ?? {};
  const main = await startChannel(channel, accounts, systemClock, more);
  const unreachable = await startChannel(channel, nobody, systemClock, more);
  const ahead = await startChannel(channel, accounts, shifted(2 * DAY_MS), more);
  const { control } = sandbox;
  const [accountId = '', otherAccountId = ''] = sandbox.keys[wallet].accounts.map((account) => account.accountId);

  const succeedingPost = async <Answer>(path: string, body: object): Promise<Answer> => {
    const { status, answer } = await control<Answer>('POST', path, body);
    if (status >= 300) throw new Error(`the sandbox refused ${path}: ${JSON.stringify(answer)}`);
    return answer;
  };

  return {
    client: main.client,
    unreachable: unreachable.client,
    ahead: ahead.client,
    accountId,
    otherAccountId,
    instantKind: options.instantKind ?? PaymentKind.PAYMENT_CODE,
    signsAnswers: options.signsAnswers ?? true,
    declineCode: options.declineCode,
    notifyUrl: `${inbox.url}/notify`,
    secrets: options.secretsOf(sandbox.keys),
    paymentCode: async (payer) => {
      const { paymentCode } = await succeedingPost<{ paymentCode: string }>('/payment-codes', {
        wallet,
        script: scriptOf(payer),
      });
      return paymentCode;
    },
    disturb: async (channelOrderNo, operation, fault) => {
      await succeedingPost('/scripts', {
        match: { outTradeNo: channelOrderNo },
        operations: OPERATIONS_OF[operation],
        uses: 1,
        script: [ACT_OF[fault]],
      });
    },
    scanAndPay: async (qrCode) => {
      const { status } = await control('POST', '/scan', { code: qrCode });
      return status < 300;
    },
    balanceOf: async (channelOrderNo) => {
      type Orders = { orders: { charges: number; chargedFen: number; returnedFen: number }[] };
      const { answer } = await control<Orders>('GET', `/ledger/orders?outTradeNo=${channelOrderNo}`);
      const [order] = answer.orders;
      return {
        charges: order?.charges ?? 0,
        chargedFen: order?.chargedFen ?? 0,
        returnedFen: order?.returnedFen ?? 0,
      };
    },
    notificationOf: async (channelOrderNo) => {
      const path = `/notify/${channelOrderNo}`;
      for (let waitedMs = 0; waitedMs < NOTIFICATION_MS_MAX; waitedMs += 50) {
        const sent = inbox.received.get(path);
        if (sent !== undefined) return sent;
        await systemClock.sleep(50);
      }
      throw new Error(`no notification of ${channelOrderNo} came`);
    },
    forged: options.forged,
    unsigned: options.unsigned,
    close: async () => {
      await Promise.all([main.close(), unreachable.close(), ahead.close()]);
      inbox.close();
      await sandbox.close();
    },
  };
};
