import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@tillmesh/clock';
import { MERCHANTS, type Mesh, startMesh } from '@tillmesh/local-mesh';
import { CashierService } from '@tillmesh/proto/tillmesh/cashier/v1/cashier_service_pb.ts';
import { MerchantEventKind } from '@tillmesh/proto/tillmesh/notify/v1/merchant_event_pb.ts';
import { NotifierService } from '@tillmesh/proto/tillmesh/notify/v1/notifier_service_pb.ts';
import { PaymentKind, PaymentState, Wallet } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { QueryService } from '@tillmesh/proto/tillmesh/query/v1/query_service_pb.ts';
import { createClient, type RpcClient } from '@tillmesh/rpc';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { acknowledge, type Receiver, startReceiver } from './webhooks/receiver.ts';

const clock = systemClock;
const folder = mkdtempSync(join(tmpdir(), 'tillmesh-webhooks-'));
const SECRET = `whsec_${Buffer.from('of this test, and of nothing else').toString('base64')}`;
const [CAFE, BOOKS] = ['demo-cafe', 'demo-books'];
/** What in earnest waits 10 s waits 100 ms, and 14 tries take some 14 minutes. */
const RETRY_TIME_SCALE = 0.01;

let mesh: Mesh;
let cafe: Receiver;
let books: Receiver;
let cashier: RpcClient<typeof CashierService>;
let notifier: RpcClient<typeof NotifierService>;
let query: RpcClient<typeof QueryService>;

beforeAll(async () => {
  [cafe, books] = await Promise.all([startReceiver(SECRET), startReceiver(SECRET)]);
  writeFileSync(join(folder, 'webhook-key'), `${SECRET}\n`, { mode: 0o600 });
  const webhook = (endpointId: string, url: string) => ({ endpointId, url, signing: 'hmac-sha256', keyIds: ['test'] });
  mesh = await startMesh({
    folder,
    env: process.env,
    clock,
    services: [
      'sandbox',
      'order-store',
      'query',
      'notifier',
      'routing',
      'channel-wechat',
      'channel-alipay',
      'cashier',
      'syncer',
      'edge',
    ],
    settings: {
      'routing-table': {
        merchants: MERCHANTS.map(({ merchantId, displayName }) => ({
          merchantId,
          displayName,
          accountIds: ['wechat-a', 'alipay-a'],
          webhooks: [webhook('shop', merchantId === CAFE ? cafe.url : books.url)],
        })),
        // The other channels' accounts are of no use here.
        accounts: [
          { accountId: 'wechat-a', channelId: 'wechat', wallets: ['wechat'] },
          { accountId: 'alipay-a', channelId: 'alipay', wallets: ['alipay'] },
        ].map((account) => ({
          ...account,
          kinds: ['payment_code', 'merchant_qr'],
          currencies: ['CNY'],
          amountMax: 100_000,
        })),
      },
      notifier: {
        webhooks: {
          keys: [{ keyId: 'test', signing: 'hmac-sha256', keyFile: join(folder, 'webhook-key') }],
          allowPlainHttp: true,
          allowedNetworks: ['127.0.0.1/32'],
          timeoutMs: 1_000,
          retryTimeScale: RETRY_TIME_SCALE,
        },
      },
    },
  });
  const options = { caller: 'test', capMs: 20_000, clock };
  cashier = createClient(CashierService, { target: mesh.address('cashier'), ...options });
  notifier = createClient(NotifierService, { target: mesh.address('notifier'), ...options });
  query = createClient(QueryService, { target: mesh.address('query'), ...options });
  const answer = await fetch(`http://${mesh.address('sandbox-control')}/control/payment-codes`, {
    method: 'POST',
    body: JSON.stringify({ wallet: 'wechat', count: 50, validForSeconds: 3_600 }),
    headers: { 'content-type': 'application/json' },
  });
  const made = (await answer.json()) as { readonly codes: readonly { readonly paymentCode: string }[] };
  codes.push(...made.codes.map(({ paymentCode }) => paymentCode));
}, 180_000);

