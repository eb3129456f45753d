import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { seededRandom } from '@tillmesh/clock';
import { startMesh } from '@tillmesh/local-mesh';
import { CashierService } from '@tillmesh/proto/tillmesh/cashier/v1/cashier_service_pb.ts';
import { NotifierService } from '@tillmesh/proto/tillmesh/notify/v1/notifier_service_pb.ts';
import { PaymentState } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { createClient } from '@tillmesh/rpc';
import { startChannelLoad } from './channels/channel-load.ts';
import { percentile } from './channels/hang-phase.ts';
import type { Drill } from './drill.ts';
import { type Arrival, startEndpoints } from './merchants/endpoints.ts';

const MERCHANTS = 200;
const DEAD = 'merchant-1';
/** Its share of all payments: what it is owed is more than its lane holds. */
const DEAD_SHARE = 0.1;
/** Every so many-th payment is given back in part. */
const REFUND_EVERY = 8;
const WARM_UP_MS = 10_000;
const REFUNDS_EVERY_MS = 250;
/** The dead one is well again: what it is owed waits for its next try, at most a minute, and for the lane. */
const TOLD_WITHIN_MS = 90_000;

const merchantIds = Array.from({ length: MERCHANTS }, (_, place) => `merchant-${place + 1}`);
const SUCCEEDED = 'MERCHANT_EVENT_KIND_PAYMENT_SUCCEEDED';

/** In what order events of a payment reached their merchant first: a refund before its payment is wrong. */
const outOfOrder = (arrivals: readonly Arrival[]): number => {
  const acknowledged = new Set<string>();
  let wrong = 0;
  for (const { orderNo, kind, acknowledged: taken } of arrivals) {
    if (kind === SUCCEEDED && taken) acknowledged.add(orderNo);
    else if (kind !== SUCCEEDED && !acknowledged.has(orderNo)) wrong += 1;
  }
  return wrong;
};

/** The delay of each event's first arrival, of those that happened in a time. */
const delaysOf = (arrivals: readonly Arrival[], fromMs: number, toMs: number): readonly number[] => {
  const first = new Map<string, Arrival>();
  for (const arrival of arrivals) if (!first.has(arrival.eventId)) first.set(arrival.eventId, arrival);
  return [...first.values()]
    .filter(({ happenedAtMs }) => happenedAtMs >= fromMs && happenedAtMs < toMs)
    .map(({ delayMs }) => delayMs);
};

const p99 = (delays: readonly number[]): number => percentile(delays, 0.99);

