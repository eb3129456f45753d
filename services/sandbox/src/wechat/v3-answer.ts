import type { Clock, Random } from '@tillmesh/clock';
import type { HttpAnswer } from '../http-server.ts';
import type { SignatureMode } from '../script.ts';
import type { Signer } from './platform-keys.ts';
import { platformMessage, signMessage } from './v3-signature.ts';

/** An answer before it is signed; without a body it is a 204. */
export type V3Answer = { readonly status: number; readonly body: object | undefined };

/** A reason to refuse a request: what is thrown nowhere, and answered. */
export type V3Error = {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly detail?: object;
};

// Status and text of a code: https://pay.weixin.qq.com/wiki/doc/apiv3/apis/chapter7_2_6.shtml and its newer
// spellings with an underscore. ORDERPAID stands in no table of v3 that we have read; 400 is our inference.
const ERRORS: Readonly<Record<string, readonly [status: number, message: string]>> = {
  USERPAYING: [202, '用户支付中，需要输入密码'],
  PARAM_ERROR: [400, '参数错误'],
  INVALID_REQUEST: [400, '无效请求'],
  ORDER_CLOSED: [400, '订单已关闭'],
  ORDERPAID: [400, '该订单已支付'],
  MCH_NOT_EXISTS: [400, '商户号不存在'],
  NO_STATEMENT_EXIST: [400, '账单文件不存在'],
  STATEMENT_CREATING: [400, '账单生成中'],
  APPID_MCHID_NOT_MATCH: [400, 'appid和mch_id不匹配'],
  SIGN_ERROR: [401, '签名错误'],
  TRADE_ERROR: [403, '交易错误'],
  RULELIMIT: [403, '业务规则限制'],
  RULE_LIMIT: [403, '业务规则限制'],
  OUT_TRADE_NO_USED: [403, '商户订单号重复'],
  NOTENOUGH: [403, '余额不足'],
  NOT_ENOUGH: [403, '余额不足'],
  NOAUTH: [403, '商户无权限'],
  NO_AUTH: [403, '商户无权限'],
  ACCOUNTERROR: [403, '账号异常'],
  USER_ACCOUNT_ABNORMAL: [403, '用户账户异常'],
  ORDERNOTEXIST: [404, '订单不存在'],
  ORDER_NOT_EXIST: [404, '订单不存在'],
  RESOURCE_NOT_EXISTS: [404, '查询的资源不存在'],
  FREQUENCY_LIMITED: [429, '频率超限'],
  RATELIMIT_EXCEEDED: [429, '频率超限'],
  SYSTEMERROR: [500, '系统错误'],
  SYSTEM_ERROR: [500, '系统错误'],
  BANKERROR: [500, '银行系统异常'],
  BANK_ERROR: [500, '银行系统异常'],
  OPENID_MISMATCH: [500, 'openid和appid不匹配'],
  INVALID_TRANSACTIONID: [500, '订单号非法'],
};

/** A refusal by its code. A code that no table knows is answered with 400, so that scripts can invent one. */
export const v3Error = (code: string, message?: string, detail?: object): V3Error => {
  const [status, text] = ERRORS[code] ?? [400, '未知错误'];
  return { status, code, message: message ?? text, ...(detail === undefined ? {} : { detail }) };
};

export const answerOfError = ({ status, code, message, detail }: V3Error): V3Answer => ({
  status,
  body: { code, message, ...(detail === undefined ? {} : { detail }) },
});

export type V3Renderer = (answer: V3Answer, signature: SignatureMode, signer: Signer) => HttpAnswer;

/** Signs every answer, errors included; whether the real ones sign all errors is not documented (research, 1.2a). */
export const createV3Renderer = (deps: { readonly clock: Clock; readonly random: Random }): V3Renderer => {
  const { clock, random } = deps;
  return (answer, mode, signer) => {
    const body = answer.body === undefined ? Buffer.alloc(0) : Buffer.from(JSON.stringify(answer.body));
    const timestamp = String(Math.floor(clock.nowMs() / 1_000));
    const nonceStr = random.hex(16);
    // A wrong signature is a good signature of another body, so that only a verifier can tell.
    const signed = mode === 'wrong' ? Buffer.concat([body, Buffer.from(' ')]) : body;
    const signature = signMessage(platformMessage(timestamp, nonceStr, signed), signer.privateKey);
    return {
      kind: 'answer',
      status: answer.status,
      headers: {
        ...(answer.body === undefined ? {} : { 'content-type': 'application/json; charset=utf-8' }),
        'content-language': 'zh-CN',
        'cache-control': 'no-cache, must-revalidate',
        'Request-ID': `08${random.hex(16).toUpperCase()}-0`,
        ...(mode === 'none'
          ? {}
          : {
              'Wechatpay-Nonce': nonceStr,
              'Wechatpay-Signature': signature,
              'Wechatpay-Timestamp': timestamp,
              'Wechatpay-Serial': signer.id,
              'Wechatpay-Signature-Type': 'WECHATPAY2-SHA256-RSA2048',
            }),
      },
      body,
    };
  };
};
