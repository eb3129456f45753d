import { createHmac, createPrivateKey, type KeyObject, sign } from 'node:crypto';
import type { WebhookSigning } from '@tillmesh/domain';

/** A key that signs, by the Standard Webhooks specification 1.0. Nothing of it prints. */
export type SigningKey = {
  /** By this name the merchant finds its half of the key. */
  readonly keyId: string;
  readonly kind: WebhookSigning;
  /** @returns one entry of the header `webhook-signature`. */
  readonly sign: (content: Buffer) => string;
};

/** What is signed and sent: exactly these bytes. */
export type SignedParts = {
  readonly eventId: string;
  /** Seconds since 1970. */
  readonly timestamp: number;
  readonly body: Buffer;
};

const HMAC_BYTES_MIN = 24;
const HMAC_BYTES_MAX = 64;
const HMAC_PREFIX = 'whsec_';

const hmacSecretOf = (text: string): Buffer => {
  const encoded = text.startsWith(HMAC_PREFIX) ? text.slice(HMAC_PREFIX.length) : text;
  const secret = Buffer.from(encoded, 'base64');
  if (secret.toString('base64').replaceAll('=', '') !== encoded.replaceAll('=', ''))
    throw new Error('is not base64, with or without whsec_ in front');
  if (secret.length < HMAC_BYTES_MIN || secret.length > HMAC_BYTES_MAX)
    throw new Error(`has ${secret.length} bytes; a secret has ${HMAC_BYTES_MIN} to ${HMAC_BYTES_MAX}`);
  return secret;
};

const ed25519KeyOf = (pem: string): KeyObject => {
  const key = createPrivateKey(pem);
  if (key.asymmetricKeyType !== 'ed25519') throw new Error('is not an Ed25519 key');
  return key;
};

/**
 * Reads a key.
 *
 * @param text `hmac-sha256`: base64 of 24 to 64 bytes, `whsec_` in front or not. `ed25519`: a private key as PEM (PKCS #8).
 * @throws {Error} saying what is wrong, without the text.
 */
export const parseSigningKey = (keyId: string, kind: WebhookSigning, text: string): SigningKey => {
  if (kind === 'hmac-sha256') {
    const secret = hmacSecretOf(text);
    return {
      keyId,
      kind,
      sign: (content) => `v1,${createHmac('sha256', secret).update(content).digest('base64')}`,
    };
  }
  const key = ed25519KeyOf(text);
  return { keyId, kind, sign: (content) => `v1a,${sign(null, content, key).toString('base64')}` };
};

/** `<event id>.<seconds>.<body>`, byte for byte. */
export const signedContent = ({ eventId, timestamp, body }: SignedParts): Buffer =>
  Buffer.concat([Buffer.from(`${eventId}.${timestamp}.`), body]);

/** The headers that carry identity, time and signatures; one signature for each key, so that keys can be changed with an overlap. */
export const signatureHeaders = (parts: SignedParts, keys: readonly SigningKey[]): Readonly<Record<string, string>> => {
  const content = signedContent(parts);
  return {
    'webhook-id': parts.eventId,
    'webhook-timestamp': String(parts.timestamp),
    'webhook-signature': keys.map((key) => key.sign(content)).join(' '),
    'tillmesh-key-ids': keys.map(({ keyId }) => keyId).join(' '),
  };
};
