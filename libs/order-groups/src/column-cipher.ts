import { createCipheriv, createDecipheriv, randomFillSync } from 'node:crypto';
import type { OrderNo } from '@tillmesh/domain';
import type { RowKeys } from './row-keys.ts';
import { RowTampered } from './row-seal.ts';

/**
 * Encrypts columns that speak of people or open a payment: AES-256-GCM, stored as one byte of key id, 12 of nonce, the text, 16 of
 * tag. Column and number are authenticated with it, so a value moved to another row or column does not open.
 */
export type ColumnCipher = {
  encrypt(column: string, number: OrderNo, text: string): Buffer;
  /** @throws {RowTampered} */
  decrypt(column: string, number: OrderNo, stored: Buffer): string;
  /** True where a value was encrypted with an older key: whoever writes the row again takes the present one. */
  isOld(stored: Buffer): boolean;
};

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

// Random bytes cost a call into the kernel each time; a pool of them is read in pieces.
const NONCE_POOL_BYTES = NONCE_BYTES * 512;

/** Creates the cipher over these keys. */
export const createColumnCipher = (keys: RowKeys): ColumnCipher => {
  const pool = Buffer.alloc(NONCE_POOL_BYTES);
  let used = NONCE_POOL_BYTES;
  const nonce = (): Buffer => {
    if (used === NONCE_POOL_BYTES) {
      randomFillSync(pool);
      used = 0;
    }
    const fresh = Buffer.from(pool.subarray(used, used + NONCE_BYTES));
    used += NONCE_BYTES;
    return fresh;
  };
  const binding = (column: string, number: OrderNo): Buffer => Buffer.from(`${column}\n${number}`);

  return {
    encrypt: (column, number, text) => {
      const { id, cipher: key } = keys.current;
      const iv = nonce();
      const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(binding(column, number));
      const body = cipher.update(text, 'utf8');
      const rest = cipher.final();
      return Buffer.concat([Buffer.of(id), iv, body, rest, cipher.getAuthTag()]);
    },
    decrypt: (column, number, stored) => {
      const key = keys.find(stored[0] ?? 0);
      if (key === undefined) throw new RowTampered(column, number, `its key ${stored[0] ?? 0} is not configured`);
      if (stored.length < 1 + NONCE_BYTES + TAG_BYTES) throw new RowTampered(column, number, 'it is cut');
      const iv = stored.subarray(1, 1 + NONCE_BYTES);
      const body = stored.subarray(1 + NONCE_BYTES, stored.length - TAG_BYTES);
      const decipher = createDecipheriv('aes-256-gcm', key.cipher, iv, { authTagLength: TAG_BYTES })
        .setAAD(binding(column, number))
        .setAuthTag(stored.subarray(stored.length - TAG_BYTES));
      try {
        return decipher.update(body, undefined, 'utf8') + decipher.final('utf8');
      } catch {
        throw new RowTampered(column, number, 'what is encrypted in it does not open');
      }
    },
    isOld: (stored) => stored[0] !== keys.current.id,
  };
};
