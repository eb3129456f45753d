import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock, systemRandom } from '@tillmesh/clock';
import { type Mesh, startMesh } from '@tillmesh/local-mesh';
import { CashierService } from '@tillmesh/proto/tillmesh/cashier/v1/cashier_service_pb.ts';
import { LearnedBy } from '@tillmesh/proto/tillmesh/payment/v1/outcome_pb.ts';
import { type Payment, PaymentKind, PaymentState, Wallet } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { createClient, type RpcClient } from '@tillmesh/rpc';
import { createLog, type StopTelemetry, startTelemetry, traceparentOf, withSpan } from '@tillmesh/telemetry';
import { type OtlpReceiver, type ReceivedSpan, startOtlpReceiver } from '@tillmesh/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createSandboxControl, type SandboxControl } from '../../scripts/demo/sandbox-control.ts';

let receiver: OtlpReceiver;
let mesh: Mesh;
let cashier: RpcClient<typeof CashierService>;
let sandbox: SandboxControl;
let stopTelemetry: StopTelemetry;
const folder = mkdtempSync(join(tmpdir(), 'tillmesh-trace-'));

beforeAll(async () => {
  receiver = await startOtlpReceiver();
  mesh = await startMesh({
    folder,
    env: process.env,
    clock: systemClock,
    otlpEndpoint: receiver.url,
    logLevel: 'trace',
  });
  cashier = createClient(CashierService, { target: mesh.address('cashier'), caller: 'till', capMs: 40_000 });
  sandbox = createSandboxControl(mesh.address('sandbox-control'));
  // The caller traces too, as an application with OpenTelemetry does.
  stopTelemetry = await startTelemetry({
    service: 'till',
    version: '1',
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url },
    log: createLog('till', 'silent'),
  });
});

afterAll(async () => {
  cashier?.close();
  await stopTelemetry?.();
  await mesh?.stop();
  await receiver?.close();
  rmSync(folder, { recursive: true, force: true });
});

type Request = Parameters<RpcClient<typeof CashierService>['createPayment']>[0];

const traced = async (request: Omit<Request, 'merchantId' | 'merchantOrderNo' | 'amount' | '$typeName'>) =>
  withSpan('sell a coffee', {}, async (span) => {
    const { payment } = await cashier.createPayment({
      merchantId: 'demo-cafe',
      merchantOrderNo: `TRACE-${systemRandom.hex(6)}`,
      amount: { currency: 'CNY', minorUnits: 1_800n },
      ...request,
    });
    return { payment: payment as Payment, traceId: traceparentOf(span).slice(3, 35) };
  });

const paid = async (payment: Payment): Promise<Payment> => {
  let last = payment;
  const ref = { ref: { case: 'orderNo', value: payment.orderNo } } as const;
  for await (const news of cashier.watchPayment({ payment: ref }, { capMs: 60_000 })) last = news.payment ?? last;
  expect(last.state).toBe(PaymentState.SUCCEEDED);
  return last;
};

const ofTrace = (traceId: string) => (spans: readonly ReceivedSpan[]) =>
  spans.filter((span) => span.traceId === traceId);

/** Waits until a span is there, and for the batches that were under way then. */
const spansOf = async (traceId: string, last: { readonly name: string; readonly service: string }) => {
  const isThere = (spans: readonly ReceivedSpan[]) =>
    ofTrace(traceId)(spans).some(({ name, service }) => name === last.name && service === last.service);
  await receiver.waitFor(isThere, 20_000);
  await systemClock.sleep(2_500);
  return ofTrace(traceId)(receiver.spans());
};

const has = (spans: readonly ReceivedSpan[], service: string, name: string): ReceivedSpan => {
  const found = spans.find((span) => span.service === service && span.name === name);
  expect(found, `${service}: ${name}`).toBeDefined();
  return found as ReceivedSpan;
};

