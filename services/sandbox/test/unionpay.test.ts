import { ManualClock } from '@tillmesh/clock';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { notifiedMerchant } from './notified-merchant.ts';
import { firstOf, freshCode, ledgerOf, makeKeys, type RunningSandbox, runSandbox } from './running-sandbox.ts';
import {
  beijingDigits,
  isSignedByItsCertificate,
  type UnionpayMerchant,
  unionpayMerchant,
} from './unionpay-merchant.ts';

const { keys, remove } = makeKeys();
const clock = new ManualClock();
let sandbox: RunningSandbox;
let merchant: UnionpayMerchant;
let other: UnionpayMerchant;
beforeAll(async () => {
  sandbox = await runSandbox({ keys, clock });
  merchant = unionpayMerchant(sandbox, firstOf(keys.unionpay.accounts));
  other = unionpayMerchant(sandbox, firstOf(keys.unionpay.accounts.slice(1)));
});
afterAll(async () => {
  await sandbox.close();
  remove();
});

let count = 0;
const newOrderNo = (): string => `unionpayorder${(count += 1)}`;
const now = (): string => beijingDigits(clock.nowMs());
const code = (script: readonly object[] = []) => freshCode(sandbox, 'unionpay', { script });
const codeOf = async (answer: Promise<{ fields: Readonly<Record<string, string>> }>) =>
  (await answer).fields['respCode'];
const paid = async (amount = '100') => {
  const orderId = newOrderNo();
  const { fields } = await merchant.pay(orderId, await code(), { txnAmt: amount });
  return { orderId, txnTime: fields['txnTime'] ?? '', queryId: fields['queryId'] ?? '' };
};

describe('a request', () => {
  test('that nobody has signed as it is hears 11, and is counted', async () => {
    for (const changes of [{ signature: 'AAAA' }, { certId: '1' }, { merId: '777200000000000' }]) {
      expect(await codeOf(merchant.query('nevermade1', changes))).toBe('11');
    }
    const { body } = await sandbox.control.get<{ refusedSignatures: { unionpay: Record<string, number> } }>('/stats');
    expect(body.refusedSignatures.unionpay).toEqual({ merId: 1, signature: 2 });
  });

  test.each([
    ['another version', { version: '5.0.0' }],
    ['another encoding', { encoding: 'GBK' }],
    ['a time that is none', { txnTime: '20260230000000' }],
    ['an order number with a hyphen', { orderId: 'order-0001' }],
    ['a short order number', { orderId: 'o1' }],
    ['no amount', { txnAmt: undefined }],
    ['an amount of zero', { txnAmt: '0' }],
    ['an amount in yuan', { txnAmt: '1.00' }],
    ['another currency', { currencyCode: '840' }],
    ['an address that is none', { backUrl: 'nowhere' }],
    ['a kind that there is not', { txnType: '99' }],
  ])('with %s hears 10, signed, and nothing is made', async (_what, changes) => {
    const orderId = newOrderNo();
    const { fields, isAuthentic } = await merchant.place(orderId, changes);
    expect([fields['respCode'], isAuthentic]).toEqual(['10', true]);
    expect(await codeOf(merchant.query(orderId))).toBe('34');
  });

  test('by another address or method is nothing', async () => {
    expect((await merchant.send('otherReq.do', 'a=b')).status).toBe(404);
    expect((await fetch(`${sandbox.unionpayUrl}/gateway/api/queryTrans.do`)).status).toBe(404);
  });
});

