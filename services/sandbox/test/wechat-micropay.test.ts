import { ManualClock } from '@tillmesh/clock';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hasFormOf } from '../src/payers.ts';
import { firstOf, freshCode, ledgerOf, makeKeys, type RunningSandbox, runSandbox } from './running-sandbox.ts';
import { areVectorsMissing, readVectors, vectorsNote } from './vectors.ts';
import { type V2Got, type WechatMerchant, wechatMerchant } from './wechat-merchant.ts';

const { keys, remove } = makeKeys();
const clock = new ManualClock(Date.UTC(2026, 2, 1, 18, 30, 0));
let sandbox: RunningSandbox;
let merchant: WechatMerchant;

beforeAll(async () => {
  sandbox = await runSandbox({ keys, clock });
  merchant = wechatMerchant(sandbox, firstOf(keys.wechat.accounts));
});
afterAll(async () => {
  await sandbox.close();
  remove();
});

let orders = 0;
const newOrderNo = (): string => {
  orders += 1;
  return `micropay_${orders}`;
};
const code = (...script: object[]) => freshCode(sandbox, 'wechat', { script });
const typing = (seconds: number, then = 'pays') => ({ do: 'payer_types_password', seconds, then });
const stateOf = async (outTradeNo: string) => (await merchant.orderquery(outTradeNo)).fields['trade_state'];
const refused = (err_code: string) => ({ isAuthentic: true, fields: { result_code: 'FAIL', err_code } });

describe('a payment by code', () => {
  test('is paid at once, and says so in the form of v2', async () => {
    const outTradeNo = newOrderNo();
    const { fields, isAuthentic, headers } = await merchant.micropay(outTradeNo, await code(), { attach: 'table 7' });
    expect(isAuthentic).toBe(true);
    expect(headers.get('content-type')).toBe('text/plain');
    expect(headers.get('request-id')).toMatch(/^08/);
    expect(fields).toMatchObject({
      return_code: 'SUCCESS',
      result_code: 'SUCCESS',
      trade_type: 'MICROPAY',
      total_fee: '100',
      fee_type: 'CNY',
      out_trade_no: outTradeNo,
      attach: 'table 7',
    });
    expect(fields['time_end']).toMatch(/^202603020230\d\d$/);
    expect(fields['transaction_id']).toMatch(/^4200[0-9]{24}$/);
    expect(await ledgerOf(sandbox, outTradeNo)).toMatchObject({ charges: 1, netFen: 100 });
  });

  test('can be queried over v2 and v3, by either number', async () => {
    const outTradeNo = newOrderNo();
    const { fields: paid } = await merchant.micropay(outTradeNo, await code());
    const byId = await merchant.v2('/pay/orderquery', { transaction_id: paid['transaction_id'] });
    expect(byId.fields).toMatchObject({ trade_state: 'SUCCESS', out_trade_no: outTradeNo, time_end: paid['time_end'] });
    expect((await merchant.query(outTradeNo)).body).toMatchObject({ trade_state: 'SUCCESS', trade_type: 'MICROPAY' });
  });

  test('waits for the password, then is paid', async () => {
    const outTradeNo = newOrderNo();
    expect(await merchant.micropay(outTradeNo, await code(typing(8)))).toMatchObject(refused('USERPAYING'));
    expect(await stateOf(outTradeNo)).toBe('USERPAYING');
    await clock.advance(8_000);
    expect(await stateOf(outTradeNo)).toBe('SUCCESS');
    expect(await ledgerOf(sandbox, outTradeNo)).toMatchObject({ charges: 1, netFen: 100 });
  });

  test('fails when the payer gives up', async () => {
    const outTradeNo = newOrderNo();
    await merchant.micropay(outTradeNo, await code(typing(8, 'gives_up')));
    await clock.advance(8_000);
    expect(await stateOf(outTradeNo)).toBe('PAYERROR');
    expect(await ledgerOf(sandbox, outTradeNo)).toMatchObject({ charges: 0 });
  });

  test('is revoked by itself after 45 s, and the password comes too late', async () => {
    const outTradeNo = newOrderNo();
    await merchant.micropay(outTradeNo, await code(typing(46)));
    await clock.advance(44_999);
    expect(await stateOf(outTradeNo)).toBe('USERPAYING');
    await clock.advance(2_000);
    expect(await stateOf(outTradeNo)).toBe('REVOKED');
    expect(await ledgerOf(sandbox, outTradeNo)).toMatchObject({ charges: 0 });
  });

  test('fails for a payer without money', async () => {
    const outTradeNo = newOrderNo();
    const poor = await freshCode(sandbox, 'wechat', { balanceFen: 99 });
    expect(await merchant.micropay(outTradeNo, poor)).toMatchObject(refused('NOTENOUGH'));
    expect(await stateOf(outTradeNo)).toBe('PAYERROR');
  });

  test('that nobody has made is ORDERNOTEXIST', async () => {
    expect(await merchant.orderquery('never_made')).toMatchObject(refused('ORDERNOTEXIST'));
  });
});

