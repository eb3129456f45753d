import { Secret } from '@tillmesh/config';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildPayerAuth, resolvePayer } from '../src/payer-auth.ts';
import { account, callOf, httpFor, type PeerAnswer, startPeer, type WechatPeer } from './wechat-peer.ts';

const SECRET = '0123456789abcdef0123456789abcdef';
const CODE = 'the-one-time-code';

let peer: WechatPeer;
let http: ReturnType<typeof httpFor>;
beforeAll(async () => {
  peer = await startPeer();
  http = httpFor(peer.baseUrl);
});
afterAll(async () => {
  await http.close();
  await peer.close();
});

const withAuth = () =>
  account(peer.baseUrl, {
    payerAuth: {
      appSecretFile: new Secret(SECRET),
      authorizeUrl: 'https://open.weixin.qq.com/connect/oauth2/authorize',
      apiUrl: peer.baseUrl,
    },
  });
const resolved = (answer: PeerAnswer) => {
  peer.answer = () => answer;
  return resolvePayer(new Secret(CODE), callOf(withAuth(), http));
};

test('the way to WeChat carries what WeChat wants, in its order, with our way back encoded', () => {
  const url = buildPayerAuth(
    { returnUrl: 'https://pay.example.com/q/x/back?a=1&b', state: 'f'.repeat(32) },
    withAuth(),
  );
  expect(url).toBe(
    `https://open.weixin.qq.com/connect/oauth2/authorize?appid=${withAuth().appId}&redirect_uri=https%3A%2F%2Fpay.example.com%2Fq%2Fx%2Fback%3Fa%3D1%26b&response_type=code&scope=snsapi_base&state=${'f'.repeat(32)}#wechat_redirect`,
  );
});

test('an account without the application’s secret says what is missing', () => {
  expect(() => buildPayerAuth({ returnUrl: 'https://a/q', state: '' }, account(peer.baseUrl))).toThrow(/payerAuth/);
});

test('a code becomes an openid, once, and neither code nor secret stands in what is told', async () => {
  const report = await resolved({
    status: 200,
    body: JSON.stringify({ openid: 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o', scope: 'snsapi_base' }),
  });
  expect(report.payerId?.reveal()).toBe('oUpF8uMuAJO_M2pxb1Q9zNjWeS6o');
  const asked = new URL(peer.seen.at(-1)?.url ?? '', peer.baseUrl);
  expect(asked.pathname).toBe('/sns/oauth2/access_token');
  expect(Object.fromEntries(asked.searchParams)).toEqual({
    appid: withAuth().appId,
    secret: SECRET,
    code: CODE,
    grant_type: 'authorization_code',
  });
  expect(JSON.stringify(report)).not.toContain(SECRET);
  expect(JSON.stringify(report)).not.toContain(CODE);
});

test.each([
  ['a refusal', { status: 200, body: '{"errcode":40029,"errmsg":"invalid code"}' }, '40029'],
  ['a web page', { status: 200, body: '<html>' }, ''],
  ['half an answer', { status: 200, body: '{"openid":"oUpF' }, ''],
  ['an openid that is none', { status: 200, body: '{"openid":"<script>"}' }, ''],
  ['an openid of another kind', { status: 200, body: '{"openid":{"a":1}}' }, ''],
  ['two openids', { status: 200, body: '{"openid":"a","openid":"b"}' }, ''],
  ['an error', { status: 500, body: '{"openid":"oUpF8uMuAJO"}' }, ''],
  ['nothing', undefined, ''],
] as const)('%s names nobody', async (_what, answer, code) => {
  const report = await resolved(answer);
  expect(report.payerId).toBeUndefined();
  expect(report.channelCode).toBe(code);
  expect(`${report.channelMessage}${report.channelCode}`).not.toBe('');
});
