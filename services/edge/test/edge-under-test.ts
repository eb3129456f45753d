import { connect } from 'node:net';
import { systemClock } from '@tillmesh/clock';
import { ChannelService } from '@tillmesh/proto/tillmesh/channel/v1/channel_service_pb.ts';
import { OrderStoreService } from '@tillmesh/proto/tillmesh/orderstore/v1/order_store_service_pb.ts';
import { type bind, createClient, createClients, type RpcServer, serve } from '@tillmesh/rpc';
import { createLog, metricsText } from '@tillmesh/telemetry';
import { createNotificationApplier } from '../src/apply-notification.ts';
import { type HttpServer, type HttpSettings, startHttpServer } from '../src/http-server.ts';
import { createLanes } from '../src/lanes.ts';
import { createCollectingLog } from './collecting-log.ts';
import { createNotifiedOrders, type NotifiedOrders } from './notified-orders.ts';
import { createSigningChannel, type News, type SigningChannel } from './signing-channel.ts';

export type Reply = { readonly status: number; readonly contentType: string; readonly text: string };

export type EdgeUnderTest = {
  readonly http: HttpServer;
  readonly store: NotifiedOrders;
  readonly wechat: SigningChannel;
  readonly alipay: SigningChannel;
  readonly logLines: string[];
  /** Sends a request and waits for its answer. */
  send(path: string, request?: RequestInit): Promise<Reply>;
  /** Sends what WeChat would send. */
  notify(news: News, path?: string): Promise<Reply>;
  /** Sends these bytes on a connection of their own; the text is all that came back when the connection ended. */
  converse(talk: (write: (text: string) => void) => Promise<void> | void): Promise<string>;
  /** Ends a neighbour's process, as kill -9 would. */
  kill(neighbour: 'order-store' | 'wechat' | 'alipay'): Promise<void>;
  close(): Promise<void>;
};

const SETTINGS: HttpSettings = { host: '127.0.0.1', port: 0, bodyBytesMax: 131_072, requestsMax: 256 };

/** The edge as main.ts wires it, between two channels that sign and an order store in memory. */
export const startEdge = async (settings: Partial<HttpSettings> = {}): Promise<EdgeUnderTest> => {
  const clock = systemClock;
  const { log, lines } = createCollectingLog();
  const silent = createLog('test', 'silent');
  const store = createNotifiedOrders();
  const wechat = createSigningChannel('wechat', ['wechat-a', 'wechat-b']);
  const alipay = createSigningChannel('alipay', ['alipay-a']);
  const listen = (service: Parameters<typeof bind>[0], handlers: object): Promise<RpcServer> =>
    serve({
      services: [{ service, handlers: { ...handlers }, priorities: {} }],
      host: '127.0.0.1',
      port: 0,
      log: silent,
    });
  const servers = {
    'order-store': await listen(OrderStoreService, store.handlers),
    wechat: await listen(ChannelService, wechat.handlers),
    alipay: await listen(ChannelService, alipay.handlers),
  };
  const lanes = createLanes(clock);
  const orderStore = createClient(OrderStoreService, {
    target: `127.0.0.1:${servers['order-store'].port}`,
    caller: 'edge',
    capMs: 2_500,
    passage: lanes.orderStore,
  });
  const channels = createClients(
    ChannelService,
    [
      { id: 'wechat', target: `127.0.0.1:${servers.wechat.port}` },
      { id: 'alipay', target: `127.0.0.1:${servers.alipay.port}` },
    ],
    { caller: 'edge', capMs: 2_500 },
  );
  const notifyLanes = new Map(channels.ids.map((id) => [id, lanes.notify(id)]));
  const laneOf = (channelId: string) => notifyLanes.get(channelId) ?? lanes.notify('unknown');
  const apply = createNotificationApplier({ orderStore, channels, laneOf, clock, log });
  const http = await startHttpServer({ settings: { ...SETTINGS, ...settings }, apply, clock, log });

  const send = async (path: string, request: RequestInit = {}): Promise<Reply> => {
    const response = await fetch(`http://127.0.0.1:${http.port}${path}`, { method: 'POST', ...request });
    return {
      status: response.status,
      contentType: response.headers.get('content-type') ?? '',
      text: await response.text(),
    };
  };
  return {
    http,
    store,
    wechat,
    alipay,
    logLines: lines,
    send,
    notify: (news, path = '/notify/wechat/wechat-a') => send(path, wechat.notification(news)),
    converse: async (talk) => {
      const socket = connect(http.port, '127.0.0.1');
      let heard = '';
      const ended = new Promise<void>((resolve) => socket.once('close', () => resolve()));
      socket.on('data', (chunk: Buffer) => {
        heard += chunk.toString();
      });
      // A connection that the server cuts ends like any other.
      socket.on('error', () => undefined);
      await talk((text) => void socket.write(text));
      await ended;
      return heard;
    },
    kill: (neighbour) => servers[neighbour].drain(0),
    close: async () => {
      await http.close();
      orderStore.close();
      channels.close();
      await Promise.all(Object.values(servers).map((server) => server.drain(0)));
    },
  };
};

/** The value of a counter with exactly these labels; 0 while it has none. */
export const countOf = async (name: string, labels: Readonly<Record<string, string>>): Promise<number> => {
  const text = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  const line = (await metricsText()).split('\n').find((entry) => entry.startsWith(`${name}{${text.join(',')}} `));
  return Number(line?.split(' ').at(-1) ?? 0);
};
