import { bindAlarms, createAlarms } from '@tillmesh/alarms';
import { systemClock, systemRandom, untilSucceeds } from '@tillmesh/clock';
import { loadConfig } from '@tillmesh/config';
import { bindLanes } from '@tillmesh/lane-control';
import { createEventStore } from '@tillmesh/merchant-events';
import { createOrderReader, followGroups } from '@tillmesh/order-groups';
import { NotifierService } from '@tillmesh/proto/tillmesh/notify/v1/notifier_service_pb.ts';
import { RoutingService } from '@tillmesh/proto/tillmesh/routing/v1/routing_service_pb.ts';
import { bind, createClient, runService } from '@tillmesh/rpc';
import { counter, gauge, withoutSpans } from '@tillmesh/telemetry';
import { createAddressGuard } from './address-guard.ts';
import { NotifierConfig } from './config.ts';
import { openDeliveryQueue } from './delivery-queue.ts';
import { createEndpointLanes } from './endpoint-lanes.ts';
import { followEndpoints } from './endpoints.ts';
import { createLanes } from './lanes.ts';
import { createNotifierService } from './notifier-service.ts';
import { createRecorder } from './record-events.ts';
import { sweepDeliveries } from './sweep-deliveries.ts';
import { createTeller, type DeadLetterAlarm } from './tell-merchant.ts';
import { createWebhookSender } from './webhook-sender.ts';

const PREPARE_EVERY_MS = 1_000;
/** Beside the sending itself: reading the payment at two servers, a second in the lane's queue, and writing what came of it. */
const AROUND_SENDING_MS = 8_000;

const lagGauge = gauge('tillmesh_notifier_lag_ms', 'How far what merchants are told of is behind a group.', ['group']);
const gapsGauge = gauge('tillmesh_notifier_gaps', 'Ids of a group that were passed over and are looked for.', [
  'group',
]);
const deadLetters = counter('tillmesh_webhooks_dead_total', 'Webhooks that were given up: somebody has to look.', [
  'kind',
]);

await runService({
  name: 'notifier',
  version: '0.1.0',
  load: (env) => loadConfig(NotifierConfig, env),
  build: async (config, log, stop) => {
    const clock = systemClock;
    const { keys, allowPlainHttp, allowedNetworks, authorityFile, timeoutMs, retryTimeScale } = config.webhooks;
    const orders = createOrderReader({ config: config.orders, clock, log });
    const store = createEventStore({ config: config.store, clock });
    const queue = openDeliveryQueue({ redis: config.redis, concurrent: config.deliveriesMax, clock, log });
    const sender = createWebhookSender({
      guard: createAddressGuard(allowedNetworks),
      allowPlainHttp,
      authority: authorityFile?.reveal(),
    });
    const routing = createClient(RoutingService, { target: config.routing.target, caller: 'notifier', capMs: 3_000 });
    const endpoints = followEndpoints({ routing, clock, log, signal: stop });
    const lanes = createEndpointLanes(createLanes(clock, timeoutMs).endpoint);
    const { changes } = orders;
    const alarms = createAlarms({ service: 'notifier', config: config.alarms, clock, log });

    const onDead = (alarm: DeadLetterAlarm): void => {
      deadLetters.add({ kind: alarm.kind });
      const { merchantId, endpointId, eventId, attempts, why } = alarm;
      // One alarm for an endpoint, however many events it does not take.
      alarms.raise({
        name: 'webhook_dead_lettered',
        severity: 'urgent',
        labels: { merchant: merchantId, endpoint: endpointId },
        summary: `${eventId} was given up after ${attempts} tries: ${why}`,
      });
      log.error(
        { alarm: 'webhook_dead_lettered', ...alarm },
        'a webhook was given up; replay it when its endpoint is well',
      );
    };

    const tell = createTeller({
      store,
      changes,
      endpoints,
      laneOf: lanes.of,
      sender,
      keys,
      claimMs: timeoutMs + AROUND_SENDING_MS,
      retryTimeScale,
      onDead,
      claimer: systemRandom.hex(16),
      clock,
      random: systemRandom,
    });
    let lookNow = (): void => undefined;

    const begin = (): void => {
      // A telling belongs to the trace of no call.
      queue.work((chain) => withoutSpans(() => tell(chain)));
      lookNow = sweepDeliveries({ store, queue, everyMs: config.sweepEveryMs, clock, log, signal: stop });
      followGroups(changes.tags, {
        // A new order is nothing that merchants are told of.
        streams: ['changes'],
        changes,
        places: store,
        take: createRecorder({ changes, store, endpoints, queue }),
        onLook: (tag, { lagMs, gaps }) => {
          lagGauge.set({ group: String(tag) }, lagMs);
          gapsGauge.set({ group: String(tag) }, gaps);
        },
        settings: { everyMs: config.everyMs, changesMax: config.changesMax, saveEveryMs: config.saveEveryMs },
        clock,
        log,
        signal: stop,
      }).catch((error: unknown) => log.fatal({ err: error }, 'no group is followed any more'));
    };

    /** Store and routing may be away when we start: before both were there nothing can be recorded. */
    const prepareAndBegin = async (): Promise<void> => {
      const isPrepared = await untilSucceeds({
        clock,
        everyMs: PREPARE_EVERY_MS,
        signal: stop,
        task: store.prepare,
        onError: (error) => log.warn({ err: error }, 'the store of events is away; merchants are told later'),
      });
      if (!isPrepared) return;
      await endpoints.ready();
      if (!stop.aborted) begin();
    };

    return {
      services: [
        bind(NotifierService, createNotifierService({ store, endpoints, lanes, lookNow: () => lookNow(), clock, log })),
        bindAlarms(alarms),
        bindLanes({ service: 'notifier', instance: `${config.server.host}:${config.server.port}`, clock, log }),
      ],
      begin: async () => {
        await orders.look();
        prepareAndBegin().catch((error: unknown) => log.fatal({ err: error }, 'merchants are not told'));
      },
      end: async () => {
        await queue.close();
        await sender.close();
        await alarms.close();
        routing.close();
        await orders.close();
        store.close();
      },
    };
  },
});
