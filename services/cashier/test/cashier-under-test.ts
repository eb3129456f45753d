import { create } from '@bufbuild/protobuf';
import { type Random, seededRandom, systemClock } from '@tillmesh/clock';
import {
  type AccountId,
  type ChannelId,
  type Currency,
  DEFAULT_HEALTH_POLICY,
  type MerchantId,
  type RoutedAccount,
  type RoutingTable,
} from '@tillmesh/domain';
import {
  CashierService,
  type CreatePaymentRequest,
  CreatePaymentRequestSchema,
} from '@tillmesh/proto/tillmesh/cashier/v1/cashier_service_pb.ts';
import { ChannelService } from '@tillmesh/proto/tillmesh/channel/v1/channel_service_pb.ts';
import { MoneySchema } from '@tillmesh/proto/tillmesh/money/v1/money_pb.ts';
import { OrderStoreService } from '@tillmesh/proto/tillmesh/orderstore/v1/order_store_service_pb.ts';
import { PaymentKind, Wallet } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { type Binding, bind, createClient, type RpcClient, RpcError, type RpcServer, serve } from '@tillmesh/rpc';
import type { Log } from '@tillmesh/telemetry';
import { watchAccountHealth } from '../src/account-health.ts';
import { createCarrier } from '../src/carry-payment.ts';
import { createCashierService } from '../src/cashier-service.ts';
import { connectChannels } from '../src/channels.ts';
import { createRoutes } from '../src/choose-route.ts';
import { createPaymentCloser } from '../src/close-payment.ts';
import { createPaymentContinuer } from '../src/continue-payment.ts';
import { createPaymentTaker } from '../src/create-payment.ts';
import { createLanes } from '../src/lanes.ts';
import { createRefunder } from '../src/refund-payment.ts';
import { RefundRules } from '../src/refund-rules.ts';
import { createCollectingLog } from './collecting-log.ts';
import { createMemoryOrderStore, type MemoryOrderStore } from './memory-order-store.ts';
import { createScriptedChannel, type ScriptedChannel } from './scripted-channel.ts';

export const MERCHANT = 'demo-cafe';
/** Codes as the two wallets issue them. */
export const WECHAT_CODE = '130000000000000001';
export const OTHER_WECHAT_CODE = '130000000000000002';
export const ALIPAY_CODE = '280000000000000001';

const account = (accountId: string, rank: number, changes: Partial<RoutedAccount> = {}): [AccountId, RoutedAccount] => [
  accountId as AccountId,
  {
    accountId: accountId as AccountId,
    channelId: 'wechat' as ChannelId,
    wallets: ['wechat'],
    kinds: ['payment_code', 'merchant_qr', 'jsapi'],
    currencies: ['CNY' as Currency],
    amountMax: 5_000_000n,
    rank,
    feeBasisPoints: 0,
    weight: 100,
    dayLimit: undefined,
    grey: undefined,
    enabled: true,
    stateNote: '',
    ...changes,
  },
];

/** Two WeChat accounts, tried in this order, and an Alipay account whose adapter is nowhere. */
export const TABLE: RoutingTable = {
  version: 7n,
  merchants: new Map([
    [
      MERCHANT as MerchantId,
      {
        displayName: '',
        accountIds: ['wechat-a', 'wechat-b', 'alipay-a'].map((id) => id as AccountId),
        rules: [],
        webhooks: [],
      },
    ],
  ]),
  accounts: new Map([
    account('wechat-a', 0),
    account('wechat-b', 1),
    account('alipay-a', 0, { channelId: 'alipay' as ChannelId, wallets: ['alipay'] }),
  ]),
  healthPolicy: DEFAULT_HEALTH_POLICY,
};

let asked = 0;

type Wish = Partial<Omit<CreatePaymentRequest, '$typeName' | '$unknown'>>;

/** An amount in fen. */
export const fen = (minorUnits: bigint, currency = 'CNY') => create(MoneySchema, { currency, minorUnits });

/** A payment of 1 yuan by payment code under a number that nobody has used. */
export const codePayment = (changes: Wish = {}): CreatePaymentRequest => {
  asked += 1;
  const request = create(CreatePaymentRequestSchema, {
    merchantId: MERCHANT,
    merchantOrderNo: `order-${asked}`,
    amount: fen(100n),
    kind: PaymentKind.PAYMENT_CODE,
    subject: 'Tea',
    paymentCode: WECHAT_CODE,
    terminalId: 'till-1',
  });
  return Object.assign(request, changes);
};

