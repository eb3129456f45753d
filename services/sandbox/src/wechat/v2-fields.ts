import { type Fen, fen } from '../fen.ts';
import type { WechatAccount } from './account.ts';
import { refuse, type V2Refusal } from './v2-answer.ts';
import type { XmlFields } from './v2-xml.ts';

/** The v2 form of an amount: whole fen without sign or leading zero. */
export const fenOfField = (text: string | undefined): Fen | undefined =>
  text !== undefined && /^[1-9][0-9]{0,10}$/.test(text) ? fen(BigInt(text)) : undefined;

const OUT_TRADE_NO = /^[0-9A-Za-z_\-|*]{1,32}$/;

/** Forms of fields, WX-OAPI docs/definitions/micropay.yaml; lengths of texts in bytes. */
const FORMS: Readonly<Record<string, (text: string) => boolean>> = {
  nonce_str: (text) => text.length <= 32,
  body: (text) => Buffer.byteLength(text) <= 128,
  attach: (text) => Buffer.byteLength(text) <= 127,
  out_trade_no: (text) => OUT_TRADE_NO.test(text),
  out_refund_no: (text) => text.length <= 64,
  total_fee: (text) => fenOfField(text) !== undefined,
  refund_fee: (text) => fenOfField(text) !== undefined,
  fee_type: (text) => text === 'CNY',
  spbill_create_ip: (text) => text.length <= 64,
};

/** What is wrong with a request's fields; undefined where nothing is. */
export const fieldProblem = (
  fields: XmlFields,
  { appid, sub }: WechatAccount,
  needed: readonly string[],
): V2Refusal | undefined => {
  if ([...needed, 'appid', 'nonce_str'].some((name) => (fields.get(name) ?? '') === '')) {
    return refuse('LACK_PARAMS');
  }
  const subAppid = fields.get('sub_appid') || undefined;
  if (fields.get('appid') !== appid || (subAppid !== undefined && subAppid !== sub?.appid)) {
    return refuse('APPID_MCHID_NOT_MATCH');
  }
  const isWrong = [...fields].some(([name, value]) => value !== '' && FORMS[name]?.(value) === false);
  return isWrong ? refuse('PARAM_ERROR') : undefined;
};

/** The order that a request is about: transaction_id counts before out_trade_no. Either may be missing. */
export const orderRefOf = (fields: XmlFields) => ({
  transactionId: fields.get('transaction_id') || undefined,
  outTradeNo: fields.get('out_trade_no') || undefined,
});
