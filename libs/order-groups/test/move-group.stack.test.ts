import { systemClock, systemRandom } from '@tillmesh/clock';
import {
  type AttemptNo,
  definiteFailure,
  type GroupTag,
  groupTag,
  groupTagOf,
  type MerchantRefundNo,
  money,
  type OrderNo,
  toOrderKey,
} from '@tillmesh/domain';
import type { RowDataPacket } from 'mysql2';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type GroupAdministration,
  type MoveProgress,
  MoveRefused,
  type MoveRequest,
  type NewPayment,
  type OrderGroups,
} from '../src/index.ts';
import { attemptNews, succeeded } from './attempt-news.ts';
import { type GroupsUnderTest, startGroups } from './groups-under-test.ts';
import { newPayment } from './new-payment.ts';

// Each test goes on where the one before has left the groups: 3 goes to 1, then 2 goes to 1.

let underTest: GroupsUnderTest;
let orders: OrderGroups;
let other: OrderGroups;
let administration: GroupAdministration;

const tag = groupTag;

beforeAll(async () => {
  underTest = await startGroups([1, 2, 3]);
  [orders, other, administration] = [await underTest.open(), await underTest.open(), await underTest.administer()];
});

afterAll(async () => {
  await underTest.close();
});

const paidNow = () => succeeded(`tx-${systemRandom.hex(6)}`);
const plan = () => ({ ...newPayment().attempt, token: systemRandom.hex(8) });
const declined = () =>
  definiteFailure({ transport: 'answered', signature: 'verified', ruleId: 'r-1' }, 'payment_code_invalid');

type Kept = { readonly payment: NewPayment; readonly orderNo: OrderNo };

const REPEATS_MAX = 20;
const REPEAT_AFTER_MS = 100;

/** Creates as callers do: an answer that says to repeat with the same number is repeated, by the same call's token. */
const create = async (changes: Partial<NewPayment> = {}): Promise<Kept> => {
  const payment = newPayment(changes);
  for (let repeats = 0; ; repeats += 1) {
    const created = await orders.create(payment);
    if (created.kind === 'payable') return { payment, orderNo: created.orderNo };
    if (created.kind !== 'repeat' || repeats === REPEATS_MAX) {
      throw new Error(`not payable: ${JSON.stringify(created)}`);
    }
    await systemClock.sleep(REPEAT_AFTER_MS);
  }
};

/** An order that this group's databases hold. */
const createAt = async (at: GroupTag, changes: Partial<NewPayment> = {}): Promise<Kept> => {
  for (;;) {
    const kept = await create(changes);
    if (groupTagOf(kept.orderNo) === at) return kept;
  }
};

const paidAt = async (at: GroupTag): Promise<Kept> => {
  const kept = await createAt(at);
  await orders.payments.apply(kept.orderNo, attemptNews(paidNow()));
  return kept;
};

const refund = (orderNo: OrderNo, merchantRefundNo: string, amount: bigint) =>
  orders.refunds.create({
    orderNo,
    merchantRefundNo: merchantRefundNo as MerchantRefundNo,
    amount: money('CNY', amount),
    reason: 'returned',
    cause: 'merchant',
    firstCheckAfterMs: 60_000,
    source: 'test',
  });

const change = async (
  state: 'closed' | 'migrating' | 'retired',
  of: GroupTag,
  successor?: GroupTag,
  expectedVersion = orders.map().map.version,
) => {
  const changed = await orders.changeMap({
    tag: of,
    state,
    endpoints: [],
    ...(successor === undefined ? {} : { successor }),
    expectedVersion,
    reason: 'test',
  });
  if (changed.kind === 'refused') throw new MoveRefused(changed.why.join('; '));
  expect(changed.kind).toBe('changed');
};

const request = (source: GroupTag, target: GroupTag, changes: Partial<MoveRequest> = {}): MoveRequest => ({
  source,
  target,
  again: false,
  changeMap: (state) => change(state, source, target),
  onProgress: () => undefined,
  ...changes,
});

