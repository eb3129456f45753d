import type { Random } from '@tillmesh/clock';
import { type Alteration, alterFields } from '../alter-answer.ts';
import type { HttpAnswer } from '../http-server.ts';
import type { SignatureMode } from '../script.ts';
import type { WechatAccount } from './account.ts';
import { type SignType, signV2 } from './v2-signature.ts';
import { formatXml, type XmlFields } from './v2-xml.ts';

/** result_code SUCCESS, with what belongs to it; common fields and signature are added later. */
export type V2Done = { readonly kind: 'done'; readonly fields: Readonly<Record<string, string>> };
/** result_code FAIL with a code: the request was understood and is refused. */
export type V2Refusal = {
  readonly kind: 'refused';
  readonly code: string;
  readonly fields?: Readonly<Record<string, string>>;
};
export type V2Answer = V2Done | V2Refusal;

export const refuse = (code: string): V2Refusal => ({ kind: 'refused', code });

// Texts of https://pay.weixin.qq.com/wiki/doc/api/micropay.php?chapter=9_10 and its neighbours.
const DESCRIPTIONS: Readonly<Record<string, string>> = {
  SYSTEMERROR: '接口返回错误',
  BANKERROR: '银行系统异常',
  USERPAYING: '需要用户输入支付密码',
  PARAM_ERROR: '参数错误',
  LACK_PARAMS: '缺少参数',
  ORDERPAID: '订单已支付',
  ORDERCLOSED: '订单已关闭',
  ORDERREVERSED: '订单已撤销',
  ORDERNOTEXIST: '此交易订单号不存在',
  OUT_TRADE_NO_USED: '商户订单号重复',
  NOAUTH: '商户无权限',
  NOTENOUGH: '余额不足',
  NOTSUPORTCARD: '不支持卡类型',
  AUTHCODEEXPIRE: '二维码已过期，请用户在微信上刷新后再试',
  AUTH_CODE_ERROR: '付款码参数错误，每个二维码仅限使用一次，请刷新再试',
  AUTH_CODE_INVALID: '收银员扫描的不是微信支付的条码',
  APPID_MCHID_NOT_MATCH: 'appid和mch_id不匹配',
  INVALID_REQUEST: '无效请求',
  TRADE_ERROR: '交易错误',
  REVERSE_EXPIRE: '订单有7天的撤销有效期，过期将不能撤销',
  TRADE_STATE_ERROR: '订单状态错误',
  TRADE_OVERDUE: '订单已经超过退款期限',
  REFUND_FEE_MISMATCH: '订单金额或退款金额与之前请求不一致',
  REFUNDNOTEXIST: '退款订单查询失败',
  FREQUENCY_LIMITED: '频率限制',
};

// XML that calls itself text/plain: a real answer of /secapi/pay/reverse is shown in ArtisanCloud/PowerWeChat#258.
const xmlAnswer = (fields: Iterable<readonly [string, string]>, random: Random): HttpAnswer => ({
  kind: 'answer',
  status: 200,
  headers: { 'content-type': 'text/plain', 'Request-ID': `08${random.hex(16).toUpperCase()}-0` },
  body: Buffer.from(formatXml(fields)),
});

/** return_code FAIL: the request was not understood or not authentic. Has no signature and names nobody. */
export const notTaken = (message: string, random: Random): HttpAnswer =>
  xmlAnswer(
    [
      ['return_code', 'FAIL'],
      ['return_msg', message],
    ],
    random,
  );

const businessFields = (answer: V2Answer): Readonly<Record<string, string>> =>
  answer.kind === 'done'
    ? { result_code: 'SUCCESS', ...answer.fields }
    : {
        result_code: 'FAIL',
        err_code: answer.code,
        err_code_des: DESCRIPTIONS[answer.code] ?? answer.code,
        ...answer.fields,
      };

/** An answer to a payment has no state but that it was done. */
export const alterV2 = (answer: V2Answer, alteration: Alteration): V2Answer => {
  const stated = answer.kind === 'done' ? { result_code: 'SUCCESS', ...answer.fields } : { ...answer.fields };
  const fields = alterFields(stated, alteration, ['trade_state', 'refund_status_0', 'result_code'], 'text');
  return { ...answer, fields };
};

/**
 * Writes an answer in XML, signed with the request's own sign_type.
 *
 * Unsigned answers also lack appid, mch_id and nonce_str, as seen in the field with SYSTEMERROR (research, 1.8).
 */
export const renderV2 = (
  answer: V2Answer,
  mode: SignatureMode,
  by: { readonly account: WechatAccount; readonly signType: SignType; readonly random: Random },
): HttpAnswer => {
  const { account, signType, random } = by;
  const { appid, mchid, sub } = account;
  const known = {
    appid,
    mch_id: mchid,
    ...(sub === undefined ? {} : { sub_mch_id: sub.mchid, sub_appid: sub.appid ?? '' }),
    nonce_str: random.hex(16),
  };
  const fields = new Map(
    Object.entries({
      return_code: 'SUCCESS',
      return_msg: 'OK',
      ...(mode === 'none' ? {} : known),
      ...businessFields(answer),
    }),
  );
  if (mode === 'right') fields.set('sign', signV2(fields, account.apiV2Key, signType));
  // A wrong signature is a good one of another message, so that only a verifier can tell.
  if (mode === 'wrong') {
    const other: XmlFields = new Map([...fields, ['nonce_str', random.hex(16)]]);
    fields.set('sign', signV2(other, account.apiV2Key, signType));
  }
  return xmlAnswer(fields, random);
};