afterAll(async () => {
  for (const client of [cashier, notifier, query]) client.close();
  await mesh.stop();
  await Promise.all([cafe.close(), books.close()]);
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

/** Everything that waits there is gone, and the process knows nothing of it. */
const emptyRedis = (): Promise<void> =>
  new Promise((resolve, reject) => {
    const socket = connect(mesh.stack.redis?.port ?? 0, '127.0.0.1', () => void socket.write('FLUSHALL\r\n'));
    socket.once('error', reject);
    socket.once('data', (answer) => {
      socket.destroy();
      if (answer.toString().startsWith('+OK')) resolve();
      else reject(new Error(answer.toString()));
    });
  });

let number = 0;
const codes: string[] = [];
/** Takes a payment by a code that the simulated WeChat accepts. */
const pay = async (merchantId: string): Promise<string> => {
  number += 1;
  const { payment } = await cashier.createPayment({
    merchantId,
    merchantOrderNo: `hook-${number}`,
    amount: { currency: 'CNY', minorUnits: 100n },
    kind: PaymentKind.PAYMENT_CODE,
    wallet: Wallet.WECHAT,
    paymentCode: codes.pop() ?? '',
    subject: 'Tea',
  });
  expect(payment?.state).toBe(PaymentState.SUCCEEDED);
  return payment?.orderNo ?? '';
};
const refund = (orderNo: string) =>
  cashier.createRefund({
    payment: { ref: { case: 'orderNo', value: orderNo } },
    merchantRefundNo: `back-${orderNo}`,
    amount: { currency: 'CNY', minorUnits: 40n },
    reason: 'cold',
  });
const kindsOf = (receiver: Receiver, orderNo: string): string[] =>
  receiver.received
    .filter(({ event }) => event.payment.order_no === orderNo)
    .map(({ event }) => event.kind.replace('MERCHANT_EVENT_KIND_', '').toLowerCase());
const within = { timeout: 20_000, interval: 20 };

describe('a merchant', () => {
  test('is told of a payment and of its refund, in order, signed, each with the rows as they are', async () => {
    const orderNo = await pay(CAFE);
    await expect.poll(() => kindsOf(cafe, orderNo), within).toEqual(['payment_succeeded']);
    await refund(orderNo);
    await expect.poll(() => kindsOf(cafe, orderNo), within).toEqual(['payment_succeeded', 'refund_succeeded']);
    const [first, second] = cafe.received.filter(({ event }) => event.payment.order_no === orderNo);
    expect(first).toMatchObject({
      genuine: true,
      event: { merchant_id: CAFE, payment: { order_no: orderNo, state: 'PAYMENT_STATE_SUCCEEDED' } },
    });
    expect(first?.eventId).toBe(`${orderNo}.${first?.event.event_version}.payment_succeeded`);
    expect(second).toMatchObject({ genuine: true, event: { refund: { state: 'REFUND_STATE_SUCCEEDED' } } });
    expect(kindsOf(books, orderNo)).toEqual([]);
  });

  test('that answers 200 with an error page is told again, and of the refund only afterwards', async () => {
    let refused = 0;
    books.behave((response, received) => {
      if (refused >= 2) return acknowledge(response, received);
      refused += 1;
      response.end('<html>down for maintenance</html>');
    });
    const orderNo = await pay(BOOKS);
    await expect.poll(() => refused, within).toBeGreaterThan(0);
    await refund(orderNo);
    await expect
      .poll(() => kindsOf(books, orderNo), within)
      .toEqual(['payment_succeeded', 'payment_succeeded', 'payment_succeeded', 'refund_succeeded']);
    const [first, again] = books.received.filter(({ event }) => event.payment.order_no === orderNo);
    expect(again?.eventId).toBe(first?.eventId);
  });

  test('that hangs delays nobody else', async () => {
    books.behave(() => undefined);
    const hanging = await pay(BOOKS);
    await expect.poll(() => kindsOf(books, hanging), within).not.toEqual([]);
    const orderNo = await pay(CAFE);
    await expect.poll(() => kindsOf(cafe, orderNo), { timeout: 3_000, interval: 20 }).toEqual(['payment_succeeded']);
    books.behave(acknowledge);
    await expect.poll(async () => (await notifier.getDeliveries({ merchantId: BOOKS })).waiting, within).toBe(0n);
  });

  test('that is paused hears nothing, and everything when it goes on', async () => {
    expect(await notifier.pauseMerchant({ merchantId: CAFE, reason: 'they asked for it' })).toMatchObject({ held: 0n });
    const orderNo = await pay(CAFE);
    await expect.poll(async () => (await notifier.getDeliveries({ merchantId: CAFE })).waiting, within).toBe(1n);
    const status = await notifier.getDeliveries({ merchantId: CAFE });
    expect(status).toMatchObject({
      pauseReason: 'they asked for it',
      endpoints: [{ endpointId: 'shop', url: cafe.url }],
    });
    await clock.sleep(500);
    expect(kindsOf(cafe, orderNo)).toEqual([]);
    expect(await notifier.resumeMerchant({ merchantId: CAFE })).toMatchObject({ wasPaused: true, freed: 1n });
    await expect.poll(() => kindsOf(cafe, orderNo), within).toEqual(['payment_succeeded']);
    expect(await notifier.resumeMerchant({ merchantId: CAFE })).toMatchObject({ wasPaused: false });
  });

  test('can be told again: one event by its id, or what was delivered in a time', async () => {
    const beganMs = clock.nowMs();
    const orderNo = await pay(CAFE);
    await expect.poll(() => kindsOf(cafe, orderNo), within).toHaveLength(1);
    const eventId = cafe.received.find(({ event }) => event.payment.order_no === orderNo)?.eventId ?? '';
    expect(await notifier.resendEvent({ merchantId: CAFE, eventId })).toMatchObject({ endpointIds: ['shop'] });
    await expect.poll(() => kindsOf(cafe, orderNo), within).toHaveLength(2);
    await expect(notifier.resendEvent({ merchantId: BOOKS, eventId })).rejects.toMatchObject({
      reason: 'REQUEST_INVALID',
    });
    await expect.poll(async () => (await notifier.getDeliveries({ merchantId: CAFE })).waiting, within).toBe(0n);
    const from = { seconds: BigInt(Math.floor(beganMs / 1_000)) };
    const replayed = await notifier.replayMerchant({ merchantId: CAFE, from, delivered: true });
    expect(replayed.complete).toBe(true);
    expect(replayed.replayed).toBeGreaterThanOrEqual(1n);
    await expect.poll(() => kindsOf(cafe, orderNo), within).toHaveLength(3);
  });

  test('hears of everything although Redis was emptied and the notifier killed', async () => {
    books.behave((response) => void response.writeHead(503).end());
    const orders = [await pay(BOOKS), await pay(BOOKS), await pay(BOOKS)];
    await expect.poll(() => orders.every((orderNo) => kindsOf(books, orderNo).length > 0), within).toBe(true);
    await mesh.services.kill('notifier', 'SIGKILL');
    const later = await pay(BOOKS);
    await emptyRedis();
    books.behave(acknowledge);
    const before = books.received.length;
    await expect
      .poll(() => new Set(books.received.slice(before).map(({ event }) => event.payment.order_no)), {
        timeout: 60_000,
        interval: 100,
      })
      .toEqual(new Set([...orders, later]));
    expect(books.received.every(({ genuine }) => genuine)).toBe(true);
  });

  test('can be followed by a stream that goes on from its cursor', async () => {
    const watch = async (cursor: string, count: number, until = '') => {
      const stop = new AbortController();
      const seen: { readonly eventId: string; readonly kind: MerchantEventKind; readonly cursor: string }[] = [];
      try {
        for await (const answer of query.watchMerchant(
          { merchantId: CAFE, cursor },
          { signal: stop.signal, capMs: 20_000 },
        )) {
          if (answer.event === undefined) continue;
          const { eventId, kind } = answer.event;
          seen.push({ eventId, kind, cursor: answer.cursor });
          if (seen.length === count || (until !== '' && eventId.startsWith(until))) break;
        }
      } finally {
        stop.abort();
      }
      return seen;
    };
    const all = await watch('0', 3);
    expect(all.map(({ kind }) => kind).slice(0, 2)).toEqual([
      MerchantEventKind.PAYMENT_SUCCEEDED,
      MerchantEventKind.REFUND_SUCCEEDED,
    ]);
    expect(await watch(all[0]?.cursor ?? '', 2)).toEqual(all.slice(1));
    const orderNo = await pay(CAFE);
    const newest = await watch(all[2]?.cursor ?? '', 100, orderNo);
    expect(newest.at(-1)?.eventId.startsWith(orderNo)).toBe(true);
  });
});