/** One of 200 merchants' endpoints takes connections and never answers: the others are told as before. */
export const deadMerchant: Drill = {
  name: 'dead-merchant',
  title: `one of ${MERCHANTS} merchants' endpoints hangs: the others are told of their payments as before`,
  defaults: { seconds: 40, rate: 20 },
  run: async ({ seconds, rate, seed, folder, env, clock, onProgress }) => {
    const secret = `whsec_${randomBytes(32).toString('base64')}`;
    const pair = generateKeyPairSync('ed25519');
    const publicKey = pair.publicKey.export({ type: 'spki', format: 'pem' }).toString();
    writeFileSync(join(folder, 'webhook-hmac'), secret, { mode: 0o600 });
    writeFileSync(join(folder, 'webhook-ed25519'), pair.privateKey.export({ type: 'pkcs8', format: 'pem' }), {
      mode: 0o600,
    });
    const isHmac = (merchantId: string): boolean => merchantIds.indexOf(merchantId) % 2 === 0;
    const endpoints = await startEndpoints(merchantIds, (id) => (isHmac(id) ? { secret } : { publicKey }), clock);
    const mesh = await startMesh({
      folder,
      env,
      clock,
      logLevel: 'warn',
      services: ['sandbox', 'order-store', 'notifier', 'routing', 'channel-wechat', 'cashier', 'syncer'],
      settings: {
        'routing-table': {
          merchants: merchantIds.map((merchantId) => ({
            merchantId,
            accountIds: ['wechat-a'],
            webhooks: [
              {
                endpointId: 'main',
                url: endpoints.urlOf(merchantId),
                signing: isHmac(merchantId) ? 'hmac-sha256' : 'ed25519',
                keyIds: [isHmac(merchantId) ? 'hmac' : 'ed25519'],
              },
            ],
          })),
        },
        notifier: {
          webhooks: {
            keys: [
              { keyId: 'hmac', signing: 'hmac-sha256', keyFile: join(folder, 'webhook-hmac') },
              { keyId: 'ed25519', signing: 'ed25519', keyFile: join(folder, 'webhook-ed25519') },
            ],
            allowPlainHttp: true,
            allowedNetworks: ['127.0.0.1/32'],
          },
        },
      },
      onProgress,
    });
    const client = { caller: 'drill', capMs: 20_000, clock };
    const cashier = createClient(CashierService, { target: mesh.target('cashier'), ...client });
    const notifier = createClient(NotifierService, { target: mesh.address('notifier'), ...client });
    try {
      const load = await startChannelLoad({
        mesh,
        sources: merchantIds.map((merchantId) => ({
          channelId: 'wechat',
          wallet: 'wechat',
          accountId: 'wechat-a',
          merchantId,
        })),
        rate: (rate * (1 - DEAD_SHARE)) / (MERCHANTS - 1),
        random: seededRandom(seed),
        clock,
        beganMs: clock.monotonicMs(),
        repeats: true,
      });
      load.setRate(DEAD, rate * DEAD_SHARE);

      const refunded = new Set<string>();
      let looked = 0;
      const refundSome = async (): Promise<void> => {
        const fresh = load.samples.slice(looked).filter((_, place) => (looked + place) % REFUND_EVERY === 0);
        // The last ones may not be answered yet: they are not given back.
        looked = load.samples.length;
        await Promise.all(
          fresh.map(async ({ answer }) => {
            if (answer?.state !== PaymentState.SUCCEEDED) return;
            const { refund } = await cashier.createRefund({
              payment: { ref: { case: 'orderNo', value: answer.orderNo } },
              merchantRefundNo: `back-${answer.orderNo}`,
              amount: { currency: 'CNY', minorUnits: 1n },
              reason: 'drill',
            });
            // It ends well or not; its merchant hears of either.
            if (refund !== undefined) refunded.add(answer.orderNo);
          }),
        );
      };
      let stopped = false;
      let failedRefunds = 0;
      const refunding = (async () => {
        while (!stopped) {
          await clock.sleep(REFUNDS_EVERY_MS);
          await refundSome().catch(() => {
            failedRefunds += 1;
          });
        }
      })();

      await clock.sleep(WARM_UP_MS);
      const halfMs = (seconds / 2) * 1_000;
      const baselineFromMs = clock.nowMs();
      onProgress(`all ${MERCHANTS} endpoints answer, for ${seconds / 2} s`);
      await clock.sleep(halfMs);
      const hangFromMs = clock.nowMs();
      endpoints.hang(DEAD, true);
      onProgress(`${DEAD}, with ${DEAD_SHARE * 100} % of the payments, answers nothing any more, for ${seconds} s`);
      await clock.sleep(seconds * 1_000);
      const hangToMs = clock.nowMs();
      const owed = await notifier.getDeliveries({ merchantId: DEAD });
      endpoints.hang(DEAD, false);
      onProgress(`${DEAD} answers again; ${owed.waiting} events wait for it`);
      await clock.sleep(halfMs);
      const baselineToMs = clock.nowMs();
      stopped = true;
      await Promise.all([refunding, load.stop()]);

      const paid = load.samples.flatMap(({ answer }) =>
        answer?.state === PaymentState.SUCCEEDED ? [answer.orderNo] : [],
      );
      const missing = (): readonly string[] => {
        const told = new Set(
          endpoints.arrivals
            .filter(({ acknowledged }) => acknowledged)
            .map(({ orderNo, kind }) => `${orderNo} ${kind === SUCCEEDED ? 'paid' : 'refunded'}`),
        );
        return [
          ...paid.map((orderNo) => `${orderNo} paid`),
          ...[...refunded].map((orderNo) => `${orderNo} refunded`),
        ].filter((each) => !told.has(each));
      };
      const deadlineMs = clock.monotonicMs() + TOLD_WITHIN_MS;
      while (missing().length > 0 && clock.monotonicMs() < deadlineMs) await clock.sleep(250);
      const untold = missing();

      const others = endpoints.arrivals.filter(({ merchantId }) => merchantId !== DEAD);
      const before = delaysOf(others, baselineFromMs, hangFromMs);
      const during = delaysOf(others, hangFromMs, hangToMs);
      const after = delaysOf(others, hangToMs, baselineToMs);
      const baseline = [...before, ...after];
      const events = new Set(endpoints.arrivals.map(({ eventId }) => eventId));
      const forged = endpoints.arrivals.filter(({ genuine }) => !genuine).length;
      const ratio = Number((p99(during) / p99(baseline)).toFixed(3));
      return {
        conditions: {
          merchants: MERCHANTS,
          seconds_hanging: seconds,
          payments_a_second: rate,
          share_of_the_dead: DEAD_SHARE,
        },
        figures: {
          payments: paid.length,
          refunds: refunded.size,
          events: events.size,
          webhooks: endpoints.arrivals.length,
          events_of_the_others_baseline: baseline.length,
          events_of_the_others_during: during.length,
          p50_before_ms: percentile(before, 0.5),
          p50_after_ms: percentile(after, 0.5),
          p50_baseline_ms: percentile(baseline, 0.5),
          p50_during_ms: percentile(during, 0.5),
          p99_before_ms: p99(before),
          p99_after_ms: p99(after),
          p99_baseline_ms: p99(baseline),
          p99_during_ms: p99(during),
          waited_for_the_dead: Number(owed.waiting),
          refund_calls_failed: failedRefunds,
        },
        targets: [
          { name: "the others' p99 against their own baseline", measured: ratio, op: '<=', target: 1.1 },
          // Without it the run would show nothing.
          {
            name: 'events that waited for the dead one',
            measured: Number(owed.waiting),
            op: '>=',
            target: seconds * rate * DEAD_SHARE * 0.5,
          },
          { name: 'events that nobody was told of', measured: untold.length, op: '==', target: 0 },
          { name: 'refunds told before their payment', measured: outOfOrder(endpoints.arrivals), op: '==', target: 0 },
          { name: 'signatures that do not fit', measured: forged, op: '==', target: 0 },
          {
            name: 'dead letters',
            measured: Number((await notifier.getDeliveries({ merchantId: DEAD })).dead),
            op: '==',
            target: 0,
          },
        ],
        lines: [
          `${paid.length} payments and ${refunded.size} refunds of ${MERCHANTS} merchants, told by ${endpoints.arrivals.length} webhooks`,
          `the others, from the change to their program: p50 ${percentile(during, 0.5)} ms, p99 ${p99(during)} ms while one hung; p50 ${percentile(baseline, 0.5)} ms, p99 ${p99(baseline)} ms before and after (${p99(before)} and ${p99(after)})`,
          ...untold.slice(0, 20).map((each) => `✗ nobody was told: ${each}`),
        ],
      };
    } finally {
      cashier.close();
      notifier.close();
      await mesh.stop();
      await endpoints.close();
    }
  },
};
