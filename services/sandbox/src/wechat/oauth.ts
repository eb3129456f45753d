import type { Clock, Random } from '@tillmesh/clock';
import type { HttpReply, HttpRequest } from '../http-server.ts';
import type { Payers } from '../payers.ts';
import type { WechatAccount } from './account.ts';

const CODE_MS = 300_000;
const CODES_MAX = 10_000;

type Code = { readonly appid: string; readonly openid: string; readonly untilMs: number };

const json = (content: object): HttpReply => ({
  kind: 'answer',
  status: 200,
  // As the real one calls its JSON.
  headers: { 'content-type': 'text/plain' },
  body: Buffer.from(JSON.stringify(content)),
});
const refusal = (errcode: number, errmsg: string): HttpReply => json({ errcode, errmsg });

/**
 * WeChat's web authorisation (snsapi_base): a page inside WeChat is sent here, and comes back at once with a one-time code, for which the
 * application's server gets the openid. Each visit is another payer. Source: developers.weixin.qq.com, "网页授权".
 */
export const createWechatOauth = (deps: {
  readonly clock: Clock;
  readonly random: Random;
  readonly payers: Payers;
  readonly accounts: readonly WechatAccount[];
}) => {
  const { clock, random, payers, accounts } = deps;
  const codes = new Map<string, Code>();

  // A sub-merchant's application has the secret of its provider's: the sandbox knows one for both.
  const ownerOf = (name: string): WechatAccount | undefined =>
    accounts.find(({ appid, subMerchants }) => appid === name || subMerchants.some((sub) => sub.appid === name));

  const authorise = ({ query, headers }: HttpRequest): HttpReply => {
    const text = (name: string) => query.get(name) ?? '';
    const page = (status: number, words: string): HttpReply => ({
      kind: 'answer',
      status,
      headers: { 'content-type': 'text/html; charset=utf-8' },
      body: Buffer.from(words),
    });
    if (!/MicroMessenger/.test(headers['user-agent'] ?? '')) return page(403, '请在微信客户端打开链接');
    const known = ownerOf(text('appid')) !== undefined;
    const isRight = text('response_type') === 'code' && text('scope') === 'snsapi_base' && text('state').length <= 128;
    if (!known || !isRight || !URL.canParse(text('redirect_uri'))) return page(400, 'redirect_uri 参数错误');
    const code = random.hex(16);
    codes.set(code, { appid: text('appid'), openid: payers.meet('wechat').payerId, untilMs: clock.nowMs() + CODE_MS });
    const [oldest] = codes.keys();
    if (codes.size > CODES_MAX && oldest !== undefined) codes.delete(oldest);
    const back = new URL(text('redirect_uri'));
    back.searchParams.set('code', code);
    back.searchParams.set('state', text('state'));
    return { kind: 'answer', status: 302, headers: { location: back.href }, body: Buffer.alloc(0) };
  };

  const token = ({ query }: HttpRequest): HttpReply => {
    const appid = query.get('appid') ?? '';
    const account = ownerOf(appid);
    if (account === undefined) return refusal(40_013, 'invalid appid');
    if (account.appSecret === undefined || query.get('secret') !== account.appSecret)
      return refusal(40_125, 'invalid appsecret');
    if (query.get('grant_type') !== 'authorization_code') return refusal(40_002, 'invalid grant_type');
    const name = query.get('code') ?? '';
    const code = codes.get(name);
    if (code === undefined || code.appid !== appid) return refusal(40_029, 'invalid code');
    codes.delete(name);
    if (clock.nowMs() >= code.untilMs) return refusal(42_003, 'code expired');
    return json({
      access_token: random.hex(32),
      expires_in: 7_200,
      refresh_token: random.hex(32),
      openid: code.openid,
      scope: 'snsapi_base',
    });
  };

  return {
    /** Undefined for what is not about authorisation. */
    handle: (request: HttpRequest): HttpReply | undefined => {
      if (request.method !== 'GET') return undefined;
      if (request.path === '/connect/oauth2/authorize') return authorise(request);
      return request.path === '/sns/oauth2/access_token' ? token(request) : undefined;
    },
  };
};
