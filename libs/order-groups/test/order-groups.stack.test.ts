import { systemClock, systemRandom } from '@tillmesh/clock';
import {
  type AttemptNo,
  definiteFailure,
  formatOrderNo,
  groupTag,
  groupTagOf,
  type MerchantRefundNo,
  money,
  type OrderNo,
  parseOrderNo,
} from '@tillmesh/domain';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Created, type NewPayment, type OrderGroups, placementOf } from '../src/index.ts';
import { attemptNews, succeeded } from './attempt-news.ts';
import { type GroupsUnderTest, startGroups } from './groups-under-test.ts';
import { newPayment } from './new-payment.ts';

let underTest: GroupsUnderTest;
let groups: OrderGroups;

beforeAll(async () => {
  underTest = await startGroups([1, 2, 3]);
  groups = await underTest.open();
  expect(groups.status().map(({ circuit, note }) => ({ circuit, note }))).toEqual([
    { circuit: 'closed', note: '' },
    { circuit: 'closed', note: '' },
    { circuit: 'closed', note: '' },
  ]);
});

afterAll(async () => {
  await underTest.close();
});

const payableNo = (created: Created): OrderNo => {
  expect(created.kind).toBe('payable');
  return (created as Extract<Created, { kind: 'payable' }>).orderNo;
};

const homeOf = (payment: NewPayment) => placementOf(underTest.map, payment.merchantId, payment.merchantOrderNo);

const localGroup = (tag: number) => {
  const group = underTest.stack.groups.find((candidate) => candidate.tag === tag);
  if (group === undefined) throw new Error(`no group ${tag}`);
  return group;
};

/** A payment whose home is this group. */
const paymentWithHome = (tag: number, changes: Partial<NewPayment> = {}): NewPayment => {
  for (;;) {
    const payment = newPayment(changes);
    if (homeOf(payment).home === tag) return payment;
  }
};

test('a payment’s trajectory has a line for each change of it and of its refunds, in their order', async () => {
  const orderNo = payableNo(await groups.create(newPayment()));
  // It is read where a replica is at hand, which is told of a change a moment later.
  const trajectoryOf = async () => (await groups.payments.readTrajectory(orderNo))?.trajectory;
  await expect.poll(trajectoryOf).toMatchObject({ createdBy: 'test', rows: [] });
  await groups.payments.apply(orderNo, attemptNews({ kind: 'unknown', cause: 'reset' }, { source: 'cashier' }));
  await groups.payments.apply(orderNo, attemptNews(succeeded(), { source: 'syncer' }));
  const refund = await groups.refunds.create({
    orderNo,
    merchantRefundNo: 'told-refund' as MerchantRefundNo,
    amount: money('CNY', 34n),
    cause: 'merchant',
    reason: 'too cold',
    allowedBy: 'terminal till-1',
    firstCheckAfterMs: 5_000,
    source: 'cashier',
  });
  expect(refund.kind).toBe('created');
  await expect.poll(async () => (await trajectoryOf())?.rows.length).toBe(4);
  const told = await trajectoryOf();
  expect(told?.rows.map(({ event, state, version, source }) => ({ event, state, version, source }))).toEqual([
    { event: 'payment_noted', state: 'paying', version: 2, source: 'cashier' },
    { event: 'payment_moved', state: 'succeeded', version: 3, source: 'syncer' },
    { event: 'payment_noted', state: 'succeeded', version: 4, source: 'cashier' },
    { event: 'refund_created', state: 'requested', version: 1, source: 'cashier' },
  ]);
  expect(told?.rows[1]).toMatchObject({ attemptNo: 1, attemptState: 'succeeded', learnedBy: 'query', code: 'CODE' });
  expect(told?.rows[2]?.code).toBe('refund_reserved terminal till-1');
  expect(told?.refunds).toMatchObject([{ refund: { amount: money('CNY', 34n), merchantRefundNo: 'told-refund' } }]);
  expect(told?.rows[3]?.refundNo).toBe(told?.refunds[0]?.refund.refundNo);
  const unused = formatOrderNo({ day: 1, msOfDay: 1, groupTag: groupTag(1), workerId: 1, sequence: 2 });
  expect(await groups.payments.readTrajectory(unused)).toBeUndefined();
});