describe('the same order number again', () => {
  const again: readonly (readonly [
    what: string,
    script: object[],
    waitMs: number,
    changes: Record<string, string>,
    answer: string,
  ])[] = [
    ['while the payer types', [typing(9)], 0, {}, 'USERPAYING'],
    ['while the payer types, with another amount', [typing(9)], 0, { total_fee: '101' }, 'OUT_TRADE_NO_USED'],
    [
      'while the payer types, with another code',
      [typing(9)],
      0,
      { auth_code: '130000000000000000' },
      'OUT_TRADE_NO_USED',
    ],
    ['after it was paid', [], 0, {}, 'ORDERPAID'],
    ['after it was paid, with another amount', [], 0, { total_fee: '101' }, 'ORDERPAID'],
    ['after it failed', [{ do: 'decline', code: 'NOTENOUGH' }], 0, {}, 'NOTENOUGH'],
    ['after it was revoked', [typing(50)], 46_000, {}, 'ORDERREVERSED'],
  ];
  for (const [what, script, waitMs, changes, answer] of again) {
    test(`${what} is ${answer}, and charges nobody`, async () => {
      const outTradeNo = newOrderNo();
      const authCode = await code(...script);
      await merchant.micropay(outTradeNo, authCode);
      await clock.advance(waitMs);
      const before = await ledgerOf(sandbox, outTradeNo);
      expect(await merchant.micropay(outTradeNo, authCode, changes)).toMatchObject(refused(answer));
      expect(await ledgerOf(sandbox, outTradeNo)).toEqual(before);
    });
  }
});

describe('a payment code', () => {
  const WRONG: readonly (readonly [what: string, authCode: () => Promise<string>, answer: string])[] = [
    ['with a letter', async () => '13000000000000000a', 'AUTH_CODE_ERROR'],
    ['of 15 digits', async () => '130000000000000', 'AUTH_CODE_ERROR'],
    ['of 17 digits', async () => '13000000000000000', 'AUTH_CODE_INVALID'],
    ['that begins with 16', async () => '160000000000000000', 'AUTH_CODE_INVALID'],
    ['of Alipay', () => freshCode(sandbox, 'alipay'), 'AUTH_CODE_INVALID'],
    ['that no wallet has issued', async () => '130000000000000000', 'AUTH_CODE_INVALID'],
    [
      'that is older than it may be',
      async () => {
        const old = await freshCode(sandbox, 'wechat', { validForSeconds: 60 });
        await clock.advance(60_000);
        return old;
      },
      'AUTHCODEEXPIRE',
    ],
    [
      'that was used before',
      async () => {
        const used = await code();
        await merchant.micropay(newOrderNo(), used);
        return used;
      },
      'AUTH_CODE_ERROR',
    ],
    [
      'whose payer was declined before',
      async () => {
        const used = await code({ do: 'decline', code: 'NOTENOUGH' });
        await merchant.micropay(newOrderNo(), used);
        return used;
      },
      'AUTH_CODE_ERROR',
    ],
  ];
  for (const [what, authCode, answer] of WRONG) {
    test(`${what} is refused as ${answer} and leaves no order`, async () => {
      const outTradeNo = newOrderNo();
      expect(await merchant.micropay(outTradeNo, await authCode())).toMatchObject(refused(answer));
      expect(await merchant.orderquery(outTradeNo)).toMatchObject(refused('ORDERNOTEXIST'));
    });
  }

  const VECTORS = 'payment-code-detection.json';
  test.skipIf(areVectorsMissing(VECTORS))(`has the form of the public samples${vectorsNote(VECTORS)}`, () => {
    const { vectors } = readVectors<{ vectors: { code: string; wallet: string | null }[] }>(VECTORS);
    for (const { code: text, wallet } of vectors) {
      expect([text, hasFormOf('wechat', text)]).toEqual([text, wallet?.startsWith('WECHAT') === true]);
      expect([text, hasFormOf('alipay', text)]).toEqual([text, wallet === 'ALIPAY']);
    }
  });
});

