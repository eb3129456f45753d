import { createCipheriv } from 'node:crypto';
import type { RawNotification } from '@tillmesh/channel-kit';
import { API_V3_KEY, signedHeaders } from './wechat-peer.ts';

const NONCE = 'fdasflkja484';

/** AES-256-GCM with the APIv3 key, as base64. */
export const sealedBox = (plain: string, associatedData: string, key = API_V3_KEY): string => {
  const cipher = createCipheriv('aes-256-gcm', Buffer.from(key), Buffer.from(NONCE));
  cipher.setAAD(Buffer.from(associatedData));
  return Buffer.concat([cipher.update(plain, 'utf8'), cipher.final(), cipher.getAuthTag()]).toString('base64');
};

/** What WeChat Pay seals for a merchant. */
export const sealedResource = (content: unknown, associatedData = 'transaction', key = API_V3_KEY) => ({
  algorithm: 'AEAD_AES_256_GCM',
  ciphertext: sealedBox(typeof content === 'string' ? content : JSON.stringify(content), associatedData, key),
  associated_data: associatedData,
  nonce: NONCE,
});

/** A notification as WeChat Pay signs it. */
export const sealedNotification = (eventType: string, content: unknown): RawNotification => {
  const body = JSON.stringify({
    id: 'EV-2018022511223320873',
    create_time: '2026-11-22T12:00:00+08:00',
    resource_type: 'encrypt-resource',
    event_type: eventType,
    resource: { original_type: 'transaction', ...sealedResource(content) },
  });
  return { headers: signedHeaders(body), body: Buffer.from(body) };
};
