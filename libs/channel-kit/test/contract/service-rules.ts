import { PaymentKind } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { expect, test } from 'vitest';
import type { AccountSettings, Channel } from '../../src/index.ts';
import { newOrderNo, orderOf, paymentOf, type World } from './attempts.ts';

/** What the channel says of itself, and whom it refuses. */
export const registerServiceRules = <Account extends AccountSettings>(
  channel: Channel<Account>,
  world: World,
): void => {
  test('it describes itself, with one plan for each kind it offers', async () => {
    const described = await world().client.describeChannel({});
    expect(described).toMatchObject({ channelId: channel.id });
    expect(described.accountIds).toContain(world().accountId);
    expect(described.wallets.length).toBeGreaterThan(0);
    expect(new Set(described.pollPlans.map(({ kind }) => kind))).toEqual(new Set(described.kinds));
    for (const plan of described.pollPlans) {
      const seconds = (duration: { seconds: bigint } | undefined) => Number(duration?.seconds ?? 0n);
      expect(seconds(plan.firstAfter)).toBeGreaterThan(0);
      expect(seconds(plan.step)).toBeGreaterThan(0);
      expect(seconds(plan.stepMax)).toBeGreaterThanOrEqual(seconds(plan.step));
      expect(seconds(plan.notFoundFinalAfter)).toBeGreaterThan(seconds(plan.firstAfter));
    }
  });

  test('an account that it does not have is ACCOUNT_UNKNOWN', async () => {
    const order = { ...orderOf(world(), newOrderNo(), PaymentKind.MERCHANT_QR), accountId: 'nobody' };
    for (const call of [
      world().client.queryPayment({ order }),
      world().client.createPayment(paymentOf(world(), order)),
    ]) {
      await expect(call).rejects.toMatchObject({ reason: 'ACCOUNT_UNKNOWN' });
    }
  });

  test('a kind that it does not offer is OPERATION_NOT_SUPPORTED', async () => {
    const { kinds } = await world().client.describeChannel({});
    const kind = [PaymentKind.CARD, PaymentKind.APP].find((one) => !kinds.includes(one)) ?? PaymentKind.UNSPECIFIED;
    const order = orderOf(world(), newOrderNo(), kind);
    await expect(
      world().client.createPayment(paymentOf(world(), order, kind === PaymentKind.CARD ? 'a card' : '')),
    ).rejects.toMatchObject({
      reason: 'OPERATION_NOT_SUPPORTED',
    });
  });

  test('it names exactly the operations that it has', async () => {
    const { operations } = await world().client.describeChannel({});
    const methods = [
      'createPayment',
      'queryPayment',
      'closePayment',
      'reversePayment',
      'createRefund',
      'queryRefund',
      'parseNotification',
      'buildPayerAuth',
      'resolvePayer',
    ] as const;
    const has = methods.filter((method) => channel[method] !== undefined);
    const wanted = has.map((method) => `${method.charAt(0).toUpperCase()}${method.slice(1)}`);
    if (channel.bills !== undefined) wanted.push('FetchBill');
    expect(operations.toSorted()).toEqual(wanted.toSorted());
  });
};
