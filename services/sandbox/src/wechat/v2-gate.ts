import type { HttpRequest } from '../http-server.ts';
import { inTheNameOf, type WechatAccount } from './account.ts';
import { isAuthenticV2, type SignType, signTypeOf } from './v2-signature.ts';
import { parseXml, type XmlFields } from './v2-xml.ts';

export type V2Passed = {
  readonly kind: 'passed';
  readonly account: WechatAccount;
  readonly signType: SignType;
  readonly fields: XmlFields;
};
export type V2GateResult =
  | V2Passed
  | { readonly kind: 'refused'; readonly reason: string; readonly message: string; readonly isAboutSignature: boolean };

const refused = (reason: string, message: string, isAboutSignature: boolean): V2GateResult => ({
  kind: 'refused',
  reason,
  message,
  isAboutSignature,
});

/** Reads a v2 request and proves who sent it. v2 knows neither time stamps nor spent nonces. */
export const createV2Gate = (accountList: readonly WechatAccount[]): ((request: HttpRequest) => V2GateResult) => {
  const accounts = new Map(accountList.map((account) => [account.mchid, account]));
  return (request) => {
    if (request.method !== 'POST') return refused('not_post', '请使用post方法', false);
    const fields = parseXml(request.body);
    if (fields === undefined) return refused('not_xml', 'XML格式错误', false);
    const account = accounts.get(fields.get('mch_id') ?? '');
    if (account === undefined) return refused('unknown_merchant', '商户号mch_id或sub_mch_id不存在', true);
    const signType = signTypeOf(fields);
    if (signType === undefined) return refused('unknown_sign_type', '签名类型不支持', true);
    if (!fields.has('sign')) return refused('no_signature', '缺少签名', true);
    if (!isAuthenticV2(fields, account.apiV2Key, signType)) return refused('bad_signature', '签名错误', true);
    const subMchid = fields.get('sub_mch_id') ?? '';
    const asked = subMchid === '' ? account : inTheNameOf(account, subMchid);
    if (asked === undefined) return refused('unknown_sub_merchant', '商户号mch_id或sub_mch_id不存在', false);
    return { kind: 'passed', account: asked, signType, fields };
  };
};
