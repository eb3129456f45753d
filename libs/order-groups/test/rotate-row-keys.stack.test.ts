import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock, systemRandom } from '@tillmesh/clock';
import { type MerchantRefundNo, money, type OrderNo, toOrderKey } from '@tillmesh/domain';
import type { RowDataPacket } from 'mysql2/promise';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bigintParameter, openConnection } from '../src/connection.ts';
import type { OrderGroups } from '../src/index.ts';
import { createRowCodec } from '../src/payment-rows.ts';
import { rotateRowKeys } from '../src/rotate-row-keys.ts';
import { openRowKeys } from '../src/row-keys.ts';
import { attemptNews, succeeded } from './attempt-news.ts';
import { type GroupsUnderTest, startGroups } from './groups-under-test.ts';
import { newPayment } from './new-payment.ts';

let underTest: GroupsUnderTest;
let groups: OrderGroups;
const folder = mkdtempSync(join(tmpdir(), 'tillmesh-row-keys-'));
const write = (name: string, text: string) => writeFileSync(join(folder, name), text);

beforeAll(async () => {
  write('1.key', systemRandom.hex(32));
  write('current', '1');
  underTest = await startGroups([1]);
  groups = await underTest.open({ rowKeys: { folder } });
});

afterAll(async () => {
  await underTest.close();
  rmSync(folder, { recursive: true });
});

const paying = async (): Promise<OrderNo> => {
  const created = await groups.create(newPayment());
  if (created.kind !== 'payable') throw new Error('the order was not written');
  return created.orderNo;
};

const paid = async (): Promise<OrderNo> => {
  const orderNo = await paying();
  const details = { payerId: 'openid-of-somebody' };
  await groups.payments.apply(orderNo, attemptNews(succeeded(), { nextCheckAfterMs: 60_000, details }));
  return orderNo;
};

const refundOf = async (orderNo: OrderNo): Promise<OrderNo> => {
  const created = await groups.refunds.create({
    orderNo,
    merchantRefundNo: 'R1' as MerchantRefundNo,
    amount: money('CNY', 34n),
    cause: 'merchant',
    reason: 'zu kalt',
    firstCheckAfterMs: 60_000,
    source: 'test',
  });
  if (created.kind !== 'created') throw new Error('the refund was not written');
  return created.stored.refund.refundNo;
};

// MySQL gives large numbers as text.
const asNumber = (value: unknown): unknown => (/^\d+$/.test(String(value)) ? Number(value) : value);

const see = (sql: string): Promise<unknown[]> => {
  const primary = underTest.stack.groups[0]?.primary();
  if (primary === undefined) throw new Error('there is no group');
  return primary.administer(async (connection) => {
    await connection.query('USE tillmesh');
    const [rows] = await connection.query<RowDataPacket[]>(sql);
    return Array.isArray(rows) ? rows.flatMap((row) => Object.values(row).map(asNumber)) : [];
  });
};

const KEYS_USED = `SELECT DISTINCT ASCII(seal) FROM payment WHERE seal <> '' UNION SELECT ASCII(subject) FROM payment WHERE subject <> ''
  UNION SELECT ASCII(action) FROM payment WHERE action IS NOT NULL UNION SELECT ASCII(seal) FROM refund UNION SELECT ASCII(reason) FROM refund
  UNION SELECT ASCII(news) FROM pending_event UNION SELECT ASCII(details) FROM payment WHERE details IS NOT NULL`;

const keepNews = async (number: OrderNo): Promise<void> => {
  const { cipher } = createRowCodec(openRowKeys({ folder }));
  const { app } = underTest.stack.accounts;
  const endpoint = underTest.map.groups[0]?.endpoints[0];
  if (endpoint === undefined) throw new Error('there is no group');
  const deadline = { atMs: systemClock.monotonicMs() + 5_000 };
  const account = { user: app.user, password: app.password.reveal(), database: 'tillmesh' };
  const connection = await openConnection(endpoint, account, deadline, systemClock);
  const sql =
    "INSERT INTO pending_event (group_tag, digest, number, kind, news, created_at, replayed_at) VALUES (2, ?, ?, 'attempt', ?, 1, 1)";
  const values = [Buffer.alloc(16), bigintParameter(toOrderKey(number)), cipher.encrypt('news', number, '{}')];
  await connection.run({ summary: 'a test', sql }, values, deadline);
  connection.cut();
};

/** With the keys that are in the folder now, as a start of the command reads them. */
const rotate = (changes: Partial<Parameters<typeof rotateRowKeys>[0]> = {}) => {
  const { app } = underTest.stack.accounts;
  const [group] = underTest.map.groups;
  if (group === undefined) throw new Error('there is no group');
  return rotateRowKeys({
    group,
    account: { user: app.user, password: app.password.reveal(), database: 'tillmesh' },
    keys: openRowKeys({ folder }),
    rowsPerSecondMax: 10_000,
    clock: systemClock,
    ...changes,
  });
};