describe('a new payment', () => {
  test('is written to its home group with its first attempt, and reads back as it was written', async () => {
    const payment = newPayment();
    const created = await groups.create(payment);
    const orderNo = payableNo(created);
    expect(created).toMatchObject({ way: 'home' });
    expect(groupTagOf(orderNo)).toBe(homeOf(payment).home);
    expect(parseOrderNo(orderNo)?.parts.workerId).toBeLessThan(256);
    const read = await groups.payments.read(orderNo);
    expect(read).toMatchObject({
      fromReplica: false,
      stored: {
        payment: {
          orderNo,
          merchantId: payment.merchantId,
          merchantOrderNo: payment.merchantOrderNo,
          amount: payment.amount,
          kind: 'merchant_qr',
          wallet: 'wechat',
          subject: 'Kaffee & 茶',
          state: 'paying',
          version: 1,
          attempts: [
            { attemptNo: 1, accountId: 'wechat-a', channelId: 'wechat', state: 'started', routeReason: 'rank 0' },
          ],
        },
      },
    });
  });

  test('of a merchant number that was used before is the same payment, whoever asks', async () => {
    const payment = newPayment();
    const orderNo = payableNo(await groups.create(payment));
    const other = await underTest.open();
    const again = await other.create({ ...payment, attempt: { ...payment.attempt, token: systemRandom.hex(8) } });
    expect(again).toMatchObject({ kind: 'existing', stored: { payment: { orderNo } } });
  });

  test('asked again by the same caller after a lost answer is still the caller’s to pay, once its channel was called no more', async () => {
    const payment = newPayment();
    const orderNo = payableNo(await groups.create(payment));
    expect(await groups.create(payment)).toMatchObject({ kind: 'payable', orderNo, way: 'repeat' });
    await groups.payments.apply(orderNo, attemptNews({ kind: 'pending_payer' }));
    expect(await groups.create(payment)).toMatchObject({ kind: 'existing', stored: { payment: { orderNo } } });
  });

  test('asked for twenty times at once becomes payable exactly once', async () => {
    const payment = newPayment();
    const answers = await Promise.all(
      Array.from({ length: 20 }, () =>
        groups.create({ ...payment, attempt: { ...payment.attempt, token: systemRandom.hex(8) } }),
      ),
    );
    expect(answers.filter(({ kind }) => kind === 'payable')).toHaveLength(1);
    expect(answers.filter(({ kind }) => kind === 'existing')).toHaveLength(19);
  });
});