/** The same by a QR code that the payer scans. */
export const qrPayment = (changes: Wish = {}): CreatePaymentRequest =>
  codePayment({ kind: PaymentKind.MERCHANT_QR, wallet: Wallet.WECHAT, paymentCode: '', ...changes });

/** The error that a call was refused with. */
export const failureOf = async (call: Promise<unknown>): Promise<RpcError> => {
  const error = await call.then(
    () => new Error('the call was answered'),
    (reason: unknown) => reason,
  );
  if (!(error instanceof RpcError)) throw error;
  return error;
};

export type CashierUnderTest = {
  readonly cashier: RpcClient<typeof CashierService>;
  readonly store: MemoryOrderStore;
  readonly channel: ScriptedChannel;
  /** What the syncer was told to look at. */
  readonly checkedLater: string[];
  /** Every line that was logged, uncensored. */
  readonly logLines: string[];
  /** Ends the channel's process, as kill -9 would. */
  killChannel(): Promise<void>;
  close(): Promise<void>;
};

const startServer = (services: readonly Binding[], log: Log): Promise<RpcServer> =>
  serve({ services, host: '127.0.0.1', port: 0, log });

/** The cashier as main.ts wires it, between an order store in memory and a channel with a script. */
export const startCashier = async (
  options: {
    readonly table?: RoutingTable;
    readonly random?: Random;
    readonly notifyBaseUrl?: string;
    readonly refundRules?: RefundRules;
    /** Refunds are asked for so much later, ms. */
    readonly laterMs?: () => number;
  } = {},
): Promise<CashierUnderTest> => {
  const { table = TABLE, random = seededRandom(1), notifyBaseUrl } = options;
  const { refundRules = RefundRules.parse({}), laterMs = () => 0 } = options;
  const clock = systemClock;
  const { log, lines } = createCollectingLog();
  const store = createMemoryOrderStore();
  const channel = createScriptedChannel();
  const storeServer = await startServer([bind(OrderStoreService, store.handlers)], log);
  const channelServer = await startServer([bind(ChannelService, channel.handlers)], log);
  const lanes = createLanes(clock);
  const orderStore = createClient(OrderStoreService, {
    target: `127.0.0.1:${storeServer.port}`,
    caller: 'cashier',
    capMs: 3_000,
    passage: lanes.orderStore,
    clock,
  });
  // Two channels with lanes of their own, both at the one adapter.
  const target = `127.0.0.1:${channelServer.port}`;
  const channels = connectChannels(
    ['wechat', 'wechat-2'].map((channelId) => ({ channelId, target })),
    lanes.channel,
    clock,
  );
  const checkedLater: string[] = [];
  const checkLater = {
    payment: (orderNo: string) => void checkedLater.push(`payment ${orderNo}`),
    refund: (refundNo: string) => void checkedLater.push(`refund ${refundNo}`),
  };
  const stop = new AbortController();
  const health = watchAccountHealth({
    others: { table: () => table, hearsay: () => undefined },
    laneOf: (channelId) => channels.find(channelId)?.lanes.pay,
    clock,
    log,
    signal: stop.signal,
  });
  const routes = createRoutes({ table: () => table }, health, random);
  const carrier = createCarrier({
    orderStore,
    channels,
    routes,
    health,
    checkLater,
    notifyBaseUrl,
    clock,
    random,
    log,
  });
  const server = await startServer(
    [
      bind(
        CashierService,
        createCashierService({
          orderStore,
          take: createPaymentTaker({ orderStore, routes, carrier, clock, random }),
          continuePayment: createPaymentContinuer({ orderStore, routes, carrier, clock }),
          close: createPaymentCloser({ orderStore, channels, checkLater, clock, log }),
          refund: createRefunder({
            orderStore,
            channels,
            checkLater,
            rules: () => refundRules,
            notifyBaseUrl,
            clock: { ...clock, nowMs: () => clock.nowMs() + laterMs() },
            log,
          }),
          clock,
        }),
      ),
    ],
    log,
  );
  const cashier = createClient(CashierService, { target: `127.0.0.1:${server.port}`, caller: 'till', capMs: 20_000 });
  return {
    cashier,
    store,
    channel,
    checkedLater,
    logLines: lines,
    killChannel: () => channelServer.drain(0),
    close: async () => {
      stop.abort();
      cashier.close();
      await server.drain(0);
      orderStore.close();
      channels.close();
      await Promise.all([storeServer.drain(0), channelServer.drain(0)]);
    },
  };
};