test('a key is replaced while orders are written: new rows take the new one, old rows follow, and the old key can go', async () => {
  const withAction = await paying();
  await groups.payments.apply(
    withAction,
    attemptNews(
      { kind: 'pending_payer' },
      { nextCheckAfterMs: 60_000, action: { kind: 'qr_code', content: 'weixin://pay' } as never },
    ),
  );
  const withRefund = await paid();
  const refundNo = await refundOf(withRefund);
  const forged = await paid();
  const moved = await paying();
  const many: OrderNo[] = [];
  while (many.length < 60) many.push(await paying());
  await keepNews(withRefund);
  // As an order that lost to another: readers do not look at its secrets any more.
  await see(`UPDATE payment SET state = 'void' WHERE order_no = ${toOrderKey(many[0] as OrderNo)}`);
  const forgedVoid = many[1] as OrderNo;
  await see(`UPDATE payment SET state = 'void', refund_reserved = 1 WHERE order_no = ${toOrderKey(forgedVoid)}`);
  await see(`UPDATE payment SET refund_reserved = 1 WHERE order_no = ${toOrderKey(forged)}`);
  await see(
    `UPDATE payment p JOIN payment o ON o.order_no = ${toOrderKey(withRefund)} SET p.subject = o.subject WHERE p.order_no = ${toOrderKey(moved)}`,
  );
  expect(await see(KEYS_USED)).toEqual([1]);
  // Who paid is not to be read from a row.
  expect(await see("SELECT COUNT(*) FROM payment WHERE LOCATE('openid-of-somebody', details) > 0")).toEqual([0]);
  const lines = await see('SELECT COUNT(*) FROM trajectory');

  // First every instance knows the key, then it is used.
  write('2.key', systemRandom.hex(32));
  await expect(rotate()).resolves.toMatchObject({ rewritten: 0, olderKeys: new Map() });
  write('current', '2');
  await expect
    .poll(async () => see(`SELECT ASCII(seal) FROM payment WHERE order_no = ${toOrderKey(await paying())}`), {
      timeout: 10_000,
      interval: 500,
    })
    .toEqual([2]);
  const read = async () => [
    (await groups.payments.read(withAction))?.stored.payment,
    (await groups.payments.read(withRefund))?.stored.payment,
    (await groups.refunds.read(refundNo))?.refund,
  ];
  const before = await read();
  expect(before).toMatchObject([
    { action: { content: 'weixin://pay' } },
    { subject: 'Kaffee & 茶', details: { payerId: { value: 'openid-of-somebody', from: 'query' } } },
    { reason: 'zu kalt' },
  ]);

  // Cut in the middle, as by a kill, and run again.
  const stop = new AbortController();
  const cut = rotate({
    signal: stop.signal,
    rowsPerSecondMax: 100,
  });
  await expect
    .poll(() => see('SELECT COUNT(*) > 20 AND COUNT(*) < 60 FROM payment WHERE ASCII(seal) = 2'), { interval: 5 })
    .toEqual([1]);
  stop.abort(new Error('cut'));
  await expect(cut).rejects.toThrow('cut');
  expect(await read()).toEqual(before);
  const report = await rotate();
  expect(report.rewritten).toBeGreaterThan(10);
  expect(report.rewritten).toBeLessThan(60);
  expect(report.olderKeys).toEqual(new Map([[1, 3]]));
  const said = report.tampered.map((line) => line.replace(/^payment \d+: the (\w+) (\d+) .*: /, '$1 $2: '));
  expect(new Set(said)).toEqual(
    new Set([
      `payment ${forged}: its integrity code does not fit`,
      `payment ${forgedVoid}: its integrity code does not fit`,
      `subject ${moved}: what is encrypted in it does not open`,
    ]),
  );
  expect(new Set(await see(KEYS_USED))).toEqual(new Set([1, 2]));

  // Nothing has happened to the payments: no version, no line of a trajectory.
  expect(await read()).toEqual(before);
  const since = Number((await see('SELECT COUNT(*) FROM trajectory'))[0]) - Number(lines[0]);
  expect(since).toBe(0);

  // Once a person has dealt with the three, nobody needs the old key.
  for (const orderNo of [forged, forgedVoid]) {
    await see(`UPDATE payment SET refund_reserved = 0 WHERE order_no = ${toOrderKey(orderNo)}`);
  }
  const { cipher } = createRowCodec(openRowKeys({ folder }));
  await see(
    `UPDATE payment SET subject = x'${cipher.encrypt('subject', moved, 'Tee').toString('hex')}' WHERE order_no = ${toOrderKey(moved)}`,
  );
  expect(await rotate()).toMatchObject({ rewritten: 3, tampered: [], olderKeys: new Map() });
  expect(await see(KEYS_USED)).toEqual([2]);
  rmSync(join(folder, '1.key'));
  const later = await underTest.open({ rowKeys: { folder } });
  expect((await later.payments.read(forged))?.stored.payment).toMatchObject({ state: 'succeeded' });
  expect((await later.payments.read(moved))?.stored.payment).toMatchObject({ subject: 'Tee' });
  expect((await later.refunds.read(refundNo))?.refund).toEqual(before[2]);
});
