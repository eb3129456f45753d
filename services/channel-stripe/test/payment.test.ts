import { Secret } from '@tillmesh/config';
import { money } from '@tillmesh/domain';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { askOrder, closeOrder, createPayment } from '../src/payment.ts';
import {
  account,
  answering,
  byPath,
  CANCEL,
  CREATE,
  callOf,
  cardPayment,
  error,
  HEADERS,
  httpFor,
  INTENT_ID,
  intent,
  LIST,
  LOOK,
  list,
  NOW_MS,
  NOW_S,
  order,
  paidIntent,
  payment,
  SEARCH,
  SECRET_KEY,
  type StripePeer,
  startPeer,
  waitingIntent,
} from './stripe-peer.ts';

let peer: StripePeer;
let http: ReturnType<typeof httpFor>;
beforeEach(async () => {
  peer = await startPeer();
  http = httpFor(peer.baseUrl);
});
afterEach(async () => {
  await http.close();
  await peer.close();
});

const call = (more: Parameters<typeof account>[1] = {}, nowMs = NOW_MS) =>
  callOf(account(peer.baseUrl, more), http, nowMs);
const declined = (more: object = {}) =>
  error('card_error', 'card_declined', { decline_code: 'insufficient_funds', payment_intent: intent(), ...more });

