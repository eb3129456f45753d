import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock, systemRandom } from '@tillmesh/clock';
import { MERCHANTS, type Mesh, startMesh } from '@tillmesh/local-mesh';
import { CashierService } from '@tillmesh/proto/tillmesh/cashier/v1/cashier_service_pb.ts';
import { LearnedBy } from '@tillmesh/proto/tillmesh/payment/v1/outcome_pb.ts';
import { DetailField, DiscountFunder, FundingKind } from '@tillmesh/proto/tillmesh/payment/v1/payment_details_pb.ts';
import {
  DeclineReason,
  type Payment,
  PaymentKind,
  PaymentState,
  Wallet,
} from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { RefundState } from '@tillmesh/proto/tillmesh/payment/v1/refund_pb.ts';
import { createClient, type RpcClient } from '@tillmesh/rpc';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createSandboxControl, type SandboxControl } from '../../scripts/demo/sandbox-control.ts';

// Stripe in a mesh of its own processes: cards, and the wallets whose direct channels cannot be reached.

const folder = mkdtempSync(join(tmpdir(), 'tillmesh-stripe-'));
const AMOUNT = 1_800n;
let mesh: Mesh;
let cashier: RpcClient<typeof CashierService>;
let sandbox: SandboxControl;

beforeAll(async () => {
  mesh = await startMesh({
    folder,
    env: process.env,
    clock: systemClock,
    logLevel: 'trace',
    groupTags: [1],
    notificationTimeScale: 0.01,
    settings: {
      'routing-table': {
        merchants: [...MERCHANTS, { merchantId: 'abroad', displayName: 'Abroad', accountIds: ['stripe-a'] }],
      },
    },
    services: ['sandbox', 'order-store', 'routing', 'channel-wechat', 'channel-stripe', 'cashier', 'syncer', 'edge'],
  });
  cashier = createClient(CashierService, { target: mesh.address('cashier'), caller: 'till', capMs: 40_000 });
  sandbox = createSandboxControl(mesh.address('sandbox-control'));
}, 120_000);

afterAll(async () => {
  cashier?.close();
  await mesh?.stop();
  rmSync(folder, { recursive: true, force: true });
});

type Request = Parameters<RpcClient<typeof CashierService>['createPayment']>[0];

const pay = async (request: Partial<Request>): Promise<Payment> => {
  const { payment } = await cashier.createPayment({
    merchantId: 'demo-cafe',
    merchantOrderNo: `STRIPE-${systemRandom.hex(6)}`,
    amount: { currency: 'CNY', minorUnits: AMOUNT },
    subject: 'Flat white',
    ...request,
  } as Request);
  return payment as Payment;
};
const byCard = (payerId: string) => pay({ kind: PaymentKind.CARD, wallet: Wallet.CARD, payerId });

const ended = async (payment: Payment): Promise<Payment> => {
  let last = payment;
  const ref = { ref: { case: 'orderNo', value: payment.orderNo } } as const;
  for await (const news of cashier.watchPayment({ payment: ref }, { capMs: 60_000 })) last = news.payment ?? last;
  return last;
};
const paymentRef = ({ orderNo }: Payment) => ({ ref: { case: 'orderNo', value: orderNo } }) as const;
const lastOf = (payment: Payment) => payment.attempts.at(-1);

test('a card pays in the answer, and a part of it goes back once', async () => {
  const payment = await byCard('pm_card_visa');
  expect(payment).toMatchObject({ state: PaymentState.SUCCEEDED, learnedBy: LearnedBy.ANSWER, wallet: Wallet.CARD });
  expect(lastOf(payment)).toMatchObject({ accountId: 'stripe-a', channelId: 'stripe' });
  expect(lastOf(payment)?.channelTransactionId).toMatch(/^pi_/);
  const request = {
    payment: paymentRef(payment),
    merchantRefundNo: `R-${systemRandom.hex(6)}`,
    amount: { currency: 'CNY', minorUnits: 300n },
    reason: 'too cold',
  };
  const refunds = [await cashier.createRefund(request), await cashier.createRefund(request)];
  for (const { refund } of refunds) expect(refund).toMatchObject({ state: RefundState.SUCCEEDED });
  expect(await sandbox.check(payment.orderNo)).toMatchObject({ charges: 1, netFen: 1_500 });
}, 60_000);

test('a card that its bank declines is a decline, with nothing taken', async () => {
  const payment = await byCard('pm_card_chargeDeclinedInsufficientFunds');
  expect(payment).toMatchObject({ declineReason: DeclineReason.INSUFFICIENT_FUNDS });
  expect([PaymentState.DECLINED, PaymentState.FAILED]).toContain(payment.state);
  expect(await sandbox.check(payment.orderNo)).toMatchObject({ charges: 0 });
}, 60_000);

test('a card without its token is refused before anything is written', async () => {
  await expect(byCard('')).rejects.toMatchObject({ reason: 'REQUEST_INVALID' });
});

