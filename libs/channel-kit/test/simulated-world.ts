import { once } from 'node:events';
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
  fixedAccounts,
  hostsOf,
  httpLimitsOf,
  serveChannel,
} from '../src/index.ts';
import type { ChannelWorld } from './channel-world.ts';

const DAY_MS = 86_400_000;

/** A simulator of a channel. What the channel does not have may be left out: the rules about it are not registered. */
export type Simulator = Pick<ChannelWorld, 'paymentCode' | 'disturb' | 'balanceOf'> &
  Partial<Pick<ChannelWorld, 'scanAndPay' | 'notificationOf' | 'forged' | 'unsigned' | 'breakBill'>> & {
    readonly baseUrl: string;
    /** Where the channel is told to send notifications; a number is appended. Empty: nowhere. */
    readonly notifyUrl: string;
    readonly close: () => Promise<void>;
  };

/** What a channel has to say to be put beside a simulator. */
export type WorldOptions<Account extends AccountSettings> = {
  readonly channel: Channel<Account>;
  /** The settings of two accounts that are served at an address, as they stand in a configuration file. */
  readonly accountsOf: (baseUrl: string) => readonly [object, object];
  /** Further settings of the channel's process. */
  readonly settings?: object;
  /** A payment code unless told. */
  readonly instantKind?: ChannelWorld['instantKind'];
  /** True unless told. */
  readonly signsAnswers?: boolean;
  /** True unless told. */
  readonly canWithdraw?: boolean;
  /** False unless told. */
  readonly knowsDiscounts?: boolean;
  /** For channels that have bills. */
  readonly billFaults?: ChannelWorld['billFaults'];
  readonly declineCode: string;
  readonly secrets: readonly string[];
};

const shifted = (byMs: number): Clock => ({ ...systemClock, nowMs: () => systemClock.nowMs() + byMs });

const freePort = async (): Promise<number> => {
  const server = createTcpServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
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
    accounts: fixedAccounts(settings.accounts),
    // The suite disturbs every second exchange: a breaker that opened on it would answer in the channel's place.
    lanes: {
      pay: { ...lanes.pay, callsMin: 100_000 },
      refund: { ...lanes.refund, callsMin: 100_000 },
      query: { ...lanes.query, callsMin: 100_000 },
      notify: lanes.notify,
      bill: lanes.bill === undefined ? undefined : { ...lanes.bill, callsMin: 100_000 },
    },
    sendFloorMs: settings.sendFloorMs,
    http: () => http,
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

const lacking = (what: string) => (): never => {
  throw new Error(`the simulator has no ${what}, and a rule asks for it`);
};

const accountIdOf = (account: object): string => ('accountId' in account ? String(account.accountId) : '');

/** Puts a channel beside its simulator. */
export const startWorld = async <Account extends AccountSettings>(
  simulator: Simulator,
  options: WorldOptions<Account>,
): Promise<ChannelWorld> => {
  const { channel, accountsOf, settings = {} } = options;
  const accounts = accountsOf(simulator.baseUrl);
  const nobody = accountsOf(`http://127.0.0.1:${await freePort()}`);
  const main = await startChannel(channel, accounts, systemClock, settings);
  const unreachable = await startChannel(channel, nobody, systemClock, settings);
  const ahead = await startChannel(channel, accounts, shifted(2 * DAY_MS), settings);
  return {
    client: main.client,
    unreachable: unreachable.client,
    ahead: ahead.client,
    accountId: accountIdOf(accounts[0]),
    otherAccountId: accountIdOf(accounts[1]),
    instantKind: options.instantKind ?? PaymentKind.PAYMENT_CODE,
    signsAnswers: options.signsAnswers ?? true,
    canWithdraw: options.canWithdraw ?? true,
    knowsDiscounts: options.knowsDiscounts ?? false,
    declineCode: options.declineCode,
    notifyUrl: simulator.notifyUrl,
    secrets: options.secrets,
    paymentCode: simulator.paymentCode,
    disturb: simulator.disturb,
    balanceOf: simulator.balanceOf,
    billFaults: options.billFaults ?? [],
    breakBill: simulator.breakBill ?? lacking('bills'),
    scanAndPay: simulator.scanAndPay ?? lacking('codes to scan'),
    notificationOf: simulator.notificationOf ?? lacking('notifications'),
    forged: simulator.forged ?? lacking('notifications'),
    unsigned: simulator.unsigned ?? lacking('notifications'),
    close: async () => {
      await Promise.all([main.close(), unreachable.close(), ahead.close()]);
      await simulator.close();
    },
  };
};
