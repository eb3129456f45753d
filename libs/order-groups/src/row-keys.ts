import { hkdfSync } from 'node:crypto';
import { secretFile, z } from '@tillmesh/config';

/** What a row's key is for: each purpose has a key of its own, derived from the one that is configured. */
export type RowKey = { readonly id: number; readonly integrity: Buffer; readonly cipher: Buffer };

/** The keys of sealed rows and encrypted columns. */
export type RowKeys = { readonly current: RowKey; find(id: number): RowKey | undefined };

const KEY_BYTES_MIN = 32;

/** The `rowKeys` setting of every service that reads or writes orders. */
export const RowKeysConfig = z
  .strictObject({
    current: z.int().min(1).max(255).describe('The id of the key that new rows are sealed and encrypted with.'),
    keys: z
      .array(
        z.strictObject({
          id: z.int().min(1).max(255).describe('1 to 255; stands in every row. Never give an id to another key.'),
          keyFile: secretFile('at least 32 random bytes, as hex').refine(
            (secret) => /^(?:[0-9a-f]{2}){32,}$/i.test(secret.reveal()),
            `is not at least ${KEY_BYTES_MIN} bytes as hex`,
          ),
        }),
      )
      .min(1)
      .max(255),
  })
  .superRefine(({ current, keys }, context) => {
    const ids = keys.map(({ id }) => id);
    for (const id of new Set(ids.filter((candidate, place) => ids.indexOf(candidate) !== place))) {
      context.addIssue({ code: 'custom', path: ['keys'], message: `key ${id} is listed twice` });
    }
    if (!ids.includes(current)) {
      context.addIssue({ code: 'custom', path: ['current'], message: `key ${current} is not among the keys` });
    }
  })
  .describe(
    'Keys of the integrity code and of the encrypted columns. Old ones stay as long as rows of theirs are kept.',
  );

const derive = (secret: Buffer, purpose: string): Buffer =>
  Buffer.from(hkdfSync('sha256', secret, Buffer.alloc(0), `tillmesh ${purpose}`, 32));

/** Derives the keys that rows need. */
export const openRowKeys = ({ current, keys }: z.output<typeof RowKeysConfig>): RowKeys => {
  const opened = new Map(
    keys.map(({ id, keyFile }) => {
      const secret = Buffer.from(keyFile.reveal(), 'hex');
      return [id, { id, integrity: derive(secret, 'row integrity'), cipher: derive(secret, 'column cipher') }];
    }),
  );
  const now = opened.get(current);
  if (now === undefined) throw new RangeError(`key ${current} is not among the keys`);
  return { current: now, find: (id) => opened.get(id) };
};
