import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Secret } from '@tillmesh/config';

/** A key as it is kept: its id and its bytes as hex. */
export type KeptKey = { readonly id: number; readonly keyFile: Secret };

/** Keys with the id of the one that new rows use. */
export type KeptKeys = { readonly current: number; readonly keys: readonly KeptKey[] };

/** What a key's text has to be. */
export const isKeyText = (text: string): boolean => /^(?:[0-9a-f]{2}){32,}$/i.test(text);

/** The file that holds the id of the key for new rows. */
const CURRENT = 'current';
const KEY_FILE = /^([1-9][0-9]{0,2})\.key$/;

const isId = (id: number): boolean => Number.isInteger(id) && id >= 1 && id <= 255;

/**
 * Reads a key folder: `<id>.key` with at least 32 bytes as hex, for each key, and `current` with the id that new rows use. Other files,
 * such as the links of a mounted secret, are left alone.
 *
 * @throws {RangeError} that says which file is wrong, and never what stands in it.
 */
export const readKeyFolder = (folder: string): KeptKeys => {
  const textOf = (name: string): string => {
    try {
      return readFileSync(join(folder, name), 'utf8').trim();
    } catch {
      throw new RangeError(`the file ${name} cannot be read`);
    }
  };
  const keys = readdirSync(folder).flatMap((name): KeptKey[] => {
    const id = Number(KEY_FILE.exec(name)?.[1]);
    if (!isId(id)) return [];
    const text = textOf(name);
    if (!isKeyText(text)) throw new RangeError(`the file ${name} is not at least 32 bytes as hex`);
    return [{ id, keyFile: new Secret(text) }];
  });
  const current = Number(textOf(CURRENT));
  if (!isId(current)) throw new RangeError('the file current does not hold a key id from 1 to 255');
  if (!keys.some(({ id }) => id === current)) {
    throw new RangeError(`key ${current} is current and there is no file ${current}.key`);
  }
  return { current, keys };
};