describe('a payment by code', () => {
  test('is paid at once; the answer names it, and so does a query under the same time alone', async () => {
    const { orderId, txnTime, queryId } = await paid('250');
    expect(queryId).toMatch(/^[0-9]{21}$/);
    expect(await merchant.query(orderId, { txnTime })).toMatchObject({
      isAuthentic: true,
      fields: { respCode: '00', origRespCode: '00', queryId, txnAmt: '250', currencyCode: '156', orderId },
    });
    expect(await codeOf(merchant.query(orderId, { txnTime: '20250101000000' }))).toBe('34');
    expect(await codeOf(other.query(orderId, { txnTime }))).toBe('34');
    expect(await ledgerOf(sandbox, orderId)).toMatchObject({ charges: 1, netFen: 250 });
  });

  test('is under way while its payer types, and paid after that', async () => {
    const orderId = newOrderNo();
    const { fields } = await merchant.pay(orderId, await code([{ do: 'payer_types_password', seconds: 5 }]));
    const txnTime = fields['txnTime'] ?? '';
    expect(fields['respCode']).toBe('05');
    expect((await merchant.query(orderId, { txnTime })).fields).toMatchObject({ respCode: '00', origRespCode: '05' });
    await clock.advance(5_000);
    expect((await merchant.query(orderId, { txnTime })).fields['origRespCode']).toBe('00');
  });

  test('fails with its payer’s code, under its number for good, and charges nobody', async () => {
    const orderId = newOrderNo();
    const { fields } = await merchant.pay(orderId, await code([{ do: 'decline', code: '51' }]));
    expect(fields['respCode']).toBe('51');
    expect(await codeOf(merchant.pay(orderId, await code()))).toBe('12');
    expect((await merchant.query(orderId, { txnTime: fields['txnTime'] })).fields['origRespCode']).toBe('51');
    expect(await ledgerOf(sandbox, orderId)).toMatchObject({ charges: 0 });
  });

  test('with a code of nobody, or one that was used, hears 62', async () => {
    const used = await code();
    await merchant.pay(newOrderNo(), used);
    expect(await codeOf(merchant.pay(newOrderNo(), used))).toBe('62');
    expect(await codeOf(merchant.pay(newOrderNo(), '6212345678901234567'))).toBe('62');
  });

  test('that is asked for twice charges once', async () => {
    const orderId = newOrderNo();
    const one = await code();
    const answers = await Promise.all([merchant.pay(orderId, one), merchant.pay(orderId, one)]);
    expect(new Set(answers.map(({ fields }) => fields['respCode']))).toEqual(new Set(['00', '12']));
    expect(await ledgerOf(sandbox, orderId)).toMatchObject({ charges: 1 });
  });
});