const query = async (at: GroupTag, sql: string): Promise<RowDataPacket[]> => {
  const group = underTest.stack.groups.find((candidate) => candidate.tag === at);
  if (group === undefined) throw new Error(`no group ${at}`);
  return group.primary().administer(async (connection) => {
    await connection.query(`USE ${group.database}`);
    const [rows] = await connection.query<RowDataPacket[]>(sql);
    return rows;
  });
};

const unpaidSays = (person: string) =>
  orders.statements.state(
    { kind: 'attempt', orderNo: before.waiting[0]?.orderNo ?? ('' as OrderNo), attemptNo: 1 as AttemptNo },
    { person, outcome: 'failed_definite', channelTransactionId: '', happenedAtMs: undefined },
    'a call with the channel',
    'test',
  );

const stateOf = (of: GroupTag) => orders.map().map.groups.find((group) => group.tag === of)?.state;
/** Orders of group 3 that the tests go on with after it is gone. */
const before = { waiting: [] as Kept[], paid: [] as Kept[], declined: [] as Kept[] };

test('a group that takes new orders, or whose orders were not moved, is not given away', async () => {
  await expect(administration.move(request(tag(3), tag(1)))).rejects.toThrow('first: npm run groups -- close 3');
  await expect(change('retired', tag(3), tag(1))).rejects.toThrow('npm run groups -- migrate brings them there');
  expect(stateOf(tag(3))).toBe('open');
});

/** Ends a run at the first look at this phase, as a process that dies there would. */
const dieIn = (phase: MoveProgress['phase']) => (progress: MoveProgress) => {
  if (progress.phase === phase) throw new Error('died');
};

test('a copy that was changed is found before the switch and named; nothing is switched and the group goes on', async () => {
  for (let n = 0; n < 60; n += 1) before.waiting.push(await createAt(tag(3)));
  for (let n = 0; n < 10; n += 1) before.paid.push(await paidAt(tag(3)));
  for (let n = 0; n < 3; n += 1) {
    const kept = await createAt(tag(3), { kind: 'payment_code' });
    await orders.payments.apply(kept.orderNo, attemptNews(declined()));
    before.declined.push(kept);
  }
  expect(await unpaidSays('Ann')).toEqual({ kind: 'stated', agreement: { kind: 'awaits_second' }, isNew: true });
  const broken = await paidAt(tag(3));
  const intact = await paidAt(tag(3));
  await change('closed', tag(3));
  await expect(administration.move(request(tag(3), tag(1), { onProgress: dieIn('verify') }))).rejects.toThrow('died');
  await query(tag(1), `UPDATE payment SET store_id = 'elsewhere' WHERE order_no = ${toOrderKey(broken.orderNo)}`);

  const refused = administration.move(request(tag(3), tag(1)));
  await expect(refused).rejects.toThrow(
    `1 order of group 3 is not the same at group 1: order ${broken.orderNo} differs in payment (store_id)`,
  );
  await expect(refused).rejects.toThrow('--again');
  await expect(refused).rejects.toBeInstanceOf(MoveRefused);
  expect(stateOf(tag(3))).toBe('migrating');
  expect(await refund(intact.orderNo, 'R-before', 100n)).toMatchObject({ kind: 'created' });
  expect((await orders.payments.read(broken.orderNo))?.stored.payment.storeId).not.toBe('elsewhere');
});

test('a copy that is gone, and one too many, are found as well', async () => {
  const again = () => administration.move(request(tag(3), tag(1), { again: true, onProgress: dieIn('verify') }));
  await expect(again()).rejects.toThrow('died');
  const [gone] = before.paid;
  await query(tag(1), `DELETE FROM payment WHERE order_no = ${toOrderKey(gone?.orderNo ?? ('' as OrderNo))}`);
  await expect(administration.move(request(tag(3), tag(1)))).rejects.toThrow(
    'differs in payment (1 rows here and 0 there)',
  );

  await expect(again()).rejects.toThrow('died');
  await query(
    tag(1),
    `INSERT INTO trajectory (order_no, happened_at, event, state, version, code, source) VALUES (${toOrderKey(gone?.orderNo ?? ('' as OrderNo))}, 1, 'x', 'paying', 9, '', '')`,
  );
  await expect(administration.move(request(tag(3), tag(1)))).rejects.toThrow('differs in trajectory');
  expect(stateOf(tag(3))).toBe('migrating');
});

