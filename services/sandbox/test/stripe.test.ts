import { request } from 'node:https';
import { systemClock } from '@tillmesh/clock';
import Stripe from 'stripe';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { notifiedMerchant } from './notified-merchant.ts';
import { firstOf, freshCode, ledgerOf, makeKeys, type RunningSandbox, readKey, runSandbox } from './running-sandbox.ts';
import { cardPayment, stripeClient, stripeRefusal, wechatOrder } from './stripe-client.ts';

// Driven by Stripe's own client, which we have not written.

const { keys, remove } = makeKeys();
const account = firstOf(keys.stripe.accounts);
let merchant: Awaited<ReturnType<typeof notifiedMerchant>>;
let sandbox: RunningSandbox;
let stripe: Stripe;

beforeAll(async () => {
  merchant = await notifiedMerchant({ status: 200, body: '' });
  sandbox = await runSandbox({
    keys,
    stripe: {
      searchLagMs: 0,
      refundTakesMs: 50,
      accounts: keys.stripe.accounts.map((one) => ({ ...one, webhookUrl: merchant.url })),
    },
  });
  stripe = stripeClient(sandbox);
});
afterAll(async () => {
  await sandbox.close();
  await merchant.close();
  remove();
});

let orders = 0;
const newOrderNo = (): string => {
  orders += 1;
  return `stripe_${orders}`;
};

const until = async <Value>(ask: () => Value | undefined | Promise<Value | undefined>): Promise<Value> => {
  for (let round = 0; round < 200; round += 1) {
    const value = await ask();
    if (value !== undefined) return value;
    await systemClock.sleep(20);
  }
  throw new Error('did not happen within 4 s');
};

const qrOf = (intent: Stripe.PaymentIntent): string => intent.next_action?.wechat_pay_display_qr_code?.data ?? '';

