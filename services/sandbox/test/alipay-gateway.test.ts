import { createSign } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { spacedInBeijing } from '../src/beijing-time.ts';
import { firstOf, makeKeys, type RunningSandbox, readKey, runSandbox } from './running-sandbox.ts';

const { keys, remove } = makeKeys();
const account = firstOf(keys.alipay.accounts);
let sandbox: RunningSandbox;

beforeAll(async () => {
  sandbox = await runSandbox({ keys });
});
afterAll(async () => {
  await sandbox.close();
  remove();
});

type Parameters = Record<string, string>;

const goodParameters = (): Parameters => ({
  app_id: account.appId,
  method: 'alipay.trade.query',
  format: 'JSON',
  charset: 'utf-8',
  sign_type: 'RSA2',
  timestamp: spacedInBeijing(sandbox.clock.nowMs()),
  version: '1.0',
  biz_content: '{"out_trade_no":"never_made"}',
});

/** Signs by the rule of opendocs.alipay.com, written down here once more. */
const signed = (parameters: Parameters): Parameters => {
  const text = Object.keys(parameters)
    .filter((name) => parameters[name] !== '')
    .sort()
    .map((name) => `${name}=${parameters[name] ?? ''}`)
    .join('&');
  const sign = createSign('RSA-SHA256').update(text).sign(readKey(account.appPrivateKeyFile), 'base64');
  return { ...parameters, sign };
};

const send = async (inQuery: Parameters, inBody: Parameters) => {
  const query = new URLSearchParams(inQuery).toString();
  const response = await fetch(`${sandbox.alipayUrl}?${query}`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded;charset=utf-8', connection: 'close' },
    body: new URLSearchParams(inBody).toString(),
  });
  const answer = (await response.json()) as Record<string, Record<string, string>>;
  const key = firstOf(Object.keys(answer));
  return { key, answer: answer[key] ?? {}, isSigned: 'sign' in answer };
};

const NOT_EXIST = { key: 'alipay_trade_query_response', answer: { code: '40004', sub_code: 'ACQ.TRADE_NOT_EXIST' } };

test('parameters may stand in the query, in the body, or in both', async () => {
  const all = signed(goodParameters());
  const { biz_content: content = '', ...rest } = all;
  expect(await send(all, {})).toMatchObject(NOT_EXIST);
  expect(await send({}, all)).toMatchObject(NOT_EXIST);
  expect(await send(rest, { biz_content: content })).toMatchObject(NOT_EXIST);
});

test('an empty parameter is not part of what is signed', async () => {
  expect(await send({}, signed({ ...goodParameters(), notify_url: '' }))).toMatchObject(NOT_EXIST);
});

const changed = (changes: Parameters) => () => signed({ ...goodParameters(), ...changes });
const without = (name: string) => () => {
  const { [name]: _left, ...rest } = goodParameters();
  return signed(rest);
};
const after = (changes: Parameters) => () => ({ ...signed(goodParameters()), ...changes });

const REFUSED: readonly (readonly [
  what: string,
  make: () => Parameters,
  code: string,
  subCode: string,
  isSigned: boolean,
])[] = [
  ['without app_id', without('app_id'), '40001', 'isv.missing-app-id', false],
  ['of an unknown app_id', changed({ app_id: '2021000000000000' }), '40002', 'isv.invalid-app-id', false],
  ['without sign_type', without('sign_type'), '40001', 'isv.missing-signature-type', true],
  ['with the old sign_type RSA', changed({ sign_type: 'RSA' }), '40002', 'isv.invalid-signature-type', true],
  ['without a signature', after({ sign: '' }), '40001', 'isv.missing-signature', true],
  ['with rubbish for a signature', after({ sign: '!' }), '40002', 'isv.invalid-signature', true],
  ['whose content was changed', after({ biz_content: '{"out_trade_no":"b"}' }), '40002', 'isv.invalid-signature', true],
  ['to which something was added', after({ extra: '1' }), '40002', 'isv.invalid-signature', true],
  ['without a method', without('method'), '40001', 'isv.missing-method', true],
  ['with a method that there is not', changed({ method: 'alipay.trade.steal' }), '40002', 'isv.invalid-method', true],
  ['in another charset', changed({ charset: 'gbk' }), '40002', 'isv.invalid-charset', true],
  ['without a time stamp', without('timestamp'), '40001', 'isv.missing-timestamp', true],
  ['with a time stamp that is none', changed({ timestamp: 'today' }), '40002', 'isv.invalid-timestamp', true],
  ['of two days ago', changed({ timestamp: '2020-01-01 00:00:00' }), '40002', 'isv.invalid-timestamp', true],
  ['without a version', without('version'), '40001', 'isv.missing-version', true],
  ['in XML', changed({ format: 'XML' }), '40002', 'isv.invalid-format', true],
  ['with a notify_url that is none', changed({ notify_url: 'nowhere' }), '40002', 'isv.invalid-parameter', true],
  ['with a content that is no JSON', changed({ biz_content: '{' }), '40004', 'ACQ.INVALID_PARAMETER', true],
  ['with a content that names no trade', changed({ biz_content: '{}' }), '40004', 'ACQ.INVALID_PARAMETER', true],
];
for (const [what, make, code, subCode, isSigned] of REFUSED) {
  test(`a request ${what} is answered with ${code} ${subCode}${isSigned ? '' : ', unsigned'}`, async () => {
    expect(await send({}, make())).toMatchObject({ answer: { code, sub_code: subCode }, isSigned });
  });
}

test('a parameter that comes twice is refused: it would be unclear which was signed', async () => {
  const all = signed(goodParameters());
  expect(await send(all, { version: '1.0' })).toMatchObject({ answer: { sub_code: 'isv.invalid-parameter' } });
});

test('other paths are not there, and a page that nobody has signed is refused', async () => {
  // What a payer's browser asks for by GET has to be signed as well.
  const get = await fetch(sandbox.alipayUrl, { headers: { connection: 'close' } });
  expect(get.status).toBe(400);
  const other = await fetch(sandbox.alipayUrl.replace('gateway.do', 'mapi.do'), {
    method: 'POST',
    headers: { connection: 'close' },
  });
  expect(other.status).toBe(404);
});
