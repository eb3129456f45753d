import { systemClock } from '@tillmesh/clock';
import { loadConfig } from '@tillmesh/config';
import { bindLanes } from '@tillmesh/lane-control';
import { ChannelService } from '@tillmesh/proto/tillmesh/channel/v1/channel_service_pb.ts';
import { OrderStoreService } from '@tillmesh/proto/tillmesh/orderstore/v1/order_store_service_pb.ts';
import { createClient, createClients, runService } from '@tillmesh/rpc';
import { createNotificationApplier } from './apply-notification.ts';
import { EdgeConfig } from './config.ts';
import { type HttpServer, startHttpServer } from './http-server.ts';
import { createLanes } from './lanes.ts';

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
        http = await startHttpServer({ settings: config.http, apply, clock, log });
        log.info({ port: http.port }, 'channels may notify');
      },
      end: async () => {
        await http?.close();
        orderStore.close();
        channels.close();
      },
    };
  },
});