describe('a code to scan', () => {
  test('is no transaction before somebody has scanned it; a repeat of the same gives the same code', async () => {
    const orderId = newOrderNo();
    const txnTime = now();
    const [first, again] = [await merchant.place(orderId, { txnTime }), await merchant.place(orderId, { txnTime })];
    expect(first.fields['qrCode']).toMatch(/^https:\/\/qr\.95516\.com\//);
    expect(again.fields['qrCode']).toBe(first.fields['qrCode']);
    expect(await codeOf(merchant.place(orderId, { txnTime, txnAmt: '999' }))).toBe('12');
    expect(await codeOf(merchant.query(orderId, { txnTime }))).toBe('34');
    await sandbox.control.post('/scan', { code: first.fields['qrCode'] });
    expect((await merchant.query(orderId, { txnTime })).fields['origRespCode']).toBe('00');
  });

  test('cannot be paid any more after its payTimeout', async () => {
    const orderId = newOrderNo();
    const txnTime = now();
    const payTimeout = beijingDigits(clock.nowMs() + 60_000);
    const { fields } = await merchant.place(orderId, { txnTime, payTimeout });
    await clock.advance(60_000);
    expect((await sandbox.control.post('/scan', { code: fields['qrCode'] })).status).toBe(409);
    expect(await codeOf(merchant.query(orderId, { txnTime }))).toBe('34');
  });
});

describe('money that goes back', () => {
  test('in parts, each number once, and never more than was paid', async () => {
    const { orderId, queryId } = await paid('100');
    const refundNo = newOrderNo();
    const txnTime = now();
    const refund = (no: string, txnAmt: string) => merchant.refund(no, queryId, { txnAmt, txnTime });
    expect(await codeOf(refund(refundNo, '60'))).toBe('00');
    expect(await codeOf(refund(refundNo, '60'))).toBe('00');
    expect(await codeOf(refund(refundNo, '40'))).toBe('12');
    expect(await codeOf(refund(newOrderNo(), '41'))).toBe('36');
    expect((await merchant.query(refundNo, { txnTime })).fields).toMatchObject({ origRespCode: '00', txnAmt: '60' });
    expect(await ledgerOf(sandbox, orderId)).toMatchObject({ returnedFen: 60, netFen: 40 });
    expect(await codeOf(other.refund(newOrderNo(), queryId))).toBe('34');
  });

  test('is undone as a whole, on its own day, unless some of it went back already', async () => {
    const undo = (no: string, queryId: string, txnAmt = '100') =>
      merchant.refund(no, queryId, { txnType: '31', txnAmt });
    const { orderId, queryId } = await paid('100');
    expect(await codeOf(undo(newOrderNo(), queryId, '99'))).toBe('36');
    const undoNo = newOrderNo();
    expect(await codeOf(undo(undoNo, queryId))).toBe('00');
    expect(await codeOf(undo(undoNo, queryId))).toBe('00');
    expect(await codeOf(undo(newOrderNo(), queryId))).toBe('36');
    expect(await ledgerOf(sandbox, orderId)).toMatchObject({ returnedFen: 100, netFen: 0 });

    const inPart = await paid('100');
    await merchant.refund(newOrderNo(), inPart.queryId, { txnAmt: '1' });
    expect(await codeOf(undo(newOrderNo(), inPart.queryId))).toBe('36');

    const yesterday = await paid('100');
    await clock.advance(24 * 3_600_000);
    expect(await codeOf(undo(newOrderNo(), yesterday.queryId))).toBe('36');
    expect(await codeOf(merchant.refund(newOrderNo(), yesterday.queryId))).toBe('00');
  });
});

describe('a notification', () => {
  const notified = async (script: readonly object[], ...reactions: { status: number; body: string }[]) => {
    const [first = { status: 200, body: 'ok' }, ...rest] = reactions;
    const shop = await notifiedMerchant(first, ...rest);
    const orderId = newOrderNo();
    if (script.length > 0) {
      await sandbox.control.post('/scripts', {
        match: { outTradeNo: orderId },
        operations: ['notification'],
        uses: 1,
        script,
      });
    }
    await merchant.pay(orderId, await code(), { backUrl: shop.url });
    return { shop, orderId };
  };
  const fieldsOf = (body: string): Record<string, string> => Object.fromEntries(new URLSearchParams(body));

  test('says what was paid, signed by the certificate in it', async () => {
    const { shop, orderId } = await notified([]);
    await expect.poll(() => shop.heard.length).toBe(1);
    const fields = fieldsOf(shop.heard[0]?.body ?? '');
    expect(fields).toMatchObject({ orderId, respCode: '00', txnAmt: '100', txnType: '01', txnSubType: '06' });
    expect(isSignedByItsCertificate(fields)).toBe(true);
    await shop.close();
  });

  test('comes again after a minute where it was not answered with 200', async () => {
    const { shop } = await notified([], { status: 500, body: 'ok' }, { status: 200, body: '' });
    await expect.poll(() => shop.heard.length).toBe(1);
    await expect
      .poll(async () => {
        await clock.advance(60_000);
        return shop.heard.length;
      })
      .toBe(2);
    await shop.close();
  });

  test.each(['bad_signature', 'unsigned'])('can be sent with %s', async (fault) => {
    const { shop } = await notified([{ do: fault }]);
    await expect.poll(() => shop.heard.length).toBe(1);
    expect(isSignedByItsCertificate(fieldsOf(shop.heard[0]?.body ?? ''))).toBe(false);
    await shop.close();
  });
});

describe('what goes wrong on the wire', () => {
  const disturbed = async (act: object) => {
    const orderId = newOrderNo();
    const txnTime = now();
    await sandbox.control.post('/scripts', { match: { outTradeNo: orderId }, uses: 1, script: [act] });
    const answer = await merchant.pay(orderId, await code(), { txnTime }).catch(() => undefined);
    return { answer, charges: (await ledgerOf(sandbox, orderId)).charges };
  };

  test.each([
    ['a cut before the commit', { do: 'answer_lost_before_commit' }, 0],
    ['a cut after the commit', { do: 'answer_lost_after_commit' }, 1],
  ])('%s', async (_what, act, charges) => {
    expect(await disturbed(act)).toEqual({ answer: undefined, charges });
  });

  test.each([
    ['a wrong signature', { do: 'bad_signature' }, 1],
    ['no signature', { do: 'unsigned' }, 1],
    ['a web page', { do: 'garbage' }, 1],
    ['half of an answer', { do: 'garbage', form: 'truncated' }, 1],
    ['half of an answer to what was not done', { do: 'garbage', form: 'truncated', commit: false }, 0],
    ['an error page', { do: 'http_error', status: 503, commit: false }, 0],
  ])('%s', async (_what, act, charges) => {
    const { answer, charges: made } = await disturbed(act);
    expect([answer?.isAuthentic, made]).toEqual([false, charges]);
  });

  test('a code that says no though it was done', async () => {
    const { answer, charges } = await disturbed({ do: 'error_after_commit', code: '01' });
    expect([answer?.isAuthentic, answer?.fields['respCode'], charges]).toEqual([true, '01', 1]);
  });
});