describe('creating', () => {
  test('says everything that the payment is, under a key that follows from its number', async () => {
    peer.answer = answering(200, waitingIntent());
    const report = await createPayment(payment(), call());
    expect(report).toMatchObject({
      outcome: { kind: 'pending_payer' },
      action: { kind: 'qr_code', qrCode: 'weixin://wxpay/bizpayurl?pr=abc' },
      channelTransactionId: INTENT_ID,
      facts: { signature: 'absent', vouched: true },
    });
    const [seen] = peer.seen;
    expect(seen?.params).toEqual({
      amount: '8880',
      currency: 'cny',
      confirm: 'true',
      'allowed_payment_method_types[0]': 'wechat_pay',
      'payment_method_data[type]': 'wechat_pay',
      'payment_method_options[wechat_pay][client]': 'web',
      description: payment().subject,
      'metadata[order_no]': order().channelOrderNo,
      'metadata[terminal_id]': 'till-7',
      'expand[0]': 'latest_charge',
    });
    expect(seen?.headers).toMatchObject({
      authorization: `Bearer ${SECRET_KEY}`,
      'stripe-version': '2026-10-28.endive',
      'idempotency-key': `${order().channelOrderNo}-create`,
      'content-type': 'application/x-www-form-urlencoded',
    });
  });

  test('again is the same request to the byte, whatever the time is', async () => {
    await createPayment(payment(), call());
    peer.answer = answering(200, waitingIntent());
    expect((await createPayment(payment(), call({}, NOW_MS + 60_000))).outcome.kind).toBe('pending_payer');
    const [first, second] = peer.seen;
    expect(second?.params).toEqual(first?.params);
    expect(second?.headers['idempotency-key']).toBe(first?.headers['idempotency-key']);
  });

  test('is not sent again when the key may have been forgotten: the order is looked for instead', async () => {
    peer.answer = byPath({ [SEARCH]: [200, list(paidIntent())], [LOOK]: [200, paidIntent()] });
    const report = await createPayment(payment(), call({}, NOW_MS + 24 * 3_600_000));
    expect(report.outcome.kind).toBe('succeeded');
    expect(peer.seen.some(({ method }) => method === 'POST')).toBe(false);
  });

  test('by Alipay and by a card sends the payer to another page', async () => {
    const url = 'https://hooks.stripe.com/redirect/authenticate/src_1';
    const next_action = { alipay_handle_redirect: { url }, redirect_to_url: { url } };
    peer.answer = answering(200, waitingIntent({ next_action }));
    for (const request of [
      payment({ order: order({ kind: 'pc_redirect', wallet: 'alipay' }) }),
      payment({ order: order({ kind: 'h5', wallet: 'alipay' }) }),
      cardPayment(),
    ]) {
      const report = await createPayment(request, call());
      expect(report).toMatchObject({ outcome: { kind: 'pending_payer' }, action: { kind: 'redirect', url } });
      expect(peer.seen.at(-1)?.params['return_url']).toBe('https://shop.example.com/back');
    }
    expect(peer.seen.at(-1)?.params).toMatchObject({ payment_method: 'pm_card_visa' });
  });

  test('what Stripe cannot take is refused, and nothing is sent', async () => {
    const refused = [
      [order({ kind: 'merchant_qr', wallet: 'alipay' }), 'OPERATION_NOT_SUPPORTED'],
      [order({ kind: 'payment_code' }), 'OPERATION_NOT_SUPPORTED'],
      [order({ amount: money('KWD', 1_000) }), 'OPERATION_NOT_SUPPORTED'],
      [order({ amount: money('ISK', 5) }), 'OPERATION_NOT_SUPPORTED'],
    ] as const;
    for (const [ref, reason] of refused) {
      await expect(createPayment(payment({ order: ref }), call())).rejects.toMatchObject({ reason });
    }
    const withoutCard = cardPayment({ payerId: new Secret('4242424242424242') });
    await expect(createPayment(withoutCard, call())).rejects.toMatchObject({ reason: 'REQUEST_INVALID' });
    expect(peer.seen).toEqual([]);
  });

  test('yen are whole yen both ways', async () => {
    const yen = order({ kind: 'card', amount: money('JPY', 500) });
    peer.answer = answering(200, paidIntent({ currency: 'jpy', amount: 500, amount_received: 500 }));
    const report = await createPayment(payment({ order: yen }), call());
    expect(peer.seen[0]?.params).toMatchObject({ amount: '500', currency: 'jpy' });
    expect(report.outcome).toMatchObject({ kind: 'succeeded', paid: money('JPY', 500) });
  });

  test('an answer that was given before is told as one: a query now tells how it stands', async () => {
    peer.answer = answering(200, waitingIntent(), { ...HEADERS, 'idempotent-replayed': 'true' });
    expect(await createPayment(payment(), call())).toMatchObject({
      outcome: { kind: 'pending_payer' },
      queryNow: true,
    });
  });

  const STRANGE: readonly (readonly [what: string, content: object])[] = [
    ['of another order', paidIntent({ metadata: { order_no: '99999999999999999999999999' } })],
    ['of no order', paidIntent({ metadata: {} })],
    ['over less', paidIntent({ amount_received: 8_879 })],
    ['in another currency', paidIntent({ currency: 'hkd' })],
    ['in a currency of another form', paidIntent({ currency: 'CNY' })],
    ['in a currency with another unit', paidIntent({ currency: 'kwd' })],
    ['of real money', paidIntent({ livemode: true })],
    ['without a charge', paidIntent({ latest_charge: 'ch_1' })],
    ['without an id', paidIntent({ id: '' })],
    ['with an id of another form', paidIntent({ id: '../v1/charges' })],
    ['as another object', paidIntent({ object: 'charge' })],
    ['with an amount as a text', paidIntent({ amount_received: '8880' })],
    ['with an amount in parts', paidIntent({ amount_received: 8_880.5 })],
    ['with a state that nobody listed', paidIntent({ status: 'SUCCEEDED' })],
    ['with money that is only held', paidIntent({ status: 'requires_capture' })],
  ];
  for (const [what, content] of STRANGE) {
    test(`a success ${what} is none`, async () => {
      peer.answer = answering(200, content);
      const report = await createPayment(cardPayment(), call());
      expect(report.outcome.kind).toBe('unknown');
      expect(report.action).toBeUndefined();
    });
  }

  test('an answer that nothing vouches for is unknown: no TLS, no request id, no JSON, or a strict account', async () => {
    const request = cardPayment();
    const unknown = async (headers: Record<string, string>, more: Parameters<typeof account>[1] = {}) => {
      for (const [status, content] of [
        [200, paidIntent()],
        [200, waitingIntent()],
        [400, error('invalid_request_error', 'parameter_missing')],
        [401, error('invalid_request_error', undefined)],
        [402, declined()],
      ] as const) {
        peer.answer = answering(status, content, headers);
        const report = await createPayment(request, call(more));
        expect(report.outcome.kind).toBe('unknown');
        expect(report.action).toBeUndefined();
        expect(report.facts.vouched).toBe(false);
      }
    };
    await unknown({ 'content-type': 'application/json' });
    await unknown({ ...HEADERS, 'content-type': 'text/html' });
    await unknown({ ...HEADERS, 'request-id': '1' });
    await unknown(HEADERS, { strictSignatures: true });
    const plain = await startPeer(true);
    const plainHttp = httpFor(plain.baseUrl);
    plain.answer = answering(200, paidIntent());
    const report = await createPayment(request, callOf(account(plain.baseUrl), plainHttp));
    expect(report).toMatchObject({ outcome: { kind: 'unknown' }, facts: { vouched: false } });
    await plainHttp.close();
    await plain.close();
  });

  test('nobody answers: not sent is definite, cut off is unknown', async () => {
    expect(await createPayment(payment(), call())).toMatchObject({
      outcome: { kind: 'unknown' },
      facts: { transport: 'maybe_sent', sends: 1 },
    });
    await peer.close();
    expect(await createPayment(payment(), call())).toMatchObject({
      outcome: { kind: 'failed_definite', reason: 'channel_unreachable' },
      facts: { transport: 'not_sent', sends: 0 },
    });
  });

  test('refused before its work began is a definite failure, with its rule', async () => {
    peer.answer = answering(400, error('invalid_request_error', 'amount_too_small'));
    expect(await createPayment(payment(), call())).toMatchObject({
      outcome: { kind: 'failed_definite', reason: 'account_refused', evidence: { signature: 'absent' } },
      ruleId: 'stripe.create.amount_too_small',
    });
    peer.answer = answering(401, error('invalid_request_error', undefined));
    expect(await createPayment(payment(), call())).toMatchObject({
      outcome: { kind: 'failed_definite' },
      configAlarm: true,
    });
  });

  test('refused with an intent left behind is not definite, whatever the code is', async () => {
    peer.answer = answering(400, error('invalid_request_error', 'parameter_missing', { payment_intent: intent() }));
    expect(await createPayment(payment(), call())).toMatchObject({
      outcome: { kind: 'unknown' },
      ruleId: '',
      queryNow: true,
    });
  });

  for (const [status, code] of [
    [409, 'idempotency_key_in_use'],
    [409, 'lock_timeout'],
    [429, 'lock_timeout'],
    [429, 'rate_limit'],
    [500, 'api_error'],
  ] as const) {
    test(`${status} ${code} is unknown`, async () => {
      peer.answer = answering(status, error('invalid_request_error', code));
      expect((await createPayment(payment(), call())).outcome.kind).toBe('unknown');
    });
  }
});

