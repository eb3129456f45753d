import { type PayerAuthRequest, type PayerReport, textAt } from '@tillmesh/channel-kit';
import { Secret } from '@tillmesh/config';
import { type AlipayCall, callGateway } from './client.ts';
import type { AlipayAccount } from './config.ts';

const METHOD = 'alipay.system.oauth.token';
// user_id is 2088 and 12 digits; applications that are newer get an open_id.
const USER_ID = /^2088[0-9]{12}$/;
const OPEN_ID = /^[0-9A-Za-z_-]{10,128}$/;

/** Alipay's authorisation without asking its owner (auth_base). Source: opendocs.alipay.com/open/284/106001. */
export const buildPayerAuth = ({ returnUrl, state }: PayerAuthRequest, account: AlipayAccount): string => {
  const url = new URL(account.payerAuth.authorizeUrl);
  url.searchParams.set('app_id', account.appId);
  url.searchParams.set('scope', 'auth_base');
  url.searchParams.set('redirect_uri', returnUrl);
  url.searchParams.set('state', state);
  return url.href;
};

/** The payer behind an auth_code: its user_id, or the open_id where the application gets those. Believed from a verified answer alone. */
export const resolvePayer = async (code: Secret, call: AlipayCall): Promise<PayerReport> => {
  const params = { grant_type: 'authorization_code', code: code.reveal() };
  const answer = await callGateway(call, { method: METHOD, params });
  const { facts } = answer;
  const unknown = (channelCode: string, channelMessage: string): PayerReport => ({
    facts,
    payerId: undefined,
    channelCode,
    channelMessage,
  });
  if (answer.kind === 'unanswered') return unknown('', answer.cause);
  const { content, trust } = answer;
  const [userId = '', openId = ''] = [textAt(content, 'user_id'), textAt(content, 'open_id')];
  const payerId = [USER_ID.test(userId) ? userId : '', OPEN_ID.test(openId) ? openId : ''].find((id) => id !== '');
  if (payerId === undefined || textAt(content, 'sub_code') !== undefined) {
    return unknown(textAt(content, 'sub_code') ?? '', textAt(content, 'sub_msg') ?? `HTTP ${facts.httpStatus}`);
  }
  return trust.signature === 'verified'
    ? { ...unknown('', ''), payerId: new Secret(payerId) }
    : unknown('', `an answer whose signature is ${trust.signature}`);
};
