import { createDecipheriv, createHash, createHmac, type KeyObject, sign, timingSafeEqual, verify } from 'node:crypto';

/** RSASSA-PKCS1-v1_5 with SHA-256 over the text's UTF-8 bytes, as base64. */
export const signRsaSha256 = (text: string | Buffer, privateKey: KeyObject): string =>
  sign('sha256', typeof text === 'string' ? Buffer.from(text, 'utf8') : text, privateKey).toString('base64');

// Node reads base64 leniently, up to the first thing it does not know: two spellings of one signature would both verify.
const BASE64 = /^(?:[0-9A-Za-z+/]{4})+(?:[0-9A-Za-z+/]{2}==|[0-9A-Za-z+/]{3}=)?$/;

/** True where the base64 signature is the key's over exactly these bytes. False for anything malformed; never throws. */
export const verifyRsaSha256 = (text: string | Buffer, signature: string, publicKey: KeyObject): boolean => {
  if (!BASE64.test(signature)) return false;
  try {
    const bytes = typeof text === 'string' ? Buffer.from(text, 'utf8') : text;
    return verify('sha256', bytes, publicKey, Buffer.from(signature, 'base64'));
  } catch {
    return false;
  }
};

/** HMAC-SHA256 as upper-case hex. */
export const hmacSha256Hex = (text: string, key: string): string =>
  createHmac('sha256', key).update(text, 'utf8').digest('hex').toUpperCase();

/** MD5 as upper-case hex: WeChat Pay v2 only. */
export const md5Hex = (text: string): string => createHash('md5').update(text, 'utf8').digest('hex').toUpperCase();

/** Compares in a time that says nothing of where the texts differ; their lengths are no secret. */
export const equalInConstantTime = (a: string, b: string): boolean => {
  const [left, right] = [Buffer.from(a, 'utf8'), Buffer.from(b, 'utf8')];
  return left.length === right.length && timingSafeEqual(left, right);
};

const GCM_NONCE_BYTES = 12;
const GCM_TAG_BYTES = 16;

/**
 * Opens an AES-256-GCM box.
 *
 * @param box base64 of the cipher text with its 16-byte tag behind.
 * @param key 32 bytes.
 * @param nonce 12 bytes, as text.
 * @returns the plain bytes, or undefined where the box was not made with this key, nonce and associated data.
 */
export const openAes256Gcm = (box: string, key: Buffer, nonce: string, associatedData: string): Buffer | undefined => {
  const bytes = Buffer.from(box, 'base64');
  const nonceBytes = Buffer.from(nonce, 'utf8');
  if (bytes.length < GCM_TAG_BYTES || nonceBytes.length !== GCM_NONCE_BYTES || key.length !== 32) return undefined;
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, nonceBytes, { authTagLength: GCM_TAG_BYTES });
    decipher.setAuthTag(bytes.subarray(-GCM_TAG_BYTES));
    decipher.setAAD(Buffer.from(associatedData, 'utf8'));
    return Buffer.concat([decipher.update(bytes.subarray(0, -GCM_TAG_BYTES)), decipher.final()]);
  } catch {
    return undefined;
  }
};
