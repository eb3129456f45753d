import { Formatter, Hash, Rsa, Transformer } from 'wechatpay-axios-plugin';
import type { WechatKeys } from '../src/generate-keys.ts';
import { type RunningSandbox, readKey } from './running-sandbox.ts';

/** A v3 request before it is sent; tests change what they want to see refused. */
export type V3Sent = {
  readonly method: string;
  readonly target: string;
  readonly body: string | undefined;
  readonly authorization: string;
};

export type V3Got = {
  readonly status: number;
  readonly body: Record<string, unknown>;
  readonly headers: Headers;
  /** Whether WeChat Pay's key has signed the answer. */
  readonly isAuthentic: boolean;
};

export type V2Got = {
  readonly status: number;
  readonly headers: Headers;
  readonly fields: Record<string, string>;
  readonly isAuthentic: boolean;
};

/** A merchant who signs with an SDK that is not ours, at the sandbox' own time. */
export const wechatMerchant = (sandbox: RunningSandbox, account: WechatKeys) => {
  const merchantKey = Rsa.from(readKey(account.merchantPrivateKeyFile), Rsa.KEY_TYPE_PRIVATE);
  const platformKey = Rsa.from(readKey(sandbox.keys.wechat.publicKeyFile), Rsa.KEY_TYPE_PUBLIC);
  const v2Key = readKey(account.apiV2KeyFile);
  const common = { appid: account.appid, mch_id: account.mchid };

  const sign = (method: string, target: string, body = '', timestamp = sandbox.clock.nowMs() / 1_000): V3Sent => {
    const nonce = Formatter.nonce();
    const seconds = Math.floor(timestamp);
    const signature = Rsa.sign(Formatter.request(method, target, seconds, nonce, body), merchantKey);
    return {
      method,
      target,
      body: body === '' ? undefined : body,
      authorization: Formatter.authorization(account.mchid, nonce, signature, seconds, account.merchantSerialNo),
    };
  };
  const send = async ({ method, target, body, authorization }: V3Sent): Promise<V3Got> => {
    const response = await fetch(`${sandbox.wechatUrl}${target}`, {
      method,
      headers: { authorization, 'content-type': 'application/json', connection: 'close' },
      ...(body === undefined ? {} : { body }),
    });
    const text = await response.text();
    const { headers, status } = response;
    const [timestamp, nonce, signature] = ['timestamp', 'nonce', 'signature'].map(
      (name) => headers.get(`wechatpay-${name}`) ?? '',
    );
    const isAuthentic =
      headers.get('wechatpay-serial') === sandbox.keys.wechat.publicKeyId &&
      Rsa.verify(Formatter.response(timestamp ?? '', nonce ?? '', text), signature ?? '', platformKey);
    const isJson = headers.get('content-type')?.startsWith('application/json') === true;
    return { status, headers, isAuthentic, body: isJson ? (JSON.parse(text) as Record<string, unknown>) : {} };
  };

  const sendXml = async (path: string, xml: string, headers: Record<string, string> = {}): Promise<V2Got> => {
    const response = await fetch(`${sandbox.wechatUrl}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'text/xml; charset=utf-8', connection: 'close', ...headers },
      body: xml,
    });
    const text = await response.text();
    const isWhole = text.startsWith('<xml>') && text.endsWith('</xml>');
    const fields = isWhole ? (Transformer.toObject(text) as Record<string, string>) : {};
    const sent = fields['sign'] ?? '';
    const type = sent.length === 64 ? Hash.ALGO_HMAC_SHA256 : Hash.ALGO_MD5;
    const isAuthentic = sent !== '' && sent === Hash.sign(type, fields, v2Key);
    return { status: response.status, headers: response.headers, fields, isAuthentic };
  };

  return {
    account,
    sign,
    send,
    v3: (method: string, target: string, body?: object) =>
      send(sign(method, target, body === undefined ? '' : JSON.stringify(body))),
    /** A native order's body. */
    nativeBody: (outTradeNo: string, changes: object = {}) => ({
      appid: account.appid,
      mchid: account.mchid,
      description: 'tea',
      out_trade_no: outTradeNo,
      notify_url: 'http://127.0.0.1:9/nobody-listens',
      amount: { total: 100, currency: 'CNY' },
      ...changes,
    }),
    native(outTradeNo: string, changes: object = {}) {
      return this.v3('POST', '/v3/pay/transactions/native', this.nativeBody(outTradeNo, changes));
    },
    query(outTradeNo: string) {
      return this.v3('GET', `/v3/pay/transactions/out-trade-no/${outTradeNo}?mchid=${account.mchid}`);
    },
    close(outTradeNo: string) {
      return this.v3('POST', `/v3/pay/transactions/out-trade-no/${outTradeNo}/close`, { mchid: account.mchid });
    },
    sendXml,
    /** Signs and sends fields; a field that is undefined is left out. */
    v2: (path: string, changes: Record<string, string | undefined>, headers: Record<string, string> = {}) => {
      const fields = Object.fromEntries(
        Object.entries({ ...common, nonce_str: Formatter.nonce(), ...changes }).filter(
          ([, value]) => value !== undefined,
        ),
      ) as Record<string, string>;
      const type = fields['sign_type'] === 'HMAC-SHA256' ? Hash.ALGO_HMAC_SHA256 : Hash.ALGO_MD5;
      const signature = fields['sign'] ?? Hash.sign(type, fields, v2Key);
      return sendXml(path, Transformer.toXml({ ...fields, sign: signature }), headers);
    },
    micropay(
      outTradeNo: string,
      authCode: string,
      changes: Record<string, string | undefined> = {},
      headers: Record<string, string> = {},
    ) {
      return this.v2(
        '/pay/micropay',
        {
          body: 'tea',
          out_trade_no: outTradeNo,
          total_fee: '100',
          spbill_create_ip: '127.0.0.1',
          auth_code: authCode,
          ...changes,
        },
        headers,
      );
    },
    orderquery(outTradeNo: string) {
      return this.v2('/pay/orderquery', { out_trade_no: outTradeNo });
    },
    reverse(outTradeNo: string) {
      return this.v2('/secapi/pay/reverse', { out_trade_no: outTradeNo });
    },
  };
};

export type WechatMerchant = ReturnType<typeof wechatMerchant>;
