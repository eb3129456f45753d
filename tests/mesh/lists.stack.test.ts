import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@tillmesh/clock';
import { type OrderNo, parseOrderNo, toOrderKey } from '@tillmesh/domain';
import { type Mesh, startMesh } from '@tillmesh/local-mesh';
import { CashierService } from '@tillmesh/proto/tillmesh/cashier/v1/cashier_service_pb.ts';
import { PaymentKind, PaymentState, Wallet } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import {
  type ListPaymentsResponse,
  ListSource,
  QueryService,
} from '@tillmesh/proto/tillmesh/query/v1/query_service_pb.ts';
import { createClient, type RpcClient } from '@tillmesh/rpc';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const clock = systemClock;
const folder = mkdtempSync(join(tmpdir(), 'tillmesh-lists-'));
const MERCHANT = 'demo-cafe';
const WITHIN_MS = 20_000;

let mesh: Mesh;
let cashier: RpcClient<typeof CashierService>;
let query: RpcClient<typeof QueryService>;

beforeAll(async () => {
  mesh = await startMesh({ folder, env: process.env, clock });
  const options = { caller: 'test', capMs: 20_000, clock };
  cashier = createClient(CashierService, { target: mesh.address('cashier'), ...options });
  query = createClient(QueryService, { target: mesh.address('query'), ...options });
}, 180_000);

