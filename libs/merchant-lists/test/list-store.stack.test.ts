import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seededRandom, systemClock, systemRandom } from '@tillmesh/clock';
import { Secret } from '@tillmesh/config';
import { groupTag, type MerchantId, type OrderKey, type PaymentState } from '@tillmesh/domain';
import { type LocalStack, startLocalStack } from '@tillmesh/local-stack';
import { createColumnCipher, openRowKeys } from '@tillmesh/order-groups';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createListStore, type ListEntry, type ListStore } from '../src/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'tillmesh-list-store-'));
const TOP = 2n ** 64n - 1n;
let stack: LocalStack;
let store: ListStore;

beforeAll(async () => {
  stack = await startLocalStack({ folder, groupTags: [1], redis: false, clock: systemClock });
  const { user, password } = stack.accounts.lists;
  store = createListStore({
    config: {
      endpoints: (stack.groups[0]?.nodes ?? []).map(({ host, port }) => ({ host, port })),
      user,
      password,
      database: 'tillmesh_lists',
      connectionsMax: 4,
      waitersMax: 20,
      statementMsMax: 5_000,
    },
    cipher: createColumnCipher(
      openRowKeys({ current: 1, keys: [{ id: 1, keyFile: new Secret(systemRandom.hex(32)) }] }),
    ),
    clock: systemClock,
  });
  await store.prepare();
  // A second time finds everything there.
  await store.prepare();
});

afterAll(async () => {
  store.close();
  await stack.stop();
  rmSync(folder, { recursive: true, force: true });
});

const entry = (merchant: string, key: number, version: number, state: PaymentState = 'paying'): ListEntry => ({
  merchantId: merchant as MerchantId,
  key: BigInt(key) as OrderKey,
  version,
  state,
  content: Buffer.from(`${key} at ${version}`),
  changedAtMs: 1,
});

const list = async (
  merchant: string,
  changes: { readonly before?: bigint; readonly states?: ReadonlySet<PaymentState>; readonly pageSize?: number } = {},
) => {
  const { contents, next, status } = await store.page({
    merchantId: merchant as MerchantId,
    floor: 1n,
    before: changes.before ?? TOP,
    states: changes.states,
    pageSize: changes.pageSize ?? 100,
  });
  return { shown: contents.map((content) => Buffer.from(content).toString()), next, status };
};

describe('the store of lists', () => {
  test('ends with the newest version of each payment, in whatever order and however often they come', async () => {
    const seed = systemRandom.below(2 ** 31);
    const random = seededRandom(seed);
    const versions = Array.from({ length: 90 }, (_, index) =>
      entry('m-order', 1 + (index % 30), 1 + Math.floor(index / 30)),
    );
    const twice = [...versions, ...versions]
      .map((each) => ({ each, place: random.below(1_000_000) }))
      .sort((a, b) => a.place - b.place)
      .map(({ each }) => each);
    // Three at once, as workers do.
    const parts = [0, 1, 2].map((part) => twice.filter((_, index) => index % 3 === part));
    await Promise.all(
      parts.map(async (part) => {
        for (let done = 0; done < part.length; done += 7) {
          await store.apply(part.slice(done, done + 7));
        }
      }),
    );
    const { shown } = await list('m-order');
    expect(shown, `seed ${seed}`).toEqual(Array.from({ length: 30 }, (_, index) => `${30 - index} at 3`));
  });

  test('pages newest first, of certain states as well, and shows no order that nobody may see', async () => {
    const states: PaymentState[] = ['paying', 'closed', 'void', 'unbound', 'succeeded'];
    await store.apply(Array.from({ length: 10 }, (_, index) => entry('m-page', index + 1, 1, states[index % 5])));
    const first = await list('m-page', { pageSize: 4 });
    expect(first.shown).toEqual(['10 at 1', '7 at 1']);
    expect(first.next).toBe(7n);
    const second = await list('m-page', { pageSize: 4, before: 7n });
    expect(second.shown).toEqual(['6 at 1', '5 at 1']);
    expect((await list('m-page', { pageSize: 10 })).shown).toHaveLength(6);
    const closed = await list('m-page', { states: new Set(['closed']), pageSize: 1 });
    expect(closed).toMatchObject({ shown: ['7 at 1'], next: 7n });
    const last = await list('m-page', { states: new Set(['closed']), pageSize: 1, before: 7n });
    expect(last).toMatchObject({ shown: ['2 at 1'], next: undefined });
  });

  test('tells readers of a rebuild before anything is thrown away, and goes on with one that was cut off', async () => {
    await store.apply([entry('m-again', 1, 5)]);
    const before = await store.status();
    const session = await store.beginRebuild();
    expect(await store.beginRebuild(), 'a second one at once').toBeUndefined();
    expect(await session?.clear()).toBe(false);
    const during = await list('m-again');
    expect(during.shown).toEqual([]);
    expect(during.status).toMatchObject({ phase: 'copying', generation: before.generation + 1 });
    await session?.copy(groupTag(1), [entry('m-again', 1, 4)], { copiedTo: 1n, rows: 1, isDone: false });
    session?.close();

    // The lock goes with the connection.
    let again = await store.beginRebuild();
    for (let tries = 0; again === undefined && tries < 100; tries += 1) {
      await systemClock.sleep(20);
      again = await store.beginRebuild();
    }
    expect(await again?.clear()).toBe(true);
    expect(await again?.progressOf(groupTag(1))).toEqual({ copiedTo: 1n, rows: 1, isDone: false });
    await store.apply([entry('m-again', 1, 6)]);
    await again?.finish();
    again?.close();
    expect(await list('m-again')).toMatchObject({ shown: ['1 at 6'], status: { phase: 'live' } });
  });
});
