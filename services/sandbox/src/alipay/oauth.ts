import type { Clock, Random } from '@tillmesh/clock';
import type { HttpReply, HttpRequest } from '../http-server.ts';
import type { Payers } from '../payers.ts';
import type { AlipayAccount } from './account.ts';
import { failure } from './answer.ts';
import type { AlipayMethod } from './call.ts';

const CODE_MS = 180_000;
const CODES_MAX = 10_000;

type Code = { readonly appId: string; readonly userId: string; readonly untilMs: number };

/**
 * Alipay's authorisation of payers (auth_base): a page inside Alipay is sent here, and comes back at once with a one-time code, for which
 * the application gets the user's id. Each visit is another payer. Source: opendocs.alipay.com/open/284/106001.
 */
export const createAlipayOauth = (deps: {
  readonly clock: Clock;
  readonly random: Random;
  readonly payers: Payers;
  readonly accounts: readonly AlipayAccount[];
}) => {
  const { clock, random, payers, accounts } = deps;
  const codes = new Map<string, Code>();

  const authorise = ({ query, headers }: HttpRequest): HttpReply => {
    const text = (name: string) => query.get(name) ?? '';
    const isAlipay = /AlipayClient/.test(headers['user-agent'] ?? '');
    const known = accounts.some(({ appId }) => appId === text('app_id'));
    if (!isAlipay || !known || text('scope') !== 'auth_base' || !URL.canParse(text('redirect_uri'))) {
      const body = Buffer.from(isAlipay ? '参数错误' : '请用支付宝打开');
      return { kind: 'answer', status: 400, headers: { 'content-type': 'text/html; charset=utf-8' }, body };
    }
    const code = random.hex(16);
    codes.set(code, { appId: text('app_id'), userId: payers.meet('alipay').payerId, untilMs: clock.nowMs() + CODE_MS });
    const [oldest] = codes.keys();
    if (codes.size > CODES_MAX && oldest !== undefined) codes.delete(oldest);
    const back = new URL(text('redirect_uri'));
    for (const [name, value] of [
      ['app_id', text('app_id')],
      ['source', 'alipay_wallet'],
      ['scope', 'auth_base'],
      ['state', text('state')],
      ['auth_code', code],
    ] as const) {
      back.searchParams.set(name, value);
    }
    return { kind: 'answer', status: 302, headers: { location: back.href }, body: Buffer.alloc(0) };
  };

  const token: AlipayMethod = {
    name: 'alipay.system.oauth.token',
    operation: 'query',
    read: ({ account, text }) => {
      if (text('grant_type') !== 'authorization_code') return undefined;
      const name = text('code');
      return {
        outTradeNo: undefined,
        description: undefined,
        paymentCode: undefined,
        codeActs: [],
        perform: () => {
          const code = codes.get(name);
          if (code === undefined || code.appId !== account.appId || clock.nowMs() >= code.untilMs) {
            return failure('isv.code-invalid', '授权码code无效');
          }
          codes.delete(name);
          // A success of this method has neither code nor msg.
          return {
            access_token: random.hex(20),
            auth_start: '2026-11-27 08:00:00',
            expires_in: 1_296_000,
            re_expires_in: 2_592_000,
            refresh_token: random.hex(20),
            user_id: code.userId,
          };
        },
        decline: (code) => failure(code),
      };
    },
  };

  return {
    /** Undefined for what is not about authorisation. */
    handle: (request: HttpRequest): HttpReply | undefined =>
      request.method === 'GET' && request.path === '/oauth2/publicAppAuthorize.htm' ? authorise(request) : undefined,
    method: token,
  };
};