test('orders on their way are read as their own group has them, not as their copies', async () => {
  const kept = before.waiting.pop();
  if (kept === undefined) throw new Error('no order is left');
  const { payment, orderNo } = kept;
  await orders.payments.apply(orderNo, attemptNews(paidNow()));
  await expect(
    administration.move(request(tag(3), tag(1), { again: true, onProgress: dieIn('verify') })),
  ).rejects.toThrow('died');
  await refund(orderNo, 'R-on-the-way', 200n);
  for (const instance of [orders, other]) {
    const read = await instance.payments.readOfMerchant(payment.merchantId, payment.merchantOrderNo, false);
    expect(read?.stored.payment).toMatchObject({ orderNo, state: 'succeeded', refundReserved: { minorUnits: 200n } });
  }
});

test('under load, every order is where its number leads: read, repeated, continued, paid and refunded at the successor', async () => {
  const stop = new AbortController();
  const failures: unknown[] = [];
  const [waiting, paid, toContinue] = [[...before.waiting], [...before.paid], [...before.declined]];
  const live = Promise.all([
    (async () => {
      while (!stop.signal.aborted) await create().catch((error: unknown) => failures.push(error));
    })(),
    (async () => {
      for (const { orderNo } of waiting) {
        await orders.payments.apply(orderNo, attemptNews(paidNow())).catch((error: unknown) => failures.push(error));
        await systemClock.sleep(5);
      }
    })(),
    (async () => {
      for (const [place, { orderNo }] of paid.entries()) {
        await refund(orderNo, `R-${place}`, 10n).catch((error: unknown) => failures.push(error));
        await systemClock.sleep(10);
      }
    })(),
  ]);
  const report = await administration
    .move(request(tag(3), tag(1), { again: true }))
    // A load that nobody ends would go on when the test has failed.
    .finally(() => stop.abort());
  await live;
  expect(failures).toEqual([]);
  expect(report.closedMs).toBeLessThan(5_000);
  expect(stateOf(tag(3))).toBe('retired');
  await orders.sweep();

  for (const instance of [orders, other]) {
    for (const { payment, orderNo } of [...waiting, ...paid]) {
      const read = await instance.payments.read(orderNo);
      expect(read).toMatchObject({ fromReplica: false, stored: { payment: { orderNo, state: 'succeeded' } } });
      const again = await instance.create({ ...payment, attempt: plan() });
      expect(again).toMatchObject({ kind: 'existing', stored: { payment: { orderNo } } });
    }
  }
  for (const [place, { orderNo }] of paid.entries()) {
    expect(await orders.refunds.readOfOrder(orderNo, `R-${place}` as MerchantRefundNo)).toBeDefined();
    const refunded = await refund(orderNo, `R-after-${place}`, 20n);
    expect(refunded).toMatchObject({ kind: 'created', of: { payment: { refundReserved: { minorUnits: 30n } } } });
  }
  for (const { orderNo } of toContinue) {
    const { version } = (await other.payments.read(orderNo))?.stored.payment ?? { version: 0 };
    const continued = await other.payments.continueWith(orderNo, version, plan(), {
      nextCheckAfterMs: 1,
      source: 'test',
    });
    expect(continued?.kind).toBe('started');
    const applied = await other.payments.apply(orderNo, attemptNews(succeeded(), { attemptNo: 2 as AttemptNo }));
    expect(applied).toMatchObject({ changed: true, kept: false, stored: { payment: { state: 'succeeded' } } });
  }
});

