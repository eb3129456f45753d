import {
  factsOf,
  type PayerAuthRequest,
  type PayerReport,
  parseJsonObject,
  textAt,
  utf8TextOf,
  wholeNumberAt,
} from '@tillmesh/channel-kit';
import { Secret } from '@tillmesh/config';
import { rpcErrors } from '@tillmesh/rpc';
import type { WechatAccount } from './config.ts';
import { payersAppOf } from './merchant-ids.ts';
import type { WechatCall } from './wechat-call.ts';

const TOKEN_PATH = '/sns/oauth2/access_token';
const OPENID = /^[0-9A-Za-z_-]{1,128}$/;

const payerAuthOf = (account: WechatAccount) => {
  if (account.payerAuth === undefined) {
    throw rpcErrors.operationNotSupported(
      `account ${account.accountId} has no payerAuth: set its application's secret`,
      {
        metadata: { channel_id: 'wechat', operation: 'BuildPayerAuth' },
      },
    );
  }
  return account.payerAuth;
};

/** WeChat's web authorisation, without asking its owner (snsapi_base). Source: developers.weixin.qq.com, "网页授权". */
export const buildPayerAuth = ({ returnUrl, state }: PayerAuthRequest, account: WechatAccount): string => {
  const url = new URL(payerAuthOf(account).authorizeUrl);
  url.searchParams.set('appid', payersAppOf(account));
  url.searchParams.set('redirect_uri', returnUrl);
  url.searchParams.set('response_type', 'code');
  url.searchParams.set('scope', 'snsapi_base');
  url.searchParams.set('state', state);
  url.hash = 'wechat_redirect';
  return url.href;
};

/** The openid behind a code. The answer is signed by nobody: over TLS it comes from WeChat, and it decides about no money. */
export const resolvePayer = async (code: Secret, { account, http, signal }: WechatCall): Promise<PayerReport> => {
  const { apiUrl, appSecretFile } = payerAuthOf(account);
  const query = new URLSearchParams({
    appid: payersAppOf(account),
    secret: appSecretFile.reveal(),
    code: code.reveal(),
    grant_type: 'authorization_code',
  });
  const exchange = await http.send({
    baseUrl: apiUrl,
    method: 'GET',
    path: `${TOKEN_PATH}?${query.toString()}`,
    pathTemplate: TOKEN_PATH,
    headers: { accept: 'application/json', 'accept-encoding': 'identity' },
    // A code is used up by the first request that arrives.
    repeatable: false,
    signal,
  });
  const unknown = (channelCode: string, channelMessage: string): PayerReport => ({
    facts: factsOf(exchange, undefined),
    payerId: undefined,
    channelCode,
    channelMessage,
  });
  if (exchange.kind !== 'answered') return unknown('', exchange.cause);
  const content = parseJsonObject(utf8TextOf(exchange.body) ?? '');
  const openid = textAt(content, 'openid') ?? '';
  if (exchange.status !== 200 || !OPENID.test(openid)) {
    const errcode = wholeNumberAt(content, 'errcode');
    return unknown(
      errcode === undefined ? '' : String(errcode),
      textAt(content, 'errmsg') ?? `HTTP ${exchange.status}`,
    );
  }
  return { ...unknown('', ''), payerId: new Secret(openid) };
};
