import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { z } from '@tillmesh/config';

/** The keys that account files are sealed with, by name; the first seals, all open. */
export type SealingKeys = ReadonlyMap<string, Buffer>;

/** An account's settings as they stand in a configuration, and the files that they name. */
export type AccountBundle = {
  readonly settings: Readonly<Record<string, unknown>>;
  /** By the name in the settings. */
  readonly files: Readonly<Record<string, string>>;
};

const ALGORITHM = 'aes-256-gcm';
const IV_BYTES = 12;
const TAG_BYTES = 16;
const KEY_LINE = /^([0-9A-Za-z._-]{1,32}) ([0-9a-f]{64})$/;

const base64 = z.string().regex(/^[0-9A-Za-z+/]*={0,2}$/);
const Sealed = z.strictObject({
  form: z.literal(1),
  key: z.string().min(1).max(32),
  iv: base64,
  tag: base64,
  box: base64,
});
const Bundle = z.strictObject({
  settings: z.record(z.string(), z.unknown()),
  files: z.record(z.string(), z.string().max(65_536)),
});

// The file's own place is under the seal: a file that is renamed into another account's or another channel's does not open.
const placeOf = (channelId: string, accountId: string): Buffer =>
  Buffer.from(`tillmesh account ${channelId}/${accountId}`);

/** Reads a key file: one key a line, `<name> <64 hex digits>`, the newest first. Undefined where it holds anything else. */
export const parseSealingKeys = (text: string): SealingKeys | undefined => {
  const keys = new Map<string, Buffer>();
  for (const line of text.split(/\r?\n/).filter((each) => each !== '')) {
    const match = KEY_LINE.exec(line);
    if (match === null || keys.has(match[1] ?? '')) return undefined;
    keys.set(match[1] ?? '', Buffer.from(match[2] ?? '', 'hex'));
  }
  return keys.size === 0 ? undefined : keys;
};

/** Seals an account's settings for a file of the folder: AES-256-GCM, bound to channel and account. */
export const sealAccount = (channelId: string, accountId: string, bundle: AccountBundle, keys: SealingKeys): string => {
  const [newest] = keys;
  if (newest === undefined) throw new RangeError('there is no key to seal with');
  const [key, bytes] = newest;
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv(ALGORITHM, bytes, iv).setAAD(placeOf(channelId, accountId));
  const box = Buffer.concat([cipher.update(JSON.stringify(bundle), 'utf8'), cipher.final()]);
  const sealed: z.input<typeof Sealed> = {
    form: 1,
    key,
    iv: iv.toString('base64'),
    tag: cipher.getAuthTag().toString('base64'),
    box: box.toString('base64'),
  };
  return `${JSON.stringify(sealed)}\n`;
};

/** Opens an account's file, or says what is wrong with it, without anything that is in it. */
export const openAccount = (
  channelId: string,
  accountId: string,
  text: string,
  keys: SealingKeys,
): AccountBundle | { readonly problem: string } => {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return { problem: 'is no sealed account: seal it with npm run accounts' };
  }
  const sealed = Sealed.safeParse(json);
  if (!sealed.success) return { problem: 'is no sealed account: seal it with npm run accounts' };
  const { key, iv, tag, box } = sealed.data;
  const bytes = keys.get(key);
  if (bytes === undefined) return { problem: `is sealed with the key ${key}, which the key file does not have` };
  try {
    const decipher = createDecipheriv(ALGORITHM, bytes, Buffer.from(iv, 'base64'), { authTagLength: TAG_BYTES })
      .setAAD(placeOf(channelId, accountId))
      .setAuthTag(Buffer.from(tag, 'base64'));
    const plain = Buffer.concat([decipher.update(Buffer.from(box, 'base64')), decipher.final()]).toString('utf8');
    return Bundle.parse(JSON.parse(plain));
  } catch {
    return {
      problem: `does not open: it was changed, sealed for another account or channel, or the key ${key} is another one`,
    };
  }
};
