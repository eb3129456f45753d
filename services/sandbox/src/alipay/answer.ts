import type { KeyObject } from 'node:crypto';
import type { Random } from '@tillmesh/clock';
import type { HttpAnswer } from '../http-server.ts';
import type { SignatureMode } from '../script.ts';
import { signRsa2 } from './signature.ts';

/** The object under `<method>_response`. */
export type AlipayAnswer = { readonly code?: string; readonly msg?: string } & Readonly<Record<string, unknown>>;

export const success = (fields: Readonly<Record<string, unknown>>): AlipayAnswer => ({
  code: '10000',
  msg: 'Success',
  ...fields,
});

/** The buyer has been asked and has not answered yet. */
export const waitingForBuyer = (fields: Readonly<Record<string, unknown>>): AlipayAnswer => ({
  code: '10003',
  msg: ' order success pay inprocess',
  ...fields,
});

// opendocs.alipay.com/common/02km9f and the error tables of the single methods.
const GATEWAY_CODES: Readonly<Record<string, readonly [msg: string, subCode: string, subMsg: string]>> = {
  '20000': ['Service Currently Unavailable', 'isp.unknow-error', '系统繁忙'],
  '20001': ['Insufficient Token Permissions', 'aop.invalid-app-auth-token', '无效的应用授权令牌'],
  '40001': ['Missing Required Arguments', 'isv.missing-parameter', '缺少必选参数'],
  '40002': ['Invalid Arguments', 'isv.invalid-parameter', '参数无效'],
  '40005': ['Call Limited', 'isv.app-call-limited', '应用调用次数超限，包含调用频率超限'],
  '40006': ['Insufficient Permissions', 'isv.insufficient-isv-permissions', 'ISV权限不足'],
};

const SUB_MESSAGES: Readonly<Record<string, string>> = {
  'ACQ.SYSTEM_ERROR': '系统错误',
  'ACQ.INVALID_PARAMETER': '参数无效',
  'ACQ.TRADE_HAS_SUCCESS': '交易已被支付',
  'ACQ.TRADE_HAS_CLOSE': '交易已经关闭',
  'ACQ.TRADE_NOT_EXIST': '交易不存在',
  'ACQ.TRADE_STATUS_ERROR': '交易状态不合法',
  'ACQ.TRADE_BUYER_NOT_MATCH': '交易买家不匹配',
  'ACQ.TRADE_HAS_FINISHED': '交易已经完结',
  'ACQ.TRADE_CANCEL_TIME_OUT': '超过撤销时间范围',
  'ACQ.CONTEXT_INCONSISTENT': '交易信息被篡改',
  'ACQ.PAYMENT_AUTH_CODE_INVALID': '支付失败，获取顾客账户信息失败，请顾客刷新付款码后重新收款',
  'ACQ.BUYER_BALANCE_NOT_ENOUGH': '顾客账户余额不足，请顾客更换付款方式',
  'ACQ.REASON_TRADE_STATUS_INVALID': '交易状态异常',
  'ACQ.REASON_TRADE_REFUND_FEE_ERR': '退款金额无效',
  'ACQ.REFUND_AMT_NOT_EQUAL_TOTAL': '撤销或退款金额与订单金额不一致',
  'ACQ.DISCORDANT_REPEAT_REQUEST': '请求信息不一致',
};

const gatewayCodeOf = (subCode: string): string => {
  if (/^(?:isp|aop)\./.test(subCode)) return '20000';
  if (subCode.endsWith('-call-limited')) return '40005';
  return subCode.startsWith('isv.missing') ? '40001' : '40002';
};

/**
 * A refusal by its code: `ACQ.…` is a business failure, a number is the gateway's own, `isv.…`, `isp.…` and `aop.…` are
 * the gateway's with this sub_code. Anything else is a business failure with a sub_code that nobody knows.
 */
export const failure = (code: string, subMsg?: string): AlipayAnswer => {
  const own = GATEWAY_CODES[code];
  if (own !== undefined) {
    const [msg, subCode, text] = own;
    return { code, msg, sub_code: subCode, sub_msg: subMsg ?? text };
  }
  const gatewayCode = gatewayCodeOf(code);
  const isGateway = /^(?:isv|isp|aop)\./.test(code);
  return {
    code: isGateway ? gatewayCode : '40004',
    msg: isGateway ? (GATEWAY_CODES[gatewayCode]?.[0] ?? '') : 'Business Failed',
    sub_code: code,
    sub_msg: subMsg ?? SUB_MESSAGES[code] ?? code,
  };
};

/** `alipay.trade.pay` → `alipay_trade_pay_response`. */
export const responseKeyOf = (method: string | undefined): string =>
  method === undefined ? 'error_response' : `${method.replaceAll('.', '_')}_response`;

/**
 * Writes an answer and signs the raw text of its object. Slashes are escaped as the real gateway escapes them, so a
 * client that serialises the object anew before it verifies will fail here as it would there.
 *
 * @param by.certSn of the certificate that has signed, where the application is in certificate mode.
 * @param method undefined where the request named none that exists.
 */
export const renderAlipay = (
  answer: AlipayAnswer,
  mode: SignatureMode,
  by: {
    readonly method: string | undefined;
    readonly privateKey: KeyObject;
    readonly certSn?: string | undefined;
    readonly random: Random;
  },
): HttpAnswer => {
  const text = JSON.stringify(answer).replaceAll('/', '\\/');
  // A wrong signature is a good one of another text, so that only a verifier can tell.
  const signature = signRsa2(mode === 'wrong' ? `${text} ` : text, by.privateKey);
  const named = by.certSn === undefined ? '' : `,"alipay_cert_sn":"${by.certSn}"`;
  const signed = mode === 'none' ? '' : `${named},"sign":"${signature}"`;
  return {
    kind: 'answer',
    status: 200,
    headers: { 'content-type': 'text/html;charset=utf-8', trace_id: by.random.hex(15) },
    body: Buffer.from(`{"${responseKeyOf(by.method)}":${text}${signed}}`),
  };
};