describe('one payment', () => {
  test('is one trace from the till through every hop to the syncer’s later query, and no span is an orphan', async () => {
    const script = [{ do: 'payer_types_password', seconds: 2, then: 'pays' }];
    const paymentCode = await sandbox.paymentCode('wechat', script);
    const { payment, traceId } = await traced({ kind: PaymentKind.PAYMENT_CODE, subject: 'Flat white', paymentCode });
    expect(payment.state).toBe(PaymentState.PAYING);
    expect(payment.traceId).toBe(traceId);
    expect((await paid(payment)).learnedBy).toBe(LearnedBy.QUERY);

    const spans = await spansOf(traceId, { service: 'syncer', name: 'check payment' });
    const tree = receiver.tree(traceId);
    expect(tree.orphans, tree.print()).toEqual([]);
    expect(tree.roots.map(({ span }) => span.name)).toEqual(['sell a coffee']);
    expect(new Set(spans.map(({ service }) => service))).toEqual(
      new Set(['till', 'cashier', 'order-store', 'channel-wechat', 'syncer']),
    );
    has(spans, 'cashier', 'tillmesh.cashier.v1.CashierService/CreatePayment');
    has(spans, 'cashier', 'EVALSHA delay-queue add');
    has(spans, 'order-store', 'INSERT payment');
    has(spans, 'order-store', 'UPDATE payment apply');
    has(spans, 'channel-wechat', 'POST /pay/micropay');
    has(spans, 'channel-wechat', 'POST /pay/orderquery');
    has(spans, 'syncer', 'tillmesh.channel.v1.ChannelService/QueryPayment');

    const server = has(spans, 'order-store', 'tillmesh.orderstore.v1.OrderStoreService/CreateOrder');
    expect(server.attributes).toMatchObject({
      'rpc.system.name': 'grpc',
      'rpc.method': 'tillmesh.orderstore.v1.OrderStoreService/CreateOrder',
      'rpc.status_code': 'OK',
    });
    expect(has(spans, 'order-store', 'INSERT payment').attributes).toMatchObject({
      'db.system.name': 'mariadb',
      'db.namespace': 'tillmesh',
      'db.query.summary': 'INSERT payment',
    });
    expect(has(spans, 'channel-wechat', 'POST /pay/micropay').attributes).toMatchObject({
      'http.request.method': 'POST',
      'http.response.status_code': 200,
    });
    expect(has(spans, 'cashier', 'tillmesh.cashier.v1.CashierService/CreatePayment').attributes).toMatchObject({
      'tillmesh.order_no': payment.orderNo,
      'tillmesh.merchant_id': 'demo-cafe',
      'tillmesh.outcome': 'pending_payer',
    });
  });

  test('that a notification ends has the notification in its trace', async () => {
    const { payment, traceId } = await traced({
      kind: PaymentKind.MERCHANT_QR,
      wallet: Wallet.ALIPAY,
      subject: 'Beans',
    });
    await sandbox.scan(payment.action?.action.value as string, 0.2);
    expect((await paid(payment)).learnedBy).toBe(LearnedBy.NOTIFICATION);
    const spans = await spansOf(traceId, { service: 'edge', name: 'POST /notify/{channel}/{account}' });
    has(spans, 'channel-alipay', 'tillmesh.channel.v1.ChannelService/ParseNotification');
    const tree = receiver.tree(traceId);
    expect(tree.orphans, tree.print()).toEqual([]);
    expect(tree.roots).toHaveLength(1);
  });
});

describe('what nobody may read', () => {
  test('payment codes, payer ids, addresses and keys are in no span and in no log line, at the most talkative level', async () => {
    const payerId = `oCANARY${systemRandom.hex(8)}`;
    const clientIp = '203.0.113.77';
    const codes = await Promise.all([
      sandbox.paymentCode('wechat'),
      sandbox.paymentCode('wechat', [{ do: 'decline', code: 'NOTENOUGH' }]),
      sandbox.paymentCode('wechat', [{ do: 'answer_lost_after_commit', how: 'cut' }]),
      sandbox.paymentCode('wechat', [{ do: 'garbage', form: 'truncated' }]),
      sandbox.paymentCode('alipay'),
    ]);
    for (const paymentCode of codes) {
      await traced({ kind: PaymentKind.PAYMENT_CODE, subject: 'Canary', paymentCode, clientIp });
    }
    await traced({ kind: PaymentKind.JSAPI, wallet: Wallet.WECHAT, subject: 'Canary', payerId, clientIp });
    // A code that nobody owns is refused, and repeated nowhere.
    const foreignCode = '9'.repeat(18);
    await expect(
      traced({ kind: PaymentKind.PAYMENT_CODE, subject: 'Canary', paymentCode: foreignCode }),
    ).rejects.toMatchObject({ reason: 'PAYMENT_CODE_UNKNOWN' });
    await systemClock.sleep(5_000);

    const keys = readdirSync(join(folder, 'keys'))
      .filter((name) => /private|api-v/.test(name))
      .map(
        (name) =>
          readFileSync(join(folder, 'keys', name), 'utf8')
            .trim()
            .split('\n')
            .slice(-2)[0] ?? '',
      );
    const secrets = [...codes, foreignCode, payerId, clientIp, ...keys].filter((secret) => secret !== '');
    const logs = readdirSync(join(folder, 'logs'))
      // The sandbox plays the channels: it has to know who pays.
      .filter((name) => name.endsWith('.log') && !name.startsWith('sandbox'))
      .map((name) => [name, readFileSync(join(folder, 'logs', name), 'utf8')] as const);
    const texts = [
      ...logs,
      [
        'the spans',
        JSON.stringify(receiver.spans(), (_key, value: unknown) => (typeof value === 'bigint' ? String(value) : value)),
      ] as const,
    ];
    expect(logs.length).toBeGreaterThanOrEqual(8);
    for (const [where, text] of texts) {
      expect(text.length, `${where} is empty`).toBeGreaterThan(100);
      for (const secret of secrets) expect(text.includes(secret), `${where} holds ${secret.slice(0, 8)}…`).toBe(false);
    }
  });
});