test('every row of the group is at the successor, and the group that gave them away takes no change', async () => {
  for (const table of ['payment', 'attempt', 'refund', 'trajectory', 'merchant_order']) {
    const count = async (at: GroupTag) => {
      const [row] = await query(at, `SELECT COUNT(*) AS n FROM ${table} WHERE ((order_no >> 15) & 127) = 3`);
      return Number(row?.['n']);
    };
    // What was done since was done at the successor.
    expect(await count(tag(1)), table).toBeGreaterThanOrEqual(await count(tag(3)));
    if (table === 'payment') expect(await count(tag(1))).toBe(await count(tag(3)));
  }
  const [order] = before.paid;
  await expect(
    query(
      tag(3),
      `UPDATE payment SET version = version + 1 WHERE order_no = ${toOrderKey(order?.orderNo ?? ('' as OrderNo))}`,
    ),
  ).rejects.toThrow('the group is read-only');
  const [due] = await query(
    tag(1),
    'SELECT COUNT(*) AS n FROM payment WHERE ((order_no >> 15) & 127) = 3 AND next_check_at IS NOT NULL',
  );
  const [open] = await query(
    tag(1),
    "SELECT COUNT(*) AS n FROM payment WHERE ((order_no >> 15) & 127) = 3 AND state IN ('paying', 'declined')",
  );
  expect(Number(due?.['n'])).toBe(Number(open?.['n']));
});

test('a run that dies in its last step leaves changes refused for a while, loses none, and goes on when it is run again', async () => {
  const { orderNo } = await createAt(tag(2));
  const paid = await paidAt(tag(2));
  const home = systemRandom.hex(4);
  await query(
    tag(2),
    `INSERT INTO jump_claim VALUES ('m-1', '${home}', ${toOrderKey(paid.orderNo)}, 'bound', 1, TRUE, 1, 1)`,
  );
  await change('closed', tag(2));
  const dying = request(tag(2), tag(1), {
    switchMsMax: 300,
    changeMap: async (state) => {
      if (state === 'retired') throw new Error('died');
      await change(state, tag(2), tag(1));
    },
  });
  await expect(administration.move(dying)).rejects.toThrow('nobody knows whether the map that retires group 2');

  await expect(refund(paid.orderNo, 'R-closed', 100n)).rejects.toMatchObject({ code: 'ER_READ_ONLY_MODE' });
  // A channel's answer is not refused: it is kept elsewhere.
  const details = { payerPaid: money('CNY', 1_234n), discounts: [] };
  expect(await orders.payments.apply(orderNo, attemptNews(paidNow(), { details }))).toMatchObject({ kept: true });
  expect((await orders.payments.read(paid.orderNo))?.stored.payment.state).toBe('succeeded');

  const again = await underTest.administer();
  // Somebody changes the map in the last moment, before the switch is asked for.
  let hasChanged = false;
  const changeMap: MoveRequest['changeMap'] = async (state, expectedVersion) => {
    if (state === 'retired' && !hasChanged) {
      hasChanged = true;
      await change('migrating', tag(2), tag(1));
    }
    await change(state, tag(2), tag(1), expectedVersion);
  };
  const report = await again.move(request(tag(2), tag(1), { changeMap }));
  expect(hasChanged).toBe(true);
  expect(report.claims).toBe(1);
  expect(stateOf(tag(2))).toBe('retired');
  await orders.sweep();
  // What was kept brings its details along.
  expect((await orders.payments.read(orderNo))?.stored.payment).toMatchObject({
    state: 'succeeded',
    details: { payerPaid: { value: details.payerPaid, from: 'query' }, discounts: { value: [] } },
  });
  expect(await refund(paid.orderNo, 'R-closed', 100n)).toMatchObject({ kind: 'created' });
  expect(await query(tag(1), `SELECT * FROM jump_claim WHERE merchant_order_no = '${home}'`)).toHaveLength(1);
});

test('what a person said went along with its payment, once and with its line of the trajectory', async () => {
  expect(stateOf(tag(3))).toBe('retired');
  expect(await unpaidSays('Ann')).toMatchObject({ agreement: { kind: 'awaits_second' }, isNew: false });
  expect(await unpaidSays('Bob')).toMatchObject({ agreement: { kind: 'agreed', persons: ['Ann', 'Bob'] } });
  const told = await orders.payments.readTrajectory(before.waiting[0]?.orderNo ?? ('' as OrderNo));
  expect(told?.trajectory.statements.map(({ person }) => person)).toContain('Ann');
  const lines = told?.trajectory.rows.filter(({ event, code }) => event === 'person_said' && code === 'Ann');
  expect(lines).toHaveLength(1);
});