describe('a card that its bank declines', () => {
  test('fails definitely when its intent was canceled, which is proved', async () => {
    peer.answer = byPath({ [CREATE]: [402, declined()], [CANCEL]: [200, intent({ status: 'canceled' })] });
    expect(await createPayment(cardPayment(), call())).toMatchObject({
      outcome: { kind: 'failed_definite', reason: 'insufficient_funds', closed: false },
      ruleId: 'stripe.create.card_declined',
      channelCode: 'card_declined',
      channelSubCode: 'insufficient_funds',
      channelState: 'canceled',
    });
  });

  const ENDS: readonly (readonly [what: string, cancel: readonly [number, unknown] | undefined])[] = [
    ['is not answered', undefined],
    ['is refused because it was paid', [400, error('invalid_request_error', 'payment_intent_unexpected_state')]],
    ['leaves it open', [200, intent()]],
    ['speaks of another order', [200, intent({ status: 'canceled', metadata: { order_no: '1' } })]],
    ['fails', [500, error('api_error', undefined)]],
  ];
  for (const [what, cancel] of ENDS) {
    test(`is unknown where the cancel ${what}`, async () => {
      peer.answer = byPath({ [CREATE]: [402, declined()], ...(cancel === undefined ? {} : { [CANCEL]: cancel }) });
      const report = await createPayment(cardPayment(), call());
      expect(report).toMatchObject({ outcome: { kind: 'unknown' }, queryNow: true });
    });
  }

  test('is unknown, and nothing is canceled, where the answer is not understood', async () => {
    const strange = [
      declined({ payment_intent: undefined }),
      declined({ payment_intent: intent({ metadata: { order_no: '1' } }) }),
      declined({ code: 'novel_code' }),
      { ...declined(), error: { ...declined().error, type: 'api_error' } },
    ];
    for (const content of strange) {
      peer.answer = byPath({ [CREATE]: [402, content], [CANCEL]: [200, intent({ status: 'canceled' })] });
      expect((await createPayment(cardPayment(), call())).outcome.kind).toBe('unknown');
    }
    expect(peer.seen.some(({ path }) => path.endsWith('/cancel'))).toBe(false);
  });
});

