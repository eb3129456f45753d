import { type KeyObject, sign, verify } from 'node:crypto';

/** The five pairs of an Authorization header. */
export type Authorization = {
  readonly mchid: string;
  readonly nonceStr: string;
  readonly timestamp: string;
  readonly serialNo: string;
  readonly signature: string;
};

const SCHEMA = 'WECHATPAY2-SHA256-RSA2048 ';
const PAIR = /^\s*([a-z_]+)="([^"]*)"\s*$/;

/**
 * Reads `WECHATPAY2-SHA256-RSA2048 mchid="…",nonce_str="…",timestamp="…",serial_no="…",signature="…"`. The order of the
 * pairs differs between the official SDKs; each has to be there once and nothing else may be.
 */
export const parseAuthorization = (header: string): Authorization | undefined => {
  if (!header.startsWith(SCHEMA)) return undefined;
  const pairs = new Map<string, string>();
  for (const part of header.slice(SCHEMA.length).split(',')) {
    const [, name, value] = PAIR.exec(part) ?? [];
    if (name === undefined || value === undefined || pairs.has(name)) return undefined;
    pairs.set(name, value);
  }
  const mchid = pairs.get('mchid');
  const nonceStr = pairs.get('nonce_str');
  const timestamp = pairs.get('timestamp');
  const serialNo = pairs.get('serial_no');
  const signature = pairs.get('signature');
  if (!mchid || !nonceStr || !timestamp || !serialNo || !signature || pairs.size !== 5) return undefined;
  return { mchid, nonceStr, timestamp, serialNo, signature };
};

/** What a merchant signs: method, path with query, time, nonce and the body's bytes, each with a line feed behind. */
export const requestMessage = (request: {
  readonly method: string;
  readonly target: string;
  readonly timestamp: string;
  readonly nonceStr: string;
  readonly body: Buffer;
}): Buffer =>
  Buffer.concat([
    Buffer.from(`${request.method}\n${request.target}\n${request.timestamp}\n${request.nonceStr}\n`),
    request.body,
    Buffer.from('\n'),
  ]);

/** What WeChat Pay signs, in answers and notifications alike. */
export const platformMessage = (timestamp: string, nonceStr: string, body: Buffer): Buffer =>
  Buffer.concat([Buffer.from(`${timestamp}\n${nonceStr}\n`), body, Buffer.from('\n')]);

/** RSASSA-PKCS1-v1_5 with SHA-256, in base64. */
export const signMessage = (message: Buffer, privateKey: KeyObject): string =>
  sign('sha256', message, privateKey).toString('base64');

export const isSignedBy = (message: Buffer, signature: string, publicKey: KeyObject): boolean => {
  // Node's decoder skips what is no base64: a signature with rubbish in it would pass as the clean one.
  if (!/^[0-9A-Za-z+/]+={0,2}$/.test(signature)) return false;
  return verify('sha256', message, publicKey, Buffer.from(signature, 'base64'));
};