describe('news about an attempt', () => {
  test('moves payment and attempt in one commit, with a row of the trajectory, and a duplicate changes nothing', async () => {
    const orderNo = payableNo(await groups.create(newPayment()));
    const applied = await groups.payments.apply(orderNo, attemptNews(succeeded()));
    expect(applied).toMatchObject({
      changed: true,
      stored: {
        nextCheckAtMs: undefined,
        payment: {
          state: 'succeeded',
          version: 2,
          learnedBy: 'query',
          paidAtMs: 1_700_000_000_000,
          attempts: [{ state: 'succeeded', channelTransactionId: 'tx-1', channelCode: 'CODE' }],
        },
      },
    });
    expect(await groups.payments.apply(orderNo, attemptNews(succeeded()))).toMatchObject({
      changed: false,
      stored: { payment: { version: 2 } },
    });
  });

  test('keeps what a success tells in the same commit, adds what is told later, and never takes a known field back', async () => {
    const orderNo = payableNo(await groups.create(newPayment()));
    const answer = { learnedBy: 'answer', details: { payerId: 'openid-1' }, queryTellsMore: true } as const;
    const first = await groups.payments.apply(orderNo, attemptNews(succeeded(), answer));
    expect(first?.stored).toMatchObject({
      nextCheckAtMs: expect.any(Number),
      payment: { version: 2, details: { payerId: { value: 'openid-1', from: 'answer' } } },
    });
    // Nothing new, whoever says it: nothing is written, and the later look stays.
    await groups.payments.apply(orderNo, attemptNews(succeeded(), answer));
    const again = await groups.payments.apply(
      orderNo,
      attemptNews(succeeded(), { ...answer, learnedBy: 'notification' }),
    );
    expect(again).toMatchObject({ changed: false, stored: { payment: { version: 2 } } });
    const settled = money('CNY', 1_000n);
    const added = await groups.payments.apply(orderNo, attemptNews(succeeded(), { details: { settled } }));
    expect(added).toMatchObject({ changed: true, stored: { payment: { details: { settled: { value: settled } } } } });
    const read = await groups.payments.read(orderNo);
    expect(read?.stored).toMatchObject({
      nextCheckAtMs: undefined,
      payment: {
        state: 'succeeded',
        version: 3,
        details: { payerId: { value: 'openid-1', from: 'answer' }, settled: { value: settled, from: 'query' } },
      },
    });
  });

  test('that a query told leaves nothing to look for, whatever it lacks, and a look that is no use can be given up', async () => {
    const asked = payableNo(await groups.create(newPayment()));
    await groups.payments.apply(asked, attemptNews(succeeded(), { queryTellsMore: true }));
    expect((await groups.payments.read(asked))?.stored.nextCheckAtMs).toBeUndefined();
    const told = payableNo(await groups.create(newPayment()));
    await groups.payments.stopChecks(told);
    expect((await groups.payments.read(told))?.stored.nextCheckAtMs).toEqual(expect.any(Number));
    await groups.payments.apply(told, attemptNews(succeeded(), { learnedBy: 'answer', queryTellsMore: true }));
    await groups.payments.stopChecks(told);
    expect((await groups.payments.read(told))?.stored.nextCheckAtMs).toBeUndefined();
  });

  test('from ten at once is applied once', async () => {
    const orderNo = payableNo(await groups.create(newPayment()));
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => groups.payments.apply(orderNo, attemptNews(succeeded()))),
    );
    expect(answers.filter((answer) => answer?.changed)).toHaveLength(1);
  });

  test('of a definite failure starts the next attempt in the same commit', async () => {
    const orderNo = payableNo(await groups.create(newPayment()));
    const failure = definiteFailure({ transport: 'answered', signature: 'verified', ruleId: 'r-1' }, 'account_refused');
    const nextAttempt = { ...newPayment().attempt, accountId: 'wechat-b' as never };
    const applied = await groups.payments.apply(orderNo, attemptNews(failure, { nextAttempt }));
    expect(applied).toMatchObject({
      nextAttemptStarted: true,
      stored: {
        payment: {
          state: 'paying',
          attempts: [
            { attemptNo: 1, state: 'failed', ruleId: 'r-1' },
            { attemptNo: 2, state: 'started', accountId: 'wechat-b' },
          ],
        },
      },
    });
    // The answer was lost and the caller asks again: the second attempt is still its own.
    expect(await groups.payments.apply(orderNo, attemptNews(failure, { nextAttempt }))).toMatchObject({
      changed: false,
      nextAttemptStarted: true,
    });
  });

  test('of money that came after the close makes a refund that gives it back', async () => {
    const orderNo = payableNo(await groups.create(newPayment()));
    const closed = definiteFailure({ transport: 'answered', signature: 'verified', ruleId: 'r-1' }, 'payer_cancelled', {
      closed: true,
    });
    await groups.payments.apply(orderNo, attemptNews(closed));
    const late = await groups.payments.apply(orderNo, attemptNews(succeeded('tx-late')));
    expect(late).toMatchObject({
      changed: true,
      stored: { payment: { state: 'closed', attempts: [{ state: 'surplus', channelTransactionId: 'tx-late' }] } },
    });
    const refund = await groups.refunds.read(late?.surplusRefundNo as OrderNo);
    expect(refund).toMatchObject({
      refund: { orderNo, state: 'requested', cause: 'surplus', amount: money('CNY', 1_234n) },
    });
  });

  test('of another amount holds the payment for a person and moves nothing', async () => {
    const orderNo = payableNo(await groups.create(newPayment()));
    const applied = await groups.payments.apply(orderNo, attemptNews(succeeded('tx-1', 1_233n)));
    expect(applied?.changed).toBe(false);
    const read = await groups.payments.read(orderNo);
    expect(read?.stored.payment).toMatchObject({ state: 'paying' });
    expect(read?.stored.payment.needsPerson).toContain('another amount');
  });
});

