import { AlipaySdk } from 'alipay-sdk';
import type { AlipayKeys } from '../src/generate-keys.ts';
import { type RunningSandbox, readKey } from './running-sandbox.ts';

export type AlipayGot = Readonly<Record<string, unknown>>;

/** A merchant who signs and verifies with the official SDK. Every answer is verified. */
export const alipayMerchant = (sandbox: RunningSandbox, account: AlipayKeys) => {
  const sdk = new AlipaySdk({
    appId: account.appId,
    keyType: 'PKCS8',
    privateKey: readKey(account.appPrivateKeyFile),
    alipayPublicKey: readKey(sandbox.keys.alipay.publicKeyFile),
    gateway: sandbox.alipayUrl,
    camelcase: false,
  });
  const call = async (method: string, bizContent: Record<string, unknown>, common: object = {}): Promise<AlipayGot> =>
    sdk.exec(`alipay.trade.${method}`, { ...common, bizContent }, { validateSign: true });
  const order = (outTradeNo: string, changes: object = {}) => ({
    out_trade_no: outTradeNo,
    subject: 'tea',
    total_amount: '1.00',
    ...changes,
  });
  return {
    account,
    sdk,
    call,
    pay: (outTradeNo: string, authCode: string, changes: object = {}, common: object = {}) =>
      call('pay', { ...order(outTradeNo), scene: 'bar_code', auth_code: authCode, ...changes }, common),
    precreate: (outTradeNo: string, changes: object = {}, common: object = {}) =>
      call('precreate', order(outTradeNo, changes), common),
    query: (outTradeNo: string) => call('query', { out_trade_no: outTradeNo }),
    cancel: (outTradeNo: string) => call('cancel', { out_trade_no: outTradeNo }),
    close: (outTradeNo: string) => call('close', { out_trade_no: outTradeNo }),
    refund: (outTradeNo: string, amount: string, changes: object = {}) =>
      call('refund', { out_trade_no: outTradeNo, refund_amount: amount, ...changes }),
  };
};

export type AlipayMerchant = ReturnType<typeof alipayMerchant>;