afterAll(async () => {
  cashier.close();
  query.close();
  await mesh.stop();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

let number = 0;
const pay = async (count: number): Promise<string[]> =>
  Promise.all(
    Array.from({ length: count }, async () => {
      number += 1;
      const { payment } = await cashier.createPayment({
        merchantId: MERCHANT,
        merchantOrderNo: `list-${number}`,
        amount: { currency: 'CNY', minorUnits: 100n },
        kind: PaymentKind.MERCHANT_QR,
        wallet: Wallet.WECHAT,
        subject: 'Tea',
      });
      return payment?.orderNo ?? '';
    }),
  );

const page = (request: { pageToken?: string; pageSize?: number; fresh?: boolean; states?: PaymentState[] } = {}) =>
  query.listPayments({ merchantId: MERCHANT, pageSize: 200, ...request });

const numbersOf = ({ payments }: ListPaymentsResponse): string[] => payments.map(({ orderNo }) => orderNo);

const orderNoOf = (text: string): OrderNo => {
  const parsed = parseOrderNo(text);
  if (parsed === undefined) throw new Error(`${text} is no order number`);
  return parsed.orderNo;
};

/** Asks until the answer is as wanted. */
const until = async <T>(ask: () => Promise<T>, isWanted: (answer: T) => boolean): Promise<T> => {
  const endMs = clock.monotonicMs() + WITHIN_MS;
  for (;;) {
    const answer = await ask();
    if (isWanted(answer)) return answer;
    if (clock.monotonicMs() > endMs) throw new Error(`not so within ${WITHIN_MS} ms`);
    await clock.sleep(100);
  }
};

const fromStore = () => until(page, ({ source }) => source === ListSource.PROJECTION);

/** Every payment of the merchant, page by page. */
const walk = async (fresh: boolean): Promise<string[]> => {
  const seen: string[] = [];
  let pageToken = '';
  do {
    const answer = await page({ pageSize: 3, pageToken, fresh });
    expect(answer.payments.length).toBeLessThanOrEqual(3);
    seen.push(...numbersOf(answer));
    pageToken = answer.nextPageToken;
  } while (pageToken !== '');
  return seen;
};

const newestFirst = (orderNos: readonly string[]): string[] => [...orderNos].sort().reverse();

const rebuild = (): Promise<{ readonly status: number | null; readonly output: string }> =>
  new Promise((done) => {
    const script = join(import.meta.dirname, '..', '..', 'scripts', 'projection.ts');
    const child = spawn(process.execPath, [script, 'rebuild', '--folder', folder], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    const keep = (chunk: Buffer) => {
      output += chunk.toString();
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.once('close', (status) => done({ status, output }));
  });

describe('the list of a merchant', () => {
  const paid: string[] = [];

  test('is the same from its store and from the groups, newest first, in pages and whole', async () => {
    paid.push(...(await pay(10)));
    const all = await until(page, (answer) => answer.source === ListSource.PROJECTION && answer.payments.length === 10);
    expect(numbersOf(all)).toEqual(newestFirst(paid));
    expect(all).toMatchObject({ incomplete: false, missingGroupTags: [], nextPageToken: '' });
    expect(all.staleness).toBeDefined();
    expect(await page({ fresh: true })).toMatchObject({ source: ListSource.GROUPS, incomplete: false });
    const plain = async (fresh: boolean) =>
      JSON.stringify(
        (await page({ fresh })).payments.map((payment) => ({
          ...payment,
          readFromReplica: false,
          replicaStaleness: undefined,
        })),
        (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value),
      );
    // Payments still move while they are compared.
    await until(
      async () => Promise.all([plain(true), plain(false)]),
      ([ofGroups, ofStore]) => ofGroups === ofStore,
    );
    expect(await walk(false)).toEqual(newestFirst(paid));
    expect(await walk(true)).toEqual(newestFirst(paid));
  });

  test('of certain states holds those alone, and follows a payment from one to the other', async () => {
    const [first = ''] = paid;
    await cashier.closePayment({ payment: { ref: { case: 'orderNo', value: first } } });
    for (const fresh of [true, false]) {
      const closed = await until(
        () => page({ states: [PaymentState.CLOSED], fresh }),
        (answer) => answer.payments.length === 1,
      );
      expect(numbersOf(closed)).toEqual([first]);
      const rest = await page({ states: [PaymentState.PAYING], fresh });
      expect(numbersOf(rest)).not.toContain(first);
    }
  });

  test('is refused with a token of another question, and with times that are too far apart', async () => {
    const { nextPageToken } = await page({ pageSize: 3 });
    await expect(query.listPayments({ merchantId: 'demo-books', pageToken: nextPageToken })).rejects.toMatchObject({
      reason: 'REQUEST_INVALID',
    });
    await expect(query.listPayments({ merchantId: MERCHANT, from: { seconds: 0n, nanos: 0 } })).rejects.toMatchObject({
      reason: 'REQUEST_INVALID',
    });
  });

  test('gets a change that was committed long after later ones', async () => {
    await fromStore();
    const versionOf = async (orderNo: string, fresh: boolean): Promise<number> =>
      (await page({ fresh })).payments.find((payment) => payment.orderNo === orderNo)?.version ?? 0;
    const [late = ''] = await pay(1);
    paid.push(late);
    // Whatever happens to it by itself has happened.
    const before = await until(
      () => versionOf(late, true),
      (version) => version >= 2,
    );
    const group = mesh.stack.groups.find(({ tag }) => tag === Number(late.slice(15, 18)));
    await group?.primary().administer(async (connection) => {
      await connection.query('USE tillmesh');
      await connection.query('START TRANSACTION');
      // Its line has an id now, and is seen by nobody.
      await connection.query('UPDATE payment SET version = version + 1, event_source = ? WHERE order_no = ?', [
        'test',
        String(toOrderKey(orderNoOf(late))),
      ]);
      const later = await pay(12);
      paid.push(...later);
      // The lists show lines of the same group that have later ids.
      await until(page, ({ source, payments }) => {
        const changed = payments.filter(({ orderNo, version }) => later.includes(orderNo) && version >= 2);
        return source === ListSource.PROJECTION && changed.length === later.length;
      });
      expect(await versionOf(late, false)).toBe(before);
      await connection.query('COMMIT');
    });
    await until(
      () => versionOf(late, false),
      (version) => version === before + 1,
    );
  });

  test('goes on after its projector was killed in the middle of its work', async () => {
    await fromStore();
    const paying = pay(30);
    await clock.sleep(150);
    await mesh.services.kill('projector', 'SIGKILL');
    paid.push(...(await paying));
    const all = await until(
      page,
      ({ source, payments }) => source === ListSource.PROJECTION && payments.length === paid.length,
    );
    expect(numbersOf(all)).toEqual(newestFirst(paid));
  });

  test('is answered by the groups while Redis is away, and by its store again afterwards', async () => {
    await fromStore();
    await mesh.stack.redis?.kill('SIGKILL');
    const [more = ''] = await pay(1);
    paid.push(more);
    const behind = await until(page, ({ source }) => source === ListSource.GROUPS);
    expect(numbersOf(behind)).toEqual(newestFirst(paid));
    await mesh.stack.redis?.start();
    expect(numbersOf(await fromStore())).toEqual(newestFirst(paid));
  });

  test('is made anew by command while payments come, with nothing missing', async () => {
    await fromStore();
    const [{ status, output }, more] = await Promise.all([rebuild(), pay(5)]);
    paid.push(...more);
    expect(status, output).toBe(0);
    expect(output).toMatch(/[0-9]+ payments are in the lists/);
    expect(numbersOf(await fromStore())).toEqual(newestFirst(paid));
  });

  test('says which group a page lacks, and shows its payments once it is back', async () => {
    const dead = mesh.stack.groups.find(({ tag }) => tag === 2);
    await Promise.all(dead?.nodes.map((node) => node.kill('SIGKILL')) ?? []);
    const partial = await page({ fresh: true, pageSize: 5 });
    expect(partial).toMatchObject({ incomplete: true, missingGroupTags: [2], source: ListSource.GROUPS });
    expect(partial.payments.every(({ groupTag }) => groupTag !== 2)).toBe(true);
    expect(partial.payments.length).toBeGreaterThan(0);
    // Without being asked for fresh ones: the store is too far behind a group that nobody can read.
    await until(page, ({ source, incomplete }) => source === ListSource.GROUPS && incomplete);

    await Promise.all(dead?.nodes.map((node) => node.start()) ?? []);
    const seen = numbersOf(partial);
    let { nextPageToken: pageToken } = partial;
    expect(pageToken).not.toBe('');
    while (pageToken !== '') {
      const at = pageToken;
      const next = await until(
        () => page({ pageToken: at }),
        ({ incomplete }) => !incomplete,
      );
      seen.push(...numbersOf(next));
      pageToken = next.nextPageToken;
    }
    expect(newestFirst(seen)).toEqual(newestFirst(paid));
  });
});