describe('a declined payment', () => {
  const refusedCode = () =>
    attemptNews(
      definiteFailure({ transport: 'answered', signature: 'verified', ruleId: 'r-1' }, 'payment_code_invalid'),
    );
  const options = { nextCheckAfterMs: 5_000, source: 'test' };

  test('is continued once for each token, whatever became of that attempt', async () => {
    const orderNo = payableNo(await groups.create(newPayment({ kind: 'payment_code' })));
    const declined = await groups.payments.apply(orderNo, refusedCode());
    const version = declined?.stored.payment.version ?? 0;
    expect(declined?.stored.payment.state).toBe('declined');
    const attempt = { ...newPayment().attempt, token: 'secondcode' };
    const started = await groups.payments.continueWith(orderNo, version, attempt, options);
    expect(started).toMatchObject({
      kind: 'started',
      stored: { payment: { state: 'paying', attempts: { length: 2 } } },
    });
    // The answer was lost: it is still this caller's to call the channel for.
    expect(await groups.payments.continueWith(orderNo, version, attempt, options)).toEqual(started);
    const again = await groups.payments.apply(orderNo, { ...refusedCode(), attemptNo: 2 as AttemptNo });
    expect(again?.stored.payment.state).toBe('declined');
    expect(
      await groups.payments.continueWith(orderNo, again?.stored.payment.version ?? 0, attempt, options),
    ).toMatchObject({ kind: 'repeated', stored: { payment: { state: 'declined', attempts: { length: 2 } } } });
  });

  test('is continued by one of two who ask at once', async () => {
    const orderNo = payableNo(await groups.create(newPayment({ kind: 'payment_code' })));
    const version = (await groups.payments.apply(orderNo, refusedCode()))?.stored.payment.version ?? 0;
    const answers = await Promise.all(
      ['onetokenx', 'twotokenx'].map((token) =>
        groups.payments.continueWith(orderNo, version, { ...newPayment().attempt, token }, options),
      ),
    );
    expect(new Set(answers.map((answer) => answer?.kind))).toEqual(new Set(['conflict', 'started']));
  });
});

describe('the database itself', () => {
  test('refuses an illegal move, whatever a program sends', async () => {
    const orderNo = payableNo(await groups.create(newPayment()));
    await groups.payments.apply(orderNo, attemptNews(succeeded()));
    const { openConnection } = await import('../src/connection.ts');
    const { app } = underTest.stack.accounts;
    const primary = localGroup(groupTagOf(orderNo)).primary();
    const deadline = { atMs: systemClock.monotonicMs() + 2_000 };
    const connection = await openConnection(
      primary,
      { user: app.user, password: app.password.reveal(), database: 'tillmesh' },
      deadline,
      systemClock,
    );
    const sql = "UPDATE payment SET state = 'paying' WHERE state = 'succeeded' LIMIT 1";
    await expect(connection.run({ summary: 'test', sql, text: true }, [], deadline)).rejects.toMatchObject({
      code: 'ER_SIGNAL_EXCEPTION',
    });
    connection.cut();
  });
});

