import { z } from '@tillmesh/config';
import { assertNever } from '@tillmesh/domain';
import { CERTIFICATE_MS, KEYS_MAX, type PlatformKeys } from './platform-keys.ts';

const id = z.string().min(1).max(64);
const kind = z.enum(['public_key', 'certificate']);

/** What the control API can be told of WeChat Pay's keys. `id`, `kind` and the rest belong to what is done. */
export const KeysRequest = z
  .strictObject({
    do: z.enum(['add', 'use', 'retire', 'sign_with']),
    kind: kind.optional(),
    id: id.optional(),
    account: id.optional(),
    effectiveInSeconds: z.number().min(0).max(86_400).default(0),
    validForSeconds: z
      .number()
      .positive()
      .max(CERTIFICATE_MS / 1_000)
      .default(CERTIFICATE_MS / 1_000),
  })
  .refine((wish) => !['add', 'sign_with'].includes(wish.do) || wish.kind !== undefined, {
    path: ['kind'],
    message: 'has to be given with add and sign_with',
  })
  .refine((wish) => !['use', 'retire'].includes(wish.do) || wish.id !== undefined, {
    path: ['id'],
    message: 'has to be given with use and retire',
  });

type Done = { readonly status: 200 | 404 | 409; readonly problem?: string };
const done: Done = { status: 200 };
const notThere: Done = { status: 404, problem: 'there is no such key' };

const RETIRED: Readonly<Record<ReturnType<PlatformKeys['retire']>, Done>> = {
  retired: done,
  unknown: notThere,
  in_use: { status: 409, problem: 'the key is in use: let another one sign first' },
};

/** Changes WeChat Pay's keys as asked: a new one beside the old, a change-over, the end of an old one. */
export const changeKeys = (keys: PlatformKeys, wish: z.output<typeof KeysRequest>): Done => {
  const { kind: ofKind = 'public_key', id: which = '', account } = wish;
  switch (wish.do) {
    case 'add': {
      const validity = { inMs: wish.effectiveInSeconds * 1_000, forMs: wish.validForSeconds * 1_000 };
      const added = keys.add(ofKind, validity);
      return added === undefined ? { status: 409, problem: `${KEYS_MAX} keys were made already` } : done;
    }
    case 'use':
      return keys.use(which) ? done : notThere;
    case 'retire':
      return RETIRED[keys.retire(which)];
    case 'sign_with':
      keys.signWith(ofKind, account);
      return done;
    default:
      return assertNever(wish.do);
  }
};
