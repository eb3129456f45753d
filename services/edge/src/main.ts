import { systemClock, systemRandom } from '@tillmesh/clock';
import { loadConfig } from '@tillmesh/config';
import { bindLanes } from '@tillmesh/lane-control';
import { ChannelService } from '@tillmesh/proto/tillmesh/channel/v1/channel_service_pb.ts';
import { OneCodeService } from '@tillmesh/proto/tillmesh/onecode/v1/one_code_service_pb.ts';
import { OrderStoreService } from '@tillmesh/proto/tillmesh/orderstore/v1/order_store_service_pb.ts';
import { createClient, createClients, runService } from '@tillmesh/rpc';
import { createNotificationApplier } from './apply-notification.ts';
import { EdgeConfig } from './config.ts';
import { type HttpServer, startHttpServer } from './http-server.ts';
import { createLanes } from './lanes.ts';
import { createOneCodePages } from './one-code/handle-one-code.ts';

await runService({
  name: 'edge',
  version: '0.1.0',
  load: (env) => loadConfig(EdgeConfig, env),
  build: async (config, log) => {
    const clock = systemClock;
    const lanes = createLanes(clock);
    const orderStore = createClient(OrderStoreService, {
      target: config.orderStore.target,
      caller: 'edge',
      capMs: 2_500,
      passage: lanes.orderStore,
    });
    const channels = createClients(
      ChannelService,
      config.channels.map(({ channelId, target }) => ({ id: channelId, target })),
      { caller: 'edge', capMs: 2_500 },
    );
    const notifyLanes = new Map(channels.ids.map((id) => [id, lanes.notify(id)]));
    const apply = createNotificationApplier({
      orderStore,
      channels,
      laneOf: (channelId) => notifyLanes.get(channelId) ?? lanes.notify('unknown'),
      clock,
      log,
    });
    const { oneCode } = config;
    const oneCodes =
      oneCode === undefined
        ? undefined
        : createClient(OneCodeService, {
            target: oneCode.cashier,
            caller: 'edge',
            capMs: 20_000,
            passage: lanes.cashier,
          });
    const pages =
      oneCode === undefined || oneCodes === undefined
        ? undefined
        : {
            path: new URL(oneCode.publicUrl).pathname,
            clientIpHeader: oneCode.clientIpHeader,
            answer: createOneCodePages({ oneCodes, publicUrl: oneCode.publicUrl, clock, random: systemRandom, log }),
          };
    let http: HttpServer | undefined;
    return {
      services: [
        bindLanes({
          service: 'edge',
          instance: `${config.server.host}:${config.server.port}`,
          clock,
          log,
        }),
      ],
      begin: async () => {
        http = await startHttpServer({ settings: config.http, apply, pages, clock, log });
        log.info({ port: http.port }, 'channels may notify');
      },
      end: async () => {
        await http?.close();
        orderStore.close();
        oneCodes?.close();
        channels.close();
      },
    };
  },
});
