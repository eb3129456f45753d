import { createCipheriv } from 'node:crypto';

/** AEAD_AES_256_GCM: base64 of the cipher text with the 16 bytes of the tag behind. */
export const encryptResource = (options: {
  readonly plaintext: string;
  readonly apiV3Key: string;
  /** 12 characters. */
  readonly nonce: string;
  readonly associatedData: string;
}): string => {
  const cipher = createCipheriv('aes-256-gcm', Buffer.from(options.apiV3Key), Buffer.from(options.nonce));
  cipher.setAAD(Buffer.from(options.associatedData));
  return Buffer.concat([cipher.update(options.plaintext, 'utf8'), cipher.final(), cipher.getAuthTag()]).toString(
    'base64',
  );
};