describe('reversing', () => {
  const reversed = { isAuthentic: true, fields: { result_code: 'SUCCESS', recall: 'N' } };

  test('gives back what was paid, once, however often it is asked', async () => {
    const outTradeNo = newOrderNo();
    await merchant.micropay(outTradeNo, await code());
    expect(await merchant.reverse(outTradeNo)).toMatchObject(reversed);
    expect(await merchant.reverse(outTradeNo)).toMatchObject(reversed);
    expect(await stateOf(outTradeNo)).toBe('REVOKED');
    expect(await ledgerOf(sandbox, outTradeNo)).toMatchObject({
      charges: 1,
      chargedFen: 100,
      returnedFen: 100,
      netFen: 0,
    });
  });

  test('is refused while the payer types, and works when he has given up', async () => {
    const outTradeNo = newOrderNo();
    await merchant.micropay(outTradeNo, await code(typing(5, 'gives_up')));
    expect(await merchant.reverse(outTradeNo)).toMatchObject(refused('USERPAYING'));
    expect((await merchant.reverse(outTradeNo)).fields['recall']).toBe('Y');
    await clock.advance(5_000);
    expect(await merchant.reverse(outTradeNo)).toMatchObject(reversed);
    expect(await stateOf(outTradeNo)).toBe('REVOKED');
  });

  test('makes the number unusable', async () => {
    const outTradeNo = newOrderNo();
    await merchant.micropay(outTradeNo, await code({ do: 'decline', code: 'NOTENOUGH' }));
    await merchant.reverse(outTradeNo);
    expect(await merchant.micropay(outTradeNo, await code())).toMatchObject(refused('ORDERREVERSED'));
    expect(await ledgerOf(sandbox, outTradeNo)).toMatchObject({ charges: 0 });
  });

  test('an order that there is not is refused', async () => {
    expect(await merchant.reverse('never_made')).toMatchObject({ fields: { err_code: 'ORDERNOTEXIST', recall: 'N' } });
  });

  test('is for payment codes alone, as closing is for the others', async () => {
    const qr = newOrderNo();
    await merchant.native(qr);
    expect(await merchant.reverse(qr)).toMatchObject(refused('INVALID_REQUEST'));
    const byCode = newOrderNo();
    await merchant.micropay(byCode, await code(typing(9)));
    expect(await merchant.close(byCode)).toMatchObject({ status: 400, body: { code: 'INVALID_REQUEST' } });
  });

  test('ends seven days after the payment', async () => {
    const outTradeNo = newOrderNo();
    await merchant.micropay(outTradeNo, await code());
    await clock.advance(7 * 24 * 3_600_000 + 1);
    expect(await merchant.reverse(outTradeNo)).toMatchObject(refused('REVERSE_EXPIRE'));
    expect(await ledgerOf(sandbox, outTradeNo)).toMatchObject({ netFen: 100 });
  });

  test('says "call me again" when a script makes the system fail', async () => {
    const outTradeNo = newOrderNo();
    await merchant.micropay(outTradeNo, await code());
    await sandbox.control.post('/scripts', {
      match: { outTradeNo },
      operations: ['reverse'],
      uses: 1,
      script: [{ do: 'decline', code: 'SYSTEMERROR' }],
    });
    expect(await merchant.reverse(outTradeNo)).toMatchObject({ fields: { err_code: 'SYSTEMERROR', recall: 'Y' } });
    expect(await ledgerOf(sandbox, outTradeNo)).toMatchObject({ netFen: 100 });
    expect(await merchant.reverse(outTradeNo)).toMatchObject(reversed);
  });
});

