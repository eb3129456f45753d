import { type KeyObject, X509Certificate } from 'node:crypto';
import { fromRfc3339, type JsonObject, objectAt, textAt } from '@tillmesh/channel-kit';
import { openText } from './resource.ts';

/** A certificate of WeChat Pay's platform: what answers and notifications may be signed with while it is valid. */
export type PlatformCertificate = {
  /** Upper-case hex, as Wechatpay-Serial says it. */
  readonly serial: string;
  readonly key: KeyObject;
  readonly fromMs: number;
  /** Exclusive. */
  readonly untilMs: number;
};

/** More than WeChat Pay has ever had at a time; what is beyond is not read. */
const CERTIFICATES_MAX = 8;
const RSA_BITS_MIN = 2_048;

const parsed = (pem: string): X509Certificate | undefined => {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
};

const serialOf = (hex: string): string => hex.toUpperCase().replace(/^0+(?=.)/, '');

const readOne = (told: unknown, apiV3Key: Buffer): PlatformCertificate | undefined => {
  const sealed = objectAt(told, 'encrypt_certificate');
  const serial = textAt(told, 'serial_no') ?? '';
  const pem = sealed === undefined ? undefined : openText(sealed, apiV3Key);
  const certificate = pem === undefined ? undefined : parsed(pem);
  if (certificate === undefined || serialOf(certificate.serialNumber) !== serialOf(serial)) return undefined;
  const key = certificate.publicKey;
  if (key.asymmetricKeyType !== 'rsa' || (key.asymmetricKeyDetails?.modulusLength ?? 0) < RSA_BITS_MIN)
    return undefined;
  const effectiveMs = fromRfc3339(textAt(told, 'effective_time') ?? '');
  const expiresMs = fromRfc3339(textAt(told, 'expire_time') ?? '');
  if (effectiveMs === undefined || expiresMs === undefined) return undefined;
  return {
    serial: serial.toUpperCase(),
    key,
    // What is told and what stands in the certificate have to allow it both.
    fromMs: Math.max(effectiveMs, certificate.validFromDate.getTime()),
    untilMs: Math.min(expiresMs, certificate.validToDate.getTime()),
  };
};

/**
 * The certificates in an answer of GET /v3/certificates that are sealed with the account's APIv3 key (32 bytes), are what they say they
 * are, and hold an RSA key of at least 2,048 bits; others are left out. Source: pay.weixin.qq.com, "获取商户当前可用的平台证书".
 */
export const readPlatformCertificates = (content: JsonObject, apiV3Key: Buffer): readonly PlatformCertificate[] => {
  const { data } = content;
  if (!Array.isArray(data)) return [];
  return data.slice(0, CERTIFICATES_MAX).flatMap((told: unknown) => readOne(told, apiV3Key) ?? []);
};
