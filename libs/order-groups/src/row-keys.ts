import { createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import { secretFile, secretFolder, z } from '@tillmesh/config';
import { isKeyText, type KeptKeys, readKeyFolder } from './row-key-folder.ts';

/** What a row's key is for: each purpose has a key of its own, derived from the one that is configured. */
export type RowKey = { readonly id: number; readonly integrity: KeyObject; readonly cipher: KeyObject };

/** The keys of sealed rows and encrypted columns. `current` may be another one at the next use. */
export type RowKeys = { readonly current: RowKey; find(id: number): RowKey | undefined; ids(): readonly number[] };

/** Keys that are read again while the program runs. */
export type KeptRowKeys = RowKeys & {
  /**
   * Reads the folder again; keys that are listed in the configuration stay as they are. What is wrong leaves the keys as they were.
   *
   * @returns whether something has changed.
   * @throws {RangeError}
   */
  refresh(): boolean;
};

const KEY_BYTES_MIN = 32;
/** Between looks at the key folder: so long, and what the mount needs, until every instance knows a new key. */
export const KEYS_READ_EVERY_MS = 5_000;

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** The `rowKeys` setting of every service that reads or writes orders. */
export const RowKeysConfig = z
  .strictObject({
    current: z
      .int()
      .min(1)
      .max(255)
      .optional()
      .describe('The id of the key that new rows are sealed and encrypted with.'),
    keys: z
      .array(
        z.strictObject({
          id: z.int().min(1).max(255).describe('1 to 255; stands in every row. Never give an id to another key.'),
          keyFile: secretFile('at least 32 random bytes, as hex').refine(
            (secret) => isKeyText(secret.reveal()),
            `is not at least ${KEY_BYTES_MIN} bytes as hex`,
          ),
        }),
      )
      .min(1)
      .max(255)
      .optional(),
    folder: secretFolder(
      'a file <id>.key for each key and a file current with the id for new rows; read again every 5 s. Instead of current and keys',
    ).optional(),
  })
  .superRefine(({ current, keys, folder }, context) => {
    const issue = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message });
    if (folder !== undefined) {
      if (keys !== undefined || current !== undefined) issue('folder', 'says the same as current and keys: set one');
      try {
        readKeyFolder(folder);
      } catch (error) {
        issue('folder', reasonOf(error));
      }
      return;
    }
    if (keys === undefined) issue('keys', 'is missing, and so is folder: set one of them');
    if (current === undefined) issue('current', 'is missing, and so is folder: set one of them');
    if (keys === undefined || current === undefined) return;
    const ids = keys.map(({ id }) => id);
    for (const id of new Set(ids.filter((candidate, place) => ids.indexOf(candidate) !== place))) {
      issue('keys', `key ${id} is listed twice`);
    }
    if (!ids.includes(current)) issue('current', `key ${current} is not among the keys`);
  })
  .describe(
    'Keys of the integrity code and of the encrypted columns. Old ones stay as long as rows of theirs are kept.',
  );

// A key object once: each use of a Buffer as a key would make another one.
const derive = (secret: Buffer, purpose: string): KeyObject =>
  createSecretKey(new Uint8Array(hkdfSync('sha256', secret, Buffer.alloc(0), `tillmesh ${purpose}`, 32)));

type Opened = { readonly current: RowKey; readonly all: ReadonlyMap<number, RowKey> };

const open = ({ current, keys }: KeptKeys): Opened => {
  const all = new Map(
    keys.map(({ id, keyFile }) => {
      const secret = Buffer.from(keyFile.reveal(), 'hex');
      return [id, { id, integrity: derive(secret, 'row integrity'), cipher: derive(secret, 'column cipher') }];
    }),
  );
  const now = all.get(current);
  if (now === undefined) throw new RangeError(`key ${current} is not among the keys`);
  return { current: now, all };
};

/** Derives the keys that rows need. @throws {RangeError} where the folder is wrong. */
export const openRowKeys = ({ current = 0, keys = [], folder }: z.output<typeof RowKeysConfig>): KeptRowKeys => {
  let opened = open(folder === undefined ? { current, keys } : readKeyFolder(folder));
  return {
    get current() {
      return opened.current;
    },
    find: (id) => opened.all.get(id),
    ids: () => [...opened.all.keys()],
    refresh: () => {
      if (folder === undefined) return false;
      const next = open(readKeyFolder(folder));
      for (const [id, { integrity }] of next.all) {
        const before = opened.all.get(id);
        if (before !== undefined && !before.integrity.equals(integrity)) {
          throw new RangeError(`key ${id} has become another key: rows of the old one could not be read any more`);
        }
      }
      const isSame = next.current.id === opened.current.id && next.all.size === opened.all.size;
      const hasNew = [...next.all.keys()].some((id) => !opened.all.has(id));
      opened = next;
      return !isSame || hasNew;
    },
  };
};