describe('a v2 request', () => {
  const TOO_BAD: readonly (readonly [what: string, send: () => Promise<V2Got>, message: string])[] = [
    ['that is no XML', () => merchant.sendXml('/pay/orderquery', '{"a":1}'), 'XML格式错误'],
    ['with a DTD', () => merchant.sendXml('/pay/orderquery', '<!DOCTYPE xml><xml><a>1</a></xml>'), 'XML格式错误'],
    [
      'of an unknown merchant',
      () => merchant.v2('/pay/orderquery', { mch_id: '1900000000' }),
      '商户号mch_id或sub_mch_id不存在',
    ],
    [
      'with a wrong signature',
      () => merchant.v2('/pay/orderquery', { out_trade_no: 'a', sign: 'A'.repeat(32) }),
      '签名错误',
    ],
    [
      'with an unknown sign_type',
      () => merchant.v2('/pay/orderquery', { out_trade_no: 'a', sign_type: 'SHA1' }),
      '签名类型不支持',
    ],
    [
      'without a signature',
      () => merchant.sendXml('/pay/orderquery', `<xml><mch_id>${merchant.account.mchid}</mch_id></xml>`),
      '缺少签名',
    ],
  ];
  for (const [what, send, message] of TOO_BAD) {
    test(`${what} gets return_code FAIL without a signature`, async () => {
      const { fields } = await send();
      expect(fields).toEqual({ return_code: 'FAIL', return_msg: message });
    });
  }

  test('signed with MD5 is not authentic as HMAC-SHA256', async () => {
    const got = await merchant.v2('/pay/orderquery', {
      out_trade_no: 'a',
      sign_type: 'HMAC-SHA256',
      sign: 'A'.repeat(64),
    });
    expect(got.fields).toMatchObject({ return_msg: '签名错误' });
  });

  const WRONG: readonly (readonly [what: string, changes: Record<string, string | undefined>, answer: string])[] = [
    ['without a body', { body: undefined }, 'LACK_PARAMS'],
    ['without an address', { spbill_create_ip: undefined }, 'LACK_PARAMS'],
    ['without an appid', { appid: undefined }, 'LACK_PARAMS'],
    ['without a nonce', { nonce_str: undefined }, 'LACK_PARAMS'],
    ['with an amount of 0', { total_fee: '0' }, 'PARAM_ERROR'],
    ['with an amount in yuan', { total_fee: '1.00' }, 'PARAM_ERROR'],
    ['with a body of 129 bytes', { body: '茶'.repeat(43) }, 'PARAM_ERROR'],
    ['in another currency', { fee_type: 'USD' }, 'PARAM_ERROR'],
    ['with a number of 33 characters', { out_trade_no: '1'.repeat(33) }, 'PARAM_ERROR'],
    ["with somebody else's appid", { appid: 'wx0000000000000000' }, 'APPID_MCHID_NOT_MATCH'],
  ];
  for (const [what, changes, answer] of WRONG) {
    test(`for a payment ${what} is refused as ${answer}`, async () => {
      expect(await merchant.micropay(newOrderNo(), await code(), changes)).toMatchObject(refused(answer));
    });
  }

  test('that is not a POST is refused', async () => {
    const response = await fetch(`${sandbox.wechatUrl}/pay/micropay`, { headers: { connection: 'close' } });
    expect(await response.text()).toContain('请使用post方法');
  });
});

describe("WeChat's official negative test", () => {
  const header = (name: string) => ({ 'Wechatpay-Negative-Test': name });

  test('MICROPAY_USERPAYING makes the payer type, and pay', async () => {
    const outTradeNo = newOrderNo();
    const got = await merchant.micropay(outTradeNo, await code(), {}, header('MICROPAY_USERPAYING'));
    expect(got).toMatchObject(refused('USERPAYING'));
    await clock.advance(10_000);
    expect(await stateOf(outTradeNo)).toBe('SUCCESS');
  });

  test('MICROPAY_PAYERROR makes the payment fail', async () => {
    const outTradeNo = newOrderNo();
    const got = await merchant.micropay(outTradeNo, await code(), {}, header('MICROPAY_PAYERROR'));
    expect(got).toMatchObject(refused('TRADE_ERROR'));
    expect(await stateOf(outTradeNo)).toBe('PAYERROR');
  });

  test('MICROPAY_TIMEOUT takes the money and never answers', async () => {
    const outTradeNo = newOrderNo();
    const authCode = await code();
    const unanswered = merchant
      .micropay(outTradeNo, authCode, {}, header('MICROPAY_TIMEOUT'))
      .catch(() => 'unanswered');
    await expect.poll(() => ledgerOf(sandbox, outTradeNo)).toMatchObject({ charges: 1 });
    // The end of an outage cuts every connection: otherwise the test would wait as long as the till.
    await sandbox.control.post('/outage', { channel: 'wechat', mode: 'hang' });
    await sandbox.control.post('/outage', { channel: 'wechat', mode: 'off' });
    expect(await unanswered).toBe('unanswered');
  });
});
