import { type JsonObject, openAes256Gcm, parseJsonObject, textAt, utf8TextOf } from '@tillmesh/channel-kit';

const ALGORITHM = 'AEAD_AES_256_GCM';

/**
 * Opens what WeChat Pay has sealed with the account's APIv3 key (32 bytes): `algorithm`, `nonce`, `associated_data` and `ciphertext`.
 * Undefined where it is not made with this key, or is no text. Source: pay.weixin.qq.com, "AEAD_AES_256_GCM": the tag is the last 16 bytes.
 */
export const openText = (sealed: JsonObject, apiV3Key: Buffer): string | undefined => {
  const box = textAt(sealed, 'ciphertext');
  const nonce = textAt(sealed, 'nonce');
  if (textAt(sealed, 'algorithm') !== ALGORITHM || box === undefined || nonce === undefined) return undefined;
  const plain = openAes256Gcm(box, apiV3Key, nonce, textAt(sealed, 'associated_data') ?? '');
  return plain === undefined ? undefined : utf8TextOf(plain);
};

/** Opens the `resource` of a v3 notification. Undefined where it cannot be opened (see openText), or holds no object. */
export const openResource = (resource: JsonObject, apiV3Key: Buffer): JsonObject | undefined => {
  const text = openText(resource, apiV3Key);
  return text === undefined ? undefined : parseJsonObject(text);
};
