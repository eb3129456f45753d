import { Secret } from '@tillmesh/config';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildPayerAuth, resolvePayer } from '../src/payer-auth.ts';
import {
  type AlipayPeer,
  account,
  answering,
  callOf,
  failed,
  httpFor,
  type PeerAnswer,
  type Seen,
  startPeer,
} from './alipay-peer.ts';

const CODE = '4b203fe6c11548bcabd8da5bb087a83b';
const USER = '2088102150477652';
const GIVEN = { user_id: USER, access_token: '20120823ac6ffaa4d2d84e7384bf983531473993', expires_in: '3600' };

let peer: AlipayPeer;
let http: ReturnType<typeof httpFor>;
beforeAll(async () => {
  peer = await startPeer();
  http = httpFor(peer.baseUrl);
});
afterAll(async () => {
  await http.close();
  await peer.close();
});

const resolved = (answer: (request: Seen) => PeerAnswer) => {
  peer.answer = answer;
  return resolvePayer(new Secret(CODE), callOf(account(peer.baseUrl), http));
};

test('the way to Alipay carries what Alipay wants, with our way back encoded', () => {
  const own = account(peer.baseUrl);
  expect(buildPayerAuth({ returnUrl: 'https://pay.example.com/q/x/back?a=1&b', state: 'f'.repeat(32) }, own)).toBe(
    `https://openauth.alipay.com/oauth2/publicAppAuthorize.htm?app_id=${own.appId}&scope=auth_base&redirect_uri=https%3A%2F%2Fpay.example.com%2Fq%2Fx%2Fback%3Fa%3D1%26b&state=${'f'.repeat(32)}`,
  );
});

test('a code becomes a user_id, or an open_id where there is none; the request is signed without business content', async () => {
  expect((await resolved(answering(GIVEN))).payerId?.reveal()).toBe(USER);
  const params = peer.seen.at(-1)?.params;
  expect(params).toMatchObject({ method: 'alipay.system.oauth.token', grant_type: 'authorization_code', code: CODE });
  expect(params).not.toHaveProperty('biz_content');
  const { user_id: _user, ...withoutUser } = GIVEN;
  const report = await resolved(
    answering({ ...withoutUser, open_id: '074a1CcTG1LelxKe4xQC0zgNdId0nxi95b5lsNpazWYoCo5' }),
  );
  expect(report.payerId?.reveal()).toBe('074a1CcTG1LelxKe4xQC0zgNdId0nxi95b5lsNpazWYoCo5');
  expect(JSON.stringify(report)).not.toContain(CODE);
});

test.each<[string, (request: Seen) => PeerAnswer]>([
  ['a refusal', answering(failed('isv.code-invalid'))],
  ['a wrong signature', answering(GIVEN, 'AAAA')],
  ['no signature', answering(GIVEN, '')],
  ['a user who is none', answering({ ...GIVEN, user_id: '<b>' })],
  ['a user of another kind', answering({ ...GIVEN, user_id: [USER] })],
  ['a web page', () => ({ status: 200, body: '<html>' })],
  ['nothing', () => undefined],
])('%s names nobody', async (_what, answer) => {
  const report = await resolved(answer);
  expect(report.payerId).toBeUndefined();
  expect(report.channelMessage).not.toBe('');
});
