import { systemClock } from '@tillmesh/clock';
import type { AccountId, ChannelId, MerchantId, RoutedAccount, RoutingTable } from '@tillmesh/domain';
import { AttemptState } from '@tillmesh/proto/tillmesh/payment/v1/attempt_pb.ts';
import { DeclineReason, type Payment, PaymentState } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { afterEach, expect, test } from 'vitest';
import { type CashierUnderTest, codePayment, MERCHANT, qrPayment, startCashier, TABLE } from './cashier-under-test.ts';
import { notSent, payerTypes, refused, showsCode, succeeded } from './scripted-channel.ts';

let underTest: CashierUnderTest | undefined;
afterEach(async () => {
  await underTest?.close();
  underTest = undefined;
});

const OTHER = 'wechat-2' as ChannelId;

/** As many WeChat accounts, tried in this order; changes by their place. */
const tableOf = (count: number, changes: (place: number) => Partial<RoutedAccount> = () => ({})): RoutingTable => {
  const [pattern] = TABLE.accounts.values();
  if (pattern === undefined) throw new Error('the table has no account');
  const accounts = Array.from({ length: count }, (_, rank): [AccountId, RoutedAccount] => {
    const accountId = `account-${rank}` as AccountId;
    return [accountId, { ...pattern, accountId, rank, ...changes(rank) }];
  });
  const merchant = { displayName: '', accountIds: accounts.map(([accountId]) => accountId), rules: [], webhooks: [] };
  return { ...TABLE, merchants: new Map([[MERCHANT as MerchantId, merchant]]), accounts: new Map(accounts) };
};

const attemptsOf = (payment: Payment | undefined) =>
  payment?.attempts.map(({ accountId, state }) => [accountId, state] as const);

test('a payment that a full lane refuses goes through another channel of the wallet, in the same call', async () => {
  underTest = await startCashier({ table: tableOf(2, (place) => (place === 1 ? { channelId: OTHER } : {})) });
  const { cashier, channel } = underTest;
  const held = Promise.withResolvers<void>();
  const hold = async () => {
    await held.promise;
    return payerTypes;
  };
  // 64 under way are the limit in lanes.ts; what waits, waits 100 ms.
  channel.script.pay.push(...Array.from({ length: 64 }, () => hold), succeeded());
  const underWay = Array.from({ length: 64 }, () => cashier.createPayment(codePayment()));
  await expect.poll(() => channel.paid.length, { timeout: 10_000 }).toBe(64);
  const { payment } = await cashier.createPayment(codePayment());
  expect(payment?.state).toBe(PaymentState.SUCCEEDED);
  expect(attemptsOf(payment)).toEqual([
    ['account-0', AttemptState.FAILED],
    ['account-1', AttemptState.SUCCEEDED],
  ]);
  expect(payment?.attempts[0]?.channelCode).toMatch(/^lane_/);
  held.resolve();
  await Promise.all(underWay);
});

test('one call tries three further accounts and no more', async () => {
  underTest = await startCashier({ table: tableOf(6) });
  const { cashier, channel } = underTest;
  channel.script.pay.push(notSent, refused(), notSent, refused(), showsCode());
  const { payment } = await cashier.createPayment(qrPayment());
  expect(attemptsOf(payment)).toEqual([0, 1, 2, 3].map((place) => [`account-${place}`, AttemptState.FAILED]));
  expect(channel.paid).toHaveLength(4);
});

test('no further account is tried where no time is left to ask it', async () => {
  underTest = await startCashier({ table: tableOf(3) });
  const { cashier, channel } = underTest;
  channel.script.pay.push(async () => {
    await systemClock.sleep(3_000);
    return notSent;
  }, showsCode());
  const { payment } = await cashier.createPayment(qrPayment(), { capMs: 6_000 });
  expect(attemptsOf(payment)).toEqual([['account-0', AttemptState.FAILED]]);
  expect(channel.paid).toHaveLength(1);
});

test('an account that its channel refuses again and again loses new payments to the next', async () => {
  underTest = await startCashier({ table: tableOf(2) });
  const { cashier, channel } = underTest;
  // As many outcomes as it takes for an opinion.
  for (let time = 0; time < 20; time += 1) {
    channel.script.pay.push(refused(DeclineReason.ACCOUNT_REFUSED, 'NOAUTH'), showsCode());
    const { payment } = await cashier.createPayment(qrPayment());
    expect(payment?.attempts[0]?.accountId).toBe('account-0');
  }
  channel.script.pay.push(...Array.from({ length: 10 }, () => showsCode()));
  const answers = await Promise.all(Array.from({ length: 10 }, () => cashier.createPayment(qrPayment())));
  const elsewhere = answers.filter(({ payment }) => payment?.attempts[0]?.accountId === 'account-1');
  // Of so many it keeps one now and then, so that it is seen when it is well again.
  expect(elsewhere.length).toBeGreaterThanOrEqual(7);
  expect(elsewhere[0]?.payment?.attempts[0]?.routeReason).toMatch(/rank 1, weight 100, gets 95 %/);
});
