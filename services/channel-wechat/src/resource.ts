import { type JsonObject, openAes256Gcm, parseJsonObject, textAt, utf8TextOf } from '@tillmesh/channel-kit';

const ALGORITHM = 'AEAD_AES_256_GCM';

/**
 * Opens the `resource` of a v3 notification with the account's APIv3 key (32 bytes). Undefined where it is not made with
 * this key, or holds no object. Source: pay.weixin.qq.com, "AEAD_AES_256_GCM": the tag is the last 16 bytes.
 */
export const openResource = (resource: JsonObject, apiV3Key: Buffer): JsonObject | undefined => {
  const box = textAt(resource, 'ciphertext');
  const nonce = textAt(resource, 'nonce');
  if (textAt(resource, 'algorithm') !== ALGORITHM || box === undefined || nonce === undefined) return undefined;
  const plain = openAes256Gcm(box, apiV3Key, nonce, textAt(resource, 'associated_data') ?? '');
  const text = plain === undefined ? undefined : utf8TextOf(plain);
  return text === undefined ? undefined : parseJsonObject(text);
};