describe('refunds', () => {
  const refundOf = (orderNo: OrderNo, merchantRefundNo: string, amount?: bigint) =>
    groups.refunds.create({
      orderNo,
      merchantRefundNo: merchantRefundNo as MerchantRefundNo,
      amount: amount === undefined ? undefined : money('CNY', amount),
      cause: 'merchant',
      reason: 'too cold',
      firstCheckAfterMs: 5_000,
      source: 'test',
    });

  test('reserve what they take, never more than was paid, also when asked for at once', async () => {
    const orderNo = payableNo(await groups.create(newPayment()));
    await groups.payments.apply(orderNo, attemptNews(succeeded()));
    const answers = await Promise.all(Array.from({ length: 8 }, (_, n) => refundOf(orderNo, `R${n}`, 400n)));
    expect(answers.filter(({ kind }) => kind === 'created')).toHaveLength(3);
    expect(answers.filter(({ kind }) => kind === 'exceeds')).toHaveLength(5);
    expect(await refundOf(orderNo, 'R-rest')).toMatchObject({
      kind: 'created',
      stored: { refund: { amount: money('CNY', 34n) } },
    });
  });

  test('of the same merchant refund number are one refund', async () => {
    const orderNo = payableNo(await groups.create(newPayment()));
    await groups.payments.apply(orderNo, attemptNews(succeeded()));
    const answers = await Promise.all(Array.from({ length: 5 }, () => refundOf(orderNo, 'R1', 400n)));
    expect(answers.filter(({ kind }) => kind === 'created')).toHaveLength(1);
    expect(answers.filter(({ kind }) => kind === 'existing')).toHaveLength(4);
  });

  test('free their amount when the channel refuses them and count as given back when it does not', async () => {
    const orderNo = payableNo(await groups.create(newPayment()));
    await groups.payments.apply(orderNo, attemptNews(succeeded()));
    const first = await refundOf(orderNo, 'R1', 1_000n);
    const second = await refundOf(orderNo, 'R2', 234n);
    if (first.kind !== 'created' || second.kind !== 'created') throw new Error('not created');
    const channelNews = (state: 'failed' | 'succeeded') => ({
      news: { state, refunded: undefined },
      learnedBy: 'query' as const,
      channelRefundId: 'cr-1',
      channelCode: '',
      nextCheckAfterMs: 5_000,
      source: 'test',
    });
    await groups.refunds.apply(first.stored.refund.refundNo, channelNews('failed'));
    await groups.refunds.apply(second.stored.refund.refundNo, channelNews('succeeded'));
    const read = await groups.payments.read(orderNo);
    expect(read?.stored.payment).toMatchObject({ refundReserved: money('CNY', 234n), refunded: money('CNY', 234n) });
  });

  test('of a payment that is not paid are refused', async () => {
    const orderNo = payableNo(await groups.create(newPayment()));
    expect(await refundOf(orderNo, 'R1')).toMatchObject({ kind: 'not_paid' });
  });
});

describe('due work', () => {
  test('is handed out once, again after its visibility, and never when it is final', async () => {
    const open = payableNo(await groups.create(newPayment({ firstCheckAfterMs: -1_000 })));
    const paid = payableNo(await groups.create(newPayment({ firstCheckAfterMs: -1_000 })));
    await groups.payments.apply(paid, attemptNews(succeeded()));
    const claims = await Promise.all(
      Array.from({ length: 3 }, () => groups.claimDue({ limit: 100, visibilityMs: 1_000, overdueByMs: 0 })),
    );
    const numbers = claims.flatMap(({ items }) => items.map((item) => item.number));
    expect(numbers.filter((number) => number === open)).toHaveLength(1);
    expect(numbers).not.toContain(paid);
    await systemClock.sleep(1_100);
    const later = await groups.claimDue({ limit: 100, visibilityMs: 60_000, overdueByMs: 0 });
    expect(later.items.map((item) => item.number)).toContain(open);
  });
});