describe('PaymentIntents', () => {
  test('a WeChat Pay order is placed, scanned, found by id, by list and by search, and refunded in parts', async () => {
    const orderNo = newOrderNo();
    const placed = await stripe.paymentIntents.create(wechatOrder(orderNo));
    expect(placed).toMatchObject({ status: 'requires_action', amount: 1_000, amount_received: 0, latest_charge: null });
    expect(qrOf(placed)).toMatch(/^weixin:\/\/wxpay\/bizpayurl\?pr=/);
    expect(placed.lastResponse).toMatchObject({ statusCode: 200, requestId: expect.stringMatching(/^req_/) });

    await sandbox.control.post('/scan', { code: qrOf(placed) });
    const paid = await stripe.paymentIntents.retrieve(placed.id, { expand: ['latest_charge'] });
    expect(paid).toMatchObject({
      status: 'succeeded',
      amount_received: 1_000,
      latest_charge: { object: 'charge', paid: true, payment_intent: placed.id },
    });
    expect((await stripe.paymentIntents.search({ query: `metadata['order_no']:'${orderNo}'` })).data).toHaveLength(1);
    const listed = await stripe.paymentIntents.list({ created: { gte: placed.created, lte: placed.created } });
    expect(listed.data.map(({ id }) => id)).toContain(placed.id);

    const refund = await stripe.refunds.create({
      payment_intent: placed.id,
      amount: 400,
      metadata: { refund_no: 'r' },
    });
    expect(refund).toMatchObject({ status: 'pending', amount: 400, metadata: { refund_no: 'r' } });
    await until(async () => ((await stripe.refunds.retrieve(refund.id)).status === 'succeeded' ? true : undefined));
    expect((await stripe.refunds.list({ payment_intent: placed.id })).data).toMatchObject([{ status: 'succeeded' }]);
    const tooMuch = await stripeRefusal(stripe.refunds.create({ payment_intent: placed.id, amount: 601 }));
    expect(tooMuch).toMatchObject({ statusCode: 400, type: 'StripeInvalidRequestError' });
    expect(await ledgerOf(sandbox, orderNo)).toEqual(
      expect.objectContaining({ charges: 1, chargedFen: 1_000, netFen: 600 }),
    );
  });

  test('an Alipay order and a card with 3-D Secure send the payer to another page', async () => {
    const alipay = await stripe.paymentIntents.create({
      ...wechatOrder(newOrderNo()),
      allowed_payment_method_types: ['alipay'],
      payment_method_data: { type: 'alipay' },
      return_url: 'https://shop.example.com/back',
    });
    expect(alipay.next_action?.alipay_handle_redirect?.url).toMatch(/^https:\/\/hooks\.stripe\.com\//);
    const card = await stripe.paymentIntents.create(cardPayment(newOrderNo(), 'pm_card_threeDSecure2Required'));
    expect(card).toMatchObject({ status: 'requires_action', next_action: { type: 'redirect_to_url' } });
  });

  test('yen have no hundredths: the amount is whole yen', async () => {
    const orderNo = newOrderNo();
    const paid = await stripe.paymentIntents.create({ ...cardPayment(orderNo, 'pm_card_visa', 500), currency: 'jpy' });
    expect(paid).toMatchObject({ amount: 500, amount_received: 500, currency: 'jpy', status: 'succeeded' });
  });

  test('a declined card leaves an intent that another card can pay', async () => {
    const orderNo = newOrderNo();
    const declined = await stripeRefusal(
      stripe.paymentIntents.create(cardPayment(orderNo, 'pm_card_chargeDeclinedInsufficientFunds')),
    );
    expect(declined).toMatchObject({ statusCode: 402, code: 'card_declined', decline_code: 'insufficient_funds' });
    const intentId = declined.payment_intent?.id ?? '';
    expect(declined.payment_intent?.status).toBe('requires_payment_method');
    const paid = await stripe.paymentIntents.confirm(intentId, { payment_method: 'pm_card_visa' });
    expect(paid.status).toBe('succeeded');
    expect(await ledgerOf(sandbox, orderNo)).toMatchObject({ charges: 1 });
  });

  test('a canceled intent cannot be paid, a paid one cannot be canceled', async () => {
    const open = await stripe.paymentIntents.create(wechatOrder(newOrderNo()));
    expect(await stripe.paymentIntents.cancel(open.id)).toMatchObject({ status: 'canceled' });
    expect((await sandbox.control.post('/scan', { code: qrOf(open) })).status).toBe(409);
    const paid = await stripe.paymentIntents.create(cardPayment(newOrderNo()));
    const refusal = await stripeRefusal(stripe.paymentIntents.cancel(paid.id));
    expect(refusal).toMatchObject({ statusCode: 400, code: 'payment_intent_unexpected_state' });
  });

  test('lists go page by page, newest first', async () => {
    const made = [];
    for (let count = 0; count < 3; count += 1) made.push(await stripe.paymentIntents.create(wechatOrder(newOrderNo())));
    const ids = made.map(({ id }) => id).toReversed();
    const first = await stripe.paymentIntents.list({ limit: 2 });
    expect(first).toMatchObject({ has_more: true, data: [{ id: ids[0] }, { id: ids[1] }] });
    const second = await stripe.paymentIntents.list({ limit: 1, starting_after: ids[1] ?? '' });
    expect(second.data[0]?.id).toBe(ids[2]);
  });
});

describe('the Idempotency-Key', () => {
  test('gives the first answer again, and refuses other parameters', async () => {
    const orderNo = newOrderNo();
    const idempotencyKey = `key-${orderNo}`;
    const first = await stripe.paymentIntents.create(cardPayment(orderNo), { idempotencyKey });
    const again = await stripe.paymentIntents.create(cardPayment(orderNo), { idempotencyKey });
    expect(again).toEqual(first);
    expect(again.lastResponse.headers['idempotent-replayed']).toBe('true');
    expect(await ledgerOf(sandbox, orderNo)).toMatchObject({ charges: 1 });
    const other = await stripeRefusal(
      stripe.paymentIntents.create(cardPayment(orderNo, 'pm_card_visa', 2_000), { idempotencyKey }),
    );
    expect(other).toMatchObject({ statusCode: 400, type: 'StripeIdempotencyError' });
  });

  test('keeps a decline too, and nothing of a request that was refused before its work began', async () => {
    const idempotencyKey = newOrderNo();
    const declined = cardPayment(idempotencyKey, 'pm_card_chargeDeclined');
    const ids = [];
    for (let count = 0; count < 2; count += 1) {
      ids.push((await stripeRefusal(stripe.paymentIntents.create(declined, { idempotencyKey }))).payment_intent?.id);
    }
    expect(ids[0]).toBeDefined();
    expect(ids[1]).toBe(ids[0]);
    const key = { idempotencyKey: newOrderNo() };
    await stripeRefusal(stripe.paymentIntents.create({ amount: 100, currency: '' }, key));
    expect(await stripe.paymentIntents.create(cardPayment(newOrderNo()), key)).toMatchObject({ status: 'succeeded' });
  });

  test('refuses a second request while the first is under way', async () => {
    const orderNo = newOrderNo();
    await sandbox.control.post('/scripts', {
      match: { outTradeNo: orderNo },
      uses: 1,
      script: [{ do: 'delay', ms: 300, when: 'before_commit' }],
    });
    const options = { idempotencyKey: `key-${orderNo}` };
    const slow = stripe.paymentIntents.create(cardPayment(orderNo), options);
    await systemClock.sleep(100);
    const conflict = await stripeRefusal(stripe.paymentIntents.create(cardPayment(orderNo), options));
    expect(conflict).toMatchObject({ statusCode: 409, code: 'idempotency_key_in_use' });
    expect((await slow).status).toBe('succeeded');
  });

  test('is of one account', async () => {
    const options = { idempotencyKey: newOrderNo() };
    const other = stripeClient(sandbox, keys.stripe.accounts[1]);
    const mine = await stripe.paymentIntents.create(cardPayment(newOrderNo()), options);
    const theirs = await other.paymentIntents.create(cardPayment(newOrderNo()), options);
    expect(theirs.id).not.toBe(mine.id);
    const foreign = await stripeRefusal(other.paymentIntents.retrieve(mine.id));
    expect(foreign).toMatchObject({ statusCode: 404, code: 'resource_missing' });
  });
});

describe('webhooks', () => {
  const webhookOf = (orderNo: string, type: string) =>
    until(() =>
      merchant.heard.find(({ body }) => {
        const event = JSON.parse(body) as { type: string; data: { object: { metadata: { order_no?: string } } } };
        return event.type === type && event.data.object.metadata.order_no === orderNo;
      }),
    );
  const secret = readKey(account.webhookSecretFile);
  const headerOf = (heard: { headers: { [name: string]: string | string[] | undefined } }): string =>
    String(heard.headers['stripe-signature'] ?? '');

  test("the official client accepts an event's signature, and refuses it with another secret or another body", async () => {
    const orderNo = newOrderNo();
    await stripe.paymentIntents.create(cardPayment(orderNo));
    const heard = await webhookOf(orderNo, 'payment_intent.succeeded');
    const event = stripe.webhooks.constructEvent(heard.body, headerOf(heard), secret);
    expect(event).toMatchObject({ type: 'payment_intent.succeeded', data: { object: { status: 'succeeded' } } });
    const refuse = (body: string, header: string, key: string) => () =>
      stripe.webhooks.constructEvent(body, header, key);
    expect(refuse(heard.body, headerOf(heard), 'whsec_other')).toThrow(Stripe.errors.StripeSignatureVerificationError);
    expect(refuse(`${heard.body} `, headerOf(heard), secret)).toThrow();
    expect(refuse(heard.body, headerOf(heard).replace(/^t=[0-9]+/, 't=1'), secret)).toThrow();
  });

  test('what a script says of them is done: signed wrongly, not signed, twice', async () => {
    for (const [act, isWanted] of [
      ['bad_signature', (header: string) => /^t=[0-9]+,v1=[0-9a-f]{64}$/.test(header)],
      ['unsigned', (header: string) => header === ''],
    ] as const) {
      const orderNo = newOrderNo();
      await sandbox.control.post('/scripts', {
        match: { outTradeNo: orderNo },
        operations: ['notification'],
        script: [{ do: act }],
      });
      await stripe.paymentIntents.create(cardPayment(orderNo));
      const heard = await webhookOf(orderNo, 'payment_intent.succeeded');
      expect(isWanted(headerOf(heard))).toBe(true);
      expect(() => stripe.webhooks.constructEvent(heard.body, headerOf(heard), secret)).toThrow();
    }
  });
});

describe('a stranger', () => {
  const ask = (headers: Record<string, string>) =>
    new Promise<{ status: number; body: string }>((resolve, reject) => {
      const { certificateFile } = keys.stripe;
      const options = { host: '127.0.0.1', port: sandbox.stripePort, path: '/v1/payment_intents', headers };
      request({ ...options, ca: readKey(certificateFile) }, (response) => {
        let body = '';
        response.on('data', (part: Buffer) => {
          body += part.toString();
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
      })
        .on('error', reject)
        .end();
    });

  test('without a key or with a wrong one is refused with 401, and is counted', async () => {
    for (const headers of [{}, { authorization: 'Bearer sk_test_wrong' }, { authorization: 'x' }]) {
      const { status, body } = await ask(headers);
      expect(status).toBe(401);
      expect(JSON.parse(body)).toMatchObject({ error: { type: 'invalid_request_error' } });
    }
    const { body } = await sandbox.control.get<{ refusedSignatures: { stripe: object } }>('/stats');
    expect(body.refusedSignatures.stripe).toEqual({ no_key: 2, wrong_key: 1 });
  });

  test('that trusts public authorities alone is not answered', async () => {
    const client = new Stripe('sk_test_x', { host: '127.0.0.1', port: sandbox.stripePort, maxNetworkRetries: 0 });
    expect(await stripeRefusal(client.paymentIntents.list())).toMatchObject({ type: 'StripeConnectionError' });
  });
});

test('a card that a payer shows is charged to that payer, once', async () => {
  const orderNo = newOrderNo();
  const paymentMethod = await freshCode(sandbox, 'stripe', { payerId: 'cus_1', balanceFen: 1_500 });
  expect(paymentMethod).toMatch(/^pm_/);
  expect(await stripe.paymentIntents.create(cardPayment(orderNo, paymentMethod))).toMatchObject({
    status: 'succeeded',
  });
  const other = await freshCode(sandbox, 'stripe', { payerId: 'cus_1' });
  const poor = await stripeRefusal(stripe.paymentIntents.create(cardPayment(newOrderNo(), other)));
  expect(poor).toMatchObject({ code: 'card_declined', decline_code: 'insufficient_funds' });
  const used = await stripeRefusal(stripe.paymentIntents.create(cardPayment(newOrderNo(), paymentMethod)));
  expect(used).toMatchObject({ code: 'resource_missing' });
});