test('what the answers did not tell of paid payments a later query completes, and nothing else moves', async () => {
  const description = `terse ${systemRandom.hex(4)}`;
  // The channel's answer says that it is paid, and nothing more.
  await sandbox.script({ account: 'wechat-a', description }, [
    { do: 'discount', fen: 300, by: 'merchant' },
    { do: 'terse' },
  ]);
  const terse = await pay({
    kind: PaymentKind.PAYMENT_CODE,
    paymentCode: await sandbox.paymentCode('wechat'),
    subject: description,
  });
  expect(terse).toMatchObject({ state: PaymentState.SUCCEEDED, details: { origins: [] } });
  expect(terse.details?.channelTransactionId).toBe(lastOf(terse)?.channelTransactionId);
  // Stripe's answer tells the card, and only a query what is settled.
  const card = await byCard('pm_card_visa');
  expect(card.details?.payer).toMatchObject({
    account: '**** 4242',
    funding: FundingKind.CREDIT,
    fundingSource: 'visa',
  });
  expect(card.details).toMatchObject({ discounts: { discounts: [] }, payerPaid: { minorUnits: AMOUNT } });
  expect(card.details?.settled).toBeUndefined();

  const completed = async (payment: Payment): Promise<Payment> => {
    const now = await cashier.getPayment({ payment: paymentRef(payment) });
    return now.payment as Payment;
  };
  const settledOf = async (payment: Payment) => (await completed(payment)).details?.settled?.minorUnits;
  await expect.poll(() => settledOf(terse), { timeout: 40_000 }).toBe(AMOUNT - 300n);
  await expect.poll(() => settledOf(card), { timeout: 40_000 }).toBe(AMOUNT);
  const after = await completed(terse);
  expect(after).toMatchObject({
    state: PaymentState.SUCCEEDED,
    learnedBy: LearnedBy.ANSWER,
    version: terse.version + 1,
  });
  expect(after.details).toMatchObject({
    payer: { payerId: expect.stringMatching(/^oSbx/) },
    discounts: { discounts: [{ amount: { minorUnits: 300n }, fundedBy: DiscountFunder.MERCHANT }] },
    payerPaid: { minorUnits: AMOUNT - 300n },
  });
  expect(new Set(after.details?.origins.map(({ learnedBy }) => learnedBy))).toEqual(new Set([LearnedBy.QUERY]));
  expect((await completed(card)).details?.origins).toContainEqual(
    expect.objectContaining({ field: DetailField.SETTLED, learnedBy: LearnedBy.QUERY }),
  );
}, 90_000);

test('a code of WeChat Pay goes on to Stripe when the direct channel cannot be reached, and its webhook ends it', async () => {
  await fetch(`http://${mesh.address('sandbox-control')}/control/outage`, {
    method: 'POST',
    body: JSON.stringify({ channel: 'wechat', mode: 'refuse' }),
  });
  const payment = await pay({ kind: PaymentKind.MERCHANT_QR, wallet: Wallet.WECHAT });
  expect(payment.state).toBe(PaymentState.PAYING);
  expect(lastOf(payment)?.accountId).toBe('stripe-a');
  expect(payment.attempts.length).toBeGreaterThan(1);
  expect(payment.action?.action).toMatchObject({ case: 'qrCode', value: expect.stringMatching(/^weixin:/) });
  await sandbox.scan(payment.action?.action.value as string, 0.2);
  expect(await ended(payment)).toMatchObject({
    state: PaymentState.SUCCEEDED,
    learnedBy: LearnedBy.NOTIFICATION,
    paidAt: expect.anything(),
  });
  expect(await sandbox.check(payment.orderNo)).toMatchObject({ charges: 1, netFen: Number(AMOUNT), chargedTwice: 0 });
}, 60_000);

test('a merchant without Alipay’s own account has a page of Alipay opened at Stripe, and closed unpaid when the till gives up', async () => {
  const payment = await pay({ merchantId: 'abroad', kind: PaymentKind.PC_REDIRECT, wallet: Wallet.ALIPAY });
  expect(payment).toMatchObject({ state: PaymentState.PAYING });
  expect(payment.action?.action).toMatchObject({ case: 'redirectUrl', value: expect.stringMatching(/^https:/) });
  const { payment: closed } = await cashier.closePayment({ payment: paymentRef(payment) });
  expect(closed).toMatchObject({ state: PaymentState.CLOSED });
  await expect(sandbox.scan(payment.action?.action.value as string, 0)).rejects.toThrow('409');
  expect(await sandbox.check(payment.orderNo)).toMatchObject({ charges: 0 });
}, 60_000);

test('a card whose answer is lost after the money moved is found, and charged once', async () => {
  const description = `lost ${systemRandom.hex(4)}`;
  await sandbox.script({ account: 'stripe-a', description }, [{ do: 'answer_lost_after_commit', how: 'cut' }]);
  const payment = await pay({
    kind: PaymentKind.CARD,
    wallet: Wallet.CARD,
    payerId: await sandbox.paymentCode('stripe'),
    subject: description,
  });
  expect(await ended(payment)).toMatchObject({ state: PaymentState.SUCCEEDED });
  expect(payment.attempts).toHaveLength(1);
  expect(await sandbox.check(payment.orderNo)).toMatchObject({ charges: 1, chargedTwice: 0 });
}, 60_000);

test('no secret of the account and no card stands in any log', () => {
  const keys = join(folder, 'keys');
  const secrets = ['stripe-a-secret-key', 'stripe-a-webhook-secret'].map((name) =>
    readFileSync(join(keys, name), 'utf8').trim(),
  );
  const logs = readdirSync(join(folder, 'logs')).filter((name) => !name.startsWith('sandbox'));
  expect(logs.length).toBeGreaterThanOrEqual(6);
  for (const name of logs) {
    const text = readFileSync(join(folder, 'logs', name), 'utf8');
    for (const secret of [...secrets, 'pm_card_visa', 'pm_1']) expect(text.includes(secret), name).toBe(false);
  }
});
