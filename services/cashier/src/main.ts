import { repeat, systemClock, systemRandom } from '@tillmesh/clock';
import { createChangedConfig, loadConfig } from '@tillmesh/config';
import { openRedis } from '@tillmesh/delay-queue';
import { bindLanes } from '@tillmesh/lane-control';
import { CashierService } from '@tillmesh/proto/tillmesh/cashier/v1/cashier_service_pb.ts';
import { OneCodeService } from '@tillmesh/proto/tillmesh/onecode/v1/one_code_service_pb.ts';
import { OrderStoreService } from '@tillmesh/proto/tillmesh/orderstore/v1/order_store_service_pb.ts';
import { RoutingService } from '@tillmesh/proto/tillmesh/routing/v1/routing_service_pb.ts';
import { createRateLimiter } from '@tillmesh/rate-limits';
import { bind, createClient, runService } from '@tillmesh/rpc';
import { watchAccountHealth } from './account-health.ts';
import { createCarrier } from './carry-payment.ts';
import { createCashierService } from './cashier-service.ts';
import { connectChannels } from './channels.ts';
import { createCheckLater } from './check-later.ts';
import { createRoutes } from './choose-route.ts';
import { createPaymentCloser } from './close-payment.ts';
import { CashierConfig } from './config.ts';
import { createPaymentContinuer } from './continue-payment.ts';
import { createPaymentTaker } from './create-payment.ts';
import { createLanes } from './lanes.ts';
import { limitCalls, limitOneCodes } from './limit-calls.ts';
import { createCodeBook } from './one-code/code-book.ts';
import { createOneCodeService } from './one-code/one-code-service.ts';
import { createRefunder } from './refund-payment.ts';
import { reportHealth } from './report-health.ts';
import { followRouting } from './routing-feed.ts';

/** Between two looks at the file of the configuration, ms. */
const LOOK_EVERY_MS = 1_000;

await runService({
  name: 'cashier',
  version: '0.1.0',
  load: (env) => {
    const read = () => loadConfig(CashierConfig, env);
    const config = read();
    // Limits are changed while payments are taken; everything else is read once.
    return { ...config, changed: createChangedConfig(env['TILLMESH_CONFIG'] ?? '', read) };
  },
  build: async (config, log, stop) => {
    const clock = systemClock;
    const random = systemRandom;
    const instance = `${config.server.host}:${config.server.port}`;
    const lanes = createLanes(clock);
    const orderStore = createClient(OrderStoreService, {
      target: config.orderStore.target,
      caller: 'cashier',
      capMs: 3_000,
      passage: lanes.orderStore,
      clock,
    });
    const routing = createClient(RoutingService, {
      target: config.routing.target,
      caller: 'cashier',
      capMs: 5_000,
      clock,
    });
    const channels = connectChannels(config.channels, lanes.channel, clock);
    const redis = config.redis === undefined ? undefined : openRedis(config.redis, log);
    const checkLater = createCheckLater(redis);
    const { snapshotFile } = config.routing;
    // Another start counts what it lets accounts take anew.
    const reporter = `${instance}.${random.hex(4)}`;
    const feed = followRouting({ routing, snapshotFile, reporter, clock, log, signal: stop });
    const laneOf = (channelId: string) => channels.find(channelId)?.lanes.pay;
    const health = watchAccountHealth({ others: feed, laneOf, clock, log, signal: stop });
    reportHealth({ routing, health, reporter, clock, log, signal: stop });
    const routes = createRoutes(feed, health, random);
    let { rateLimits, refundRules } = config;
    const limiter = createRateLimiter({ redis, processes: () => rateLimits.processes, clock });
    const followLimits = (): Promise<void> => {
      const onError = (error: unknown): void =>
        log.error({ err: error }, 'the configuration cannot be read again; limits and rules stay as they are');
      const task = async (): Promise<void> => {
        const changed = config.changed();
        if (changed === undefined) return;
        ({ rateLimits, refundRules } = changed);
        log.info({ rateLimits, refundRules }, 'limits and rules of refunds read again');
      };
      return repeat({ clock, everyMs: LOOK_EVERY_MS, signal: stop, task, onError });
    };
    const { notifyBaseUrl } = config;
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
    const take = createPaymentTaker({ orderStore, routes, carrier, clock, random });
    const oneCodes =
      config.oneCode === undefined || redis === undefined
        ? []
        : [
            bind(
              OneCodeService,
              limitOneCodes(
                createOneCodeService({
                  baseUrl: config.oneCode.baseUrl,
                  codes: createCodeBook(redis, clock, random),
                  routes,
                  channels,
                  orderStore,
                  take,
                  clock,
                }),
                limiter,
                () => rateLimits,
              ),
              { createOneCode: 'payment', beginOneCode: 'payment', payOneCode: 'payment', getOneCode: 'query' },
            ),
          ];
    return {
      services: [
        ...oneCodes,
        bind(
          CashierService,
          limitCalls(
            createCashierService({
              orderStore,
              take,
              continuePayment: createPaymentContinuer({ orderStore, routes, carrier, clock }),
              close: createPaymentCloser({ orderStore, channels, checkLater, clock, log }),
              refund: createRefunder({
                orderStore,
                channels,
                checkLater,
                rules: () => refundRules,
                notifyBaseUrl,
                clock,
                log,
              }),
              clock,
            }),
            limiter,
            () => rateLimits,
          ),
          {
            createPayment: 'payment',
            continuePayment: 'payment',
            closePayment: 'payment',
            createRefund: 'refund',
            getPayment: 'query',
            getRefund: 'query',
            watchPayment: 'query',
          },
        ),
        bindLanes({ service: 'cashier', instance, clock, log }),
      ],
      // A payment under way at SIGTERM is carried to its answer.
      begin: (waitsFor) => {
        waitsFor('no routing table was heard yet, and none is kept from an earlier start: waits for routing');
        followLimits().catch((error: unknown) => log.fatal({ err: error }, 'limits are followed no more'));
        return feed.ready();
      },
      end: async () => {
        orderStore.close();
        routing.close();
        channels.close();
        redis?.close();
      },
    };
  },
});
