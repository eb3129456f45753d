import { createHash, createSign, createVerify, X509Certificate } from 'node:crypto';
import type { UnionpayKeys } from '../src/generate-keys.ts';
import { type RunningSandbox, readKey } from './running-sandbox.ts';

export type AcpGot = {
  readonly status: number;
  readonly fields: Readonly<Record<string, string>>;
  /** Whether the certificate in the answer has signed it. */
  readonly isAuthentic: boolean;
};

// ACP 5.1.0 from its documents, written here once more with nothing of the simulator's own code.
const hexOf = (fields: Readonly<Record<string, string>>): string => {
  const names = Object.keys(fields).filter((name) => name !== 'signature' && fields[name] !== '');
  const text = names.toSorted().map((name) => `${name}=${fields[name]}`);
  return createHash('sha256').update(text.join('&')).digest('hex');
};

export const isSignedByItsCertificate = (fields: Readonly<Record<string, string>>): boolean => {
  const { signature = '', signPubKeyCert = '' } = fields;
  if (signature === '' || signPubKeyCert === '') return false;
  const { publicKey } = new X509Certificate(signPubKeyCert);
  return createVerify('RSA-SHA256').update(hexOf(fields)).verify(publicKey, signature, 'base64');
};

// Not encoded: the certificate has lines and the signature has `=`, so only the first `=` of a part divides.
const fieldsOf = (text: string): Record<string, string> =>
  Object.fromEntries(
    text.split('&').map((part) => {
      const middle = part.indexOf('=');
      return [part.slice(0, middle), part.slice(middle + 1)];
    }),
  );

/** 2026-01-01 00:00:00 of Beijing's clock as 20260101000000. */
export const beijingDigits = (ms: number): string =>
  new Date(ms + 8 * 3_600_000)
    .toISOString()
    .replace(/[^0-9]/g, '')
    .slice(0, 14);

/** A merchant of UnionPay. Every request is one that the documents would let through, but for what a test changes. */
export const unionpayMerchant = (sandbox: RunningSandbox, account: UnionpayKeys) => {
  const key = readKey(account.merchantPrivateKeyFile);
  const now = (): string => beijingDigits(sandbox.clock.nowMs());

  const send = async (path: string, form: string): Promise<AcpGot> => {
    const response = await fetch(`${sandbox.unionpayUrl}/gateway/api/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', connection: 'close' },
      body: form,
    });
    const fields = fieldsOf(await response.text());
    return { status: response.status, fields, isAuthentic: isSignedByItsCertificate(fields) };
  };
  const call = (path: string, changes: Readonly<Record<string, string | undefined>>): Promise<AcpGot> => {
    const whole = {
      version: '5.1.0',
      encoding: 'UTF-8',
      certId: account.certId,
      signMethod: '01',
      bizType: '000000',
      accessType: '0',
      merId: account.merId,
      txnTime: now(),
      ...changes,
    };
    const fields = Object.fromEntries(
      Object.entries(whole).filter((entry): entry is [string, string] => entry[1] !== undefined),
    );
    const signature = fields['signature'] ?? createSign('RSA-SHA256').update(hexOf(fields)).sign(key, 'base64');
    return send(path, new URLSearchParams({ ...fields, signature }).toString());
  };
  const trade = (changes: Readonly<Record<string, string | undefined>>) =>
    call('backTransReq.do', { channelType: '08', txnAmt: '100', currencyCode: '156', ...changes });

  return {
    account,
    send,
    call,
    trade,
    /** A payment by the payer's code. */
    pay: (orderId: string, qrNo: string, changes: Readonly<Record<string, string | undefined>> = {}) =>
      trade({ txnType: '01', txnSubType: '06', orderId, qrNo, ...changes }),
    /** A code to scan. */
    place: (orderId: string, changes: Readonly<Record<string, string | undefined>> = {}) =>
      trade({ txnType: '01', txnSubType: '07', orderId, ...changes }),
    query: (orderId: string, changes: Readonly<Record<string, string | undefined>> = {}) =>
      call('queryTrans.do', { txnType: '00', txnSubType: '00', orderId, ...changes }),
    refund: (orderId: string, origQryId: string, changes: Readonly<Record<string, string | undefined>> = {}) =>
      trade({ txnType: '04', txnSubType: '00', currencyCode: undefined, orderId, origQryId, ...changes }),
  };
};

export type UnionpayMerchant = ReturnType<typeof unionpayMerchant>;