const inTimeOf = async <T>(ms: number, work: Promise<T>): Promise<T> => {
  const beganMs = performance.now();
  const value = await work;
  expect(performance.now() - beganMs).toBeLessThan(ms);
  return value;
};

describe('while the primary of a group is dead', () => {
  test('new orders avoid the group within the second, repeats find their order, reads go on from replicas; then all heals', async () => {
    const tag = 2;
    const before = paymentWithHome(tag);
    const orderNo = payableNo(await groups.create(before));
    await localGroup(tag).primary().kill('SIGKILL');
    try {
      const jumped: NewPayment[] = [];
      for (let count = 0; count < 10; count += 1) {
        const payment = paymentWithHome(tag);
        const beganMs = performance.now();
        const created = await groups.create(payment);
        expect(performance.now() - beganMs).toBeLessThan(1_000);
        expect(created).toMatchObject({ kind: 'payable', way: 'jump' });
        expect(groupTagOf(payableNo(created))).toBe(homeOf(payment).buddy);
        jumped.push(payment);
      }
      // The number of before the crash is not taken a second time: two drained replicas show it.
      const repeated = await groups.create({ ...before, attempt: { ...before.attempt, token: 'somebodyelse' } });
      expect(repeated).toMatchObject({ kind: 'existing', stored: { payment: { orderNo } } });
      expect(await groups.payments.read(orderNo)).toMatchObject({
        fromReplica: true,
        stored: { payment: { orderNo } },
      });
      // A jumped number that is sent again while the group is down is the same order.
      const again = await groups.create({
        ...(jumped[0] as NewPayment),
        attempt: { ...before.attempt, token: 'yetanother' },
      });
      expect(again.kind).toBe('existing');

      await localGroup(tag).primary().start();
      await expect
        .poll(() => groups.status().find((group) => group.tag === tag)?.circuit, { timeout: 10_000 })
        .toBe('closed');
      // And after the group is back: home writes a row, sees the bound claim, and gives way to the jumped order.
      for (const payment of jumped) {
        const found = await groups.create({ ...payment, attempt: { ...payment.attempt, token: systemRandom.hex(8) } });
        expect(found).toMatchObject({ kind: 'existing' });
        const shown = await groups.payments.readOfMerchant(payment.merchantId, payment.merchantOrderNo, false);
        expect(groupTagOf(shown?.stored.payment.orderNo as OrderNo)).toBe(homeOf(payment).buddy);
      }
      expect(await groups.create(paymentWithHome(tag))).toMatchObject({ kind: 'payable', way: 'home' });
    } finally {
      if (!localGroup(tag).primary().isRunning()) await localGroup(tag).primary().start();
    }
  });

  test('frozen instead of dead, orders avoid it and its orders are read within the second as well', async () => {
    const tag = 3;
    const before = payableNo(await groups.create(paymentWithHome(tag)));
    const unused = formatOrderNo({ day: 1, msOfDay: 1, groupTag: groupTag(tag), workerId: 1, sequence: 1 });
    await localGroup(tag).primary().kill('SIGSTOP');
    try {
      // Its connections are open and nobody knows yet: the first read has to find that out and still be answered.
      const [found, absent] = await Promise.all([
        inTimeOf(1_050, groups.payments.read(before)),
        inTimeOf(1_050, groups.payments.read(unused)),
      ]);
      expect(found).toMatchObject({ fromReplica: true, stored: { payment: { orderNo: before } } });
      expect(absent).toBeUndefined();
      for (let count = 0; count < 6; count += 1) {
        const beganMs = performance.now();
        const created = await groups.create(paymentWithHome(tag));
        expect(performance.now() - beganMs).toBeLessThan(1_050);
        expect(created).toMatchObject({ kind: 'payable', way: 'jump' });
      }
    } finally {
      await localGroup(tag).primary().kill('SIGCONT');
    }
    await expect
      .poll(() => groups.status().find((group) => group.tag === tag)?.circuit, { timeout: 10_000 })
      .toBe('closed');
  });
});