describe('asking', () => {
  test('by the id that is known is one request', async () => {
    peer.answer = byPath({ [LOOK]: [200, paidIntent()] });
    const report = await askOrder(order({ channelTransactionId: INTENT_ID }), call());
    expect(report.outcome).toMatchObject({
      kind: 'succeeded',
      paid: money('CNY', 8_880),
      channelTransactionId: INTENT_ID,
      paidAtMs: (NOW_S - 5) * 1_000,
    });
    expect(peer.seen).toHaveLength(1);
  });

  test('after creating in the same process needs no search', async () => {
    const own = call();
    peer.answer = byPath({ [CREATE]: [200, waitingIntent()], [LOOK]: [200, paidIntent()] });
    await createPayment(payment(), own);
    expect((await askOrder(order(), own)).outcome.kind).toBe('succeeded');
    expect(peer.seen.map(({ path }) => path)).toEqual(['/v1/payment_intents', `/v1/payment_intents/${INTENT_ID}`]);
  });

  test('without an id searches by our number, and looks at what was found', async () => {
    // A search may be behind: what it shows is not what counts.
    peer.answer = byPath({ [SEARCH]: [200, list(waitingIntent())], [LOOK]: [200, paidIntent()] });
    expect((await askOrder(order(), call())).outcome.kind).toBe('succeeded');
    expect(peer.seen[0]?.params['query']).toBe(`metadata['order_no']:'${order().channelOrderNo}'`);
  });

  test('what no search shows yet is found in the list of what was created since, page by page', async () => {
    const other = (id: string) => intent({ id, metadata: { order_no: '99999999999999999999999999' } });
    peer.answer = (request) => {
      if (request.path.endsWith('/search')) return answering(200, list())();
      if (request.path !== '/v1/payment_intents') return answering(200, paidIntent())();
      return request.params['starting_after'] === 'pi_2'
        ? answering(200, list(waitingIntent()))()
        : answering(200, { ...list(other('pi_1'), other('pi_2')), has_more: true })();
    };
    expect((await askOrder(order(), call())).outcome.kind).toBe('succeeded');
    expect(Number(peer.seen[1]?.params['created[gte]'])).toBeLessThan(NOW_S);
  });

  test('what neither shows is not there; a list without end proves nothing', async () => {
    peer.answer = byPath({ [SEARCH]: [200, list()], [LIST]: [200, list()] });
    expect(await askOrder(order(), call())).toMatchObject({ outcome: { kind: 'unknown' }, orderNotFound: true });
    let page = 0;
    peer.answer = ({ path }) => {
      if (path.endsWith('/search')) return answering(200, list())();
      page += 1;
      return answering(200, { ...list(intent({ id: `pi_${page}`, metadata: {} })), has_more: true })();
    };
    expect(await askOrder(order(), call())).toMatchObject({ outcome: { kind: 'unknown' }, orderNotFound: false });
    expect(page).toBe(20);
  });

  test('where more was created than is listed, a search that is up to date up to the list’s end shows the rest', async () => {
    const others = ['a', 'b', 'c'].map((name) =>
      intent({ id: `pi_${name}`, metadata: { order_no: `other${name}00000` }, created: NOW_S - 60 }),
    );
    const busy = (found: (orderNo: string) => readonly object[]) => {
      peer.answer = ({ path, params }) => {
        if (path === '/v1/payment_intents') return answering(200, { ...list(...others), has_more: true })();
        if (!path.endsWith('/search')) return answering(200, paidIntent())();
        return answering(200, list(...found(/'([^']*)'$/.exec(params['query'] ?? '')?.[1] ?? '')))();
      };
      peer.seen.length = 0;
      return askOrder(order(), call());
    };
    const witness = (orderNo: string) => others.filter((other) => JSON.stringify(other).includes(`"${orderNo}"`));
    expect(await busy(witness)).toMatchObject({ outcome: { kind: 'unknown' }, orderNotFound: true });
    expect(peer.seen.filter(({ path }) => path === '/v1/payment_intents')).toHaveLength(1);
    // One of them is not found: the search is behind, or does not show everything.
    const lacking = (orderNo: string) => witness(orderNo).filter((other) => !JSON.stringify(other).includes('pi_b'));
    expect(await busy(lacking)).toMatchObject({ outcome: { kind: 'unknown' }, orderNotFound: false });
    // Found in the meantime.
    let asked = 0;
    const late = (orderNo: string) => {
      if (orderNo !== order().channelOrderNo) return witness(orderNo);
      asked += 1;
      return asked === 1 ? [] : [waitingIntent()];
    };
    expect((await busy(late)).outcome.kind).toBe('succeeded');
  });

  test('long after the expiry a search alone is enough', async () => {
    peer.answer = byPath({ [SEARCH]: [200, list()] });
    const nowMs = (order().expireAtMs ?? 0) + 2 * 3_600_000;
    expect(await askOrder(order(), call({}, nowMs))).toMatchObject({ orderNotFound: true });
  });

  test('a search, a list or a look that is disturbed says nothing', async () => {
    const disturbed: readonly Parameters<typeof byPath>[0][] = [
      {},
      { [SEARCH]: [500, error('api_error', undefined)] },
      { [SEARCH]: [200, { data: 'x', has_more: false }] },
      { [SEARCH]: [200, { data: [1], has_more: false }] },
      { [SEARCH]: [200, { ...list(), has_more: true }] },
      { [SEARCH]: [200, list()] },
      { [SEARCH]: [200, list()], [LIST]: [200, { data: [] }] },
      { [SEARCH]: [200, list()], [LIST]: [429, error('invalid_request_error', 'rate_limit')] },
      { [SEARCH]: [200, list(paidIntent())], [LOOK]: [404, error('invalid_request_error', 'resource_missing')] },
      { [SEARCH]: [200, list(paidIntent())], [LOOK]: [200, paidIntent({ id: 'pi_other' })] },
    ];
    for (const answers of disturbed) {
      peer.answer = byPath(answers);
      expect(await askOrder(order(), call())).toMatchObject({ outcome: { kind: 'unknown' }, orderNotFound: false });
    }
  });

  test('of several intents of one order the one that says the most counts; two that were paid nobody decides', async () => {
    const statusOf: Record<string, object> = {
      pi_a: intent({ id: 'pi_a', status: 'canceled' }),
      pi_b: paidIntent({ id: 'pi_b' }),
    };
    peer.answer = ({ path }) =>
      path.endsWith('/search')
        ? answering(200, list(...Object.values(statusOf)))()
        : answering(200, statusOf[path.split('/').at(-1) ?? ''])();
    expect((await askOrder(order(), call())).outcome).toMatchObject({
      kind: 'succeeded',
      channelTransactionId: 'pi_b',
    });
    statusOf['pi_a'] = paidIntent({ id: 'pi_a' });
    const both = await askOrder(order(), call());
    expect(both.outcome.kind).toBe('unknown');
    expect(both.channelMessage).toContain('pi_a');
  });

  const STATES = [
    ['requires_action', 'pending_payer'],
    ['requires_payment_method', 'pending_payer'],
    ['requires_confirmation', 'pending_payer'],
    ['processing', 'processing'],
    ['canceled', 'failed_definite'],
    ['requires_capture', 'unknown'],
    ['novel', 'unknown'],
  ] as const;
  for (const [status, kind] of STATES) {
    test(`an intent that is ${status} is ${kind}`, async () => {
      peer.answer = byPath({ [LOOK]: [200, intent({ status })] });
      const ref = order({ channelTransactionId: INTENT_ID });
      expect((await askOrder(ref, call())).outcome.kind).toBe(kind);
      expect((await askOrder(ref, call({ strictSignatures: true }))).outcome.kind).toBe('unknown');
    });
  }
});

describe('closing', () => {
  const ref = order({ channelTransactionId: INTENT_ID });

  test('cancels what is open, and only the canceled intent proves it', async () => {
    for (const status of ['requires_action', 'requires_payment_method', 'requires_confirmation']) {
      peer.answer = byPath({ [LOOK]: [200, intent({ status })], [CANCEL]: [200, intent({ status: 'canceled' })] });
      expect(await closeOrder(ref, call())).toMatchObject({
        end: 'closed',
        repeat: false,
        seen: { outcome: { kind: 'failed_definite', closed: true }, facts: { vouched: true } },
      });
    }
    peer.answer = byPath({ [LOOK]: [200, waitingIntent()], [CANCEL]: [200, waitingIntent()] });
    expect(await closeOrder(ref, call())).toMatchObject({ end: 'undecided', repeat: true });
  });

  test('leaves alone what is paid, held, under way, of a state that nobody listed, or cannot be seen', async () => {
    const looks = [
      [paidIntent(), 'already_paid'],
      [paidIntent({ amount_received: 1 }), 'undecided'],
      [intent({ status: 'processing' }), 'undecided'],
      [intent({ status: 'requires_capture' }), 'undecided'],
      [intent({ status: 'novel' }), 'undecided'],
      [intent({ status: 'canceled' }), 'closed'],
      ['<html>', 'undecided'],
    ] as const;
    for (const [content, end] of looks) {
      peer.answer = byPath({ [LOOK]: [200, content] });
      expect((await closeOrder(ref, call())).end).toBe(end);
    }
    expect(peer.seen.some(({ method }) => method === 'POST')).toBe(false);
  });

  test('paid between the look and the cancel is undecided, and a query tells', async () => {
    const paidMeanwhile = error('invalid_request_error', 'payment_intent_unexpected_state', {
      payment_intent: paidIntent(),
    });
    peer.answer = byPath({ [LOOK]: [200, waitingIntent()], [CANCEL]: [400, paidMeanwhile] });
    expect(await closeOrder(ref, call())).toMatchObject({
      end: 'undecided',
      repeat: true,
      seen: { outcome: { kind: 'unknown' }, queryNow: true },
    });
  });

  test('what Stripe has never seen is closed only when no request can be on its way', async () => {
    peer.answer = byPath({ [SEARCH]: [200, list()], [LIST]: [200, list()] });
    expect(await closeOrder(order(), call())).toMatchObject({ end: 'undecided', seen: { orderNotFound: true } });
    expect(await closeOrder(order(), call({}, NOW_MS + 300_000))).toMatchObject({ end: 'closed', repeat: false });
    expect((await closeOrder(order(), call({ strictSignatures: true }, NOW_MS + 300_000))).end).toBe('undecided');
  });
});
