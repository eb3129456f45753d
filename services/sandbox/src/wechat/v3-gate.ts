import type { Clock } from '@tillmesh/clock';
import type { HttpRequest } from '../http-server.ts';
import { inTheNameOf, type WechatAccount } from './account.ts';
import { createSpentNonces } from './spent-nonces.ts';
import { type V3Error, v3Error } from './v3-answer.ts';
import { isSignedBy, parseAuthorization, requestMessage } from './v3-signature.ts';

/** WeChat Pay refuses what was signed longer ago, or for later. */
const TIME_TOLERANCE_MS = 5 * 60_000;

export type GateResult =
  | {
      readonly kind: 'passed';
      readonly account: WechatAccount;
      /** To be called when the answer has been sent. */
      readonly spendNonce: () => void;
    }
  | { readonly kind: 'refused'; readonly reason: string; readonly error: V3Error };

const refused = (reason: string, message: string): GateResult => ({
  kind: 'refused',
  reason,
  error: v3Error('SIGN_ERROR', message),
});

const mayNameSub = (path: string): boolean =>
  path.startsWith('/v3/pay/partner/') ||
  path.startsWith('/v3/refund/domestic/refunds') ||
  path === '/v3/bill/tradebill';

/** The merchant for whom a service provider asks: in the query or in the body. */
const subMchidIn = ({ method, query, body }: HttpRequest): string | undefined => {
  if (method === 'GET') return query.get('sub_mchid') ?? undefined;
  try {
    const content: unknown = JSON.parse(body.toString());
    if (typeof content !== 'object' || content === null || !('sub_mchid' in content)) return undefined;
    return typeof content.sub_mchid === 'string' ? content.sub_mchid : undefined;
  } catch {
    // The operation says what is wrong with it.
    return undefined;
  }
};

/**
 * Proves who sent a v3 request, or refuses it with 401 SIGN_ERROR.
 *
 * A nonce is spent when its answer was sent, not when it arrives: WeChat's own Java SDK repeats the same bytes with the
 * same signature on the other domain after a broken connection (OkHttpMultiDomainInterceptor), and that must work, while
 * the replay of an answered request must not.
 */
export const createV3Gate = (deps: {
  readonly clock: Clock;
  readonly accounts: readonly WechatAccount[];
}): ((request: HttpRequest) => GateResult) => {
  const { clock } = deps;
  const accounts = new Map(deps.accounts.map((account) => [account.mchid, account]));
  const nonces = createSpentNonces(clock, 2 * TIME_TOLERANCE_MS);
  return (request) => {
    const authorization = parseAuthorization(request.headers.authorization ?? '');
    if (authorization === undefined) {
      return refused('no_authorization', 'Http头Authorization值格式错误，请参考《微信支付商户REST API签名规则》');
    }
    const { mchid, nonceStr, timestamp, serialNo, signature } = authorization;
    const account = accounts.get(mchid);
    if (account === undefined) return refused('unknown_merchant', '商户号不存在');
    if (serialNo !== account.merchantSerialNo) {
      return refused('unknown_serial', '商户证书序列号有误。请使用签名私钥匹配的证书序列号');
    }
    const sentAtMs = /^[0-9]{1,12}$/.test(timestamp) ? Number(timestamp) * 1_000 : Number.NaN;
    if (!(Math.abs(clock.nowMs() - sentAtMs) <= TIME_TOLERANCE_MS)) {
      return refused('old_timestamp', 'Http头Authorization中的timestamp与发起请求的时间不得超过5分钟');
    }
    const { method, target, body } = request;
    const message = requestMessage({ method, target, timestamp, nonceStr, body });
    if (!isSignedBy(message, signature, account.merchantPublicKey)) {
      return refused('bad_signature', '签名错误，请检查后再试');
    }
    if (nonces.isSpent(mchid, nonceStr)) return refused('nonce_replayed', '请求的随机串已使用过，请勿重放请求');
    const spendNonce = () => nonces.spend(mchid, nonceStr);
    const subMchid = mayNameSub(request.path) ? subMchidIn(request) : undefined;
    if (subMchid === undefined) return { kind: 'passed', account, spendNonce };
    const asked = inTheNameOf(account, subMchid);
    if (asked !== undefined) return { kind: 'passed', account: asked, spendNonce };
    return {
      kind: 'refused',
      reason: 'unknown_sub_merchant',
      error: v3Error('NO_AUTH', '特约子商户商户号未授权服务商的产品权限'),
    };
  };
};
