import { DETAIL_FIELDS, type DetailField, detailsFrom, equalDetails, type PaymentDetails } from '@tillmesh/domain';
import type { AttemptResult } from '@tillmesh/proto/tillmesh/channel/v1/channel_service_pb.ts';
import { detailsFromWire, moneyFromWire } from '@tillmesh/wire';
import { expect, test } from 'vitest';
import { AMOUNT_FEN, newOrderNo, payByCode, placed, present, query, type World } from './attempts.ts';

const OFF_FEN = 234;

const detailsOf = (result: AttemptResult | undefined): PaymentDetails => {
  const paid = moneyFromWire(present(result).paid);
  return detailsFromWire(present(result).details, present(paid));
};

const toldIn = (details: PaymentDetails): readonly DetailField[] =>
  DETAIL_FIELDS.filter((field) => details[field] !== undefined);

/** What one source tells another one may leave out, and never contradict. @param other a query's, which tells all that a query tells. */
const expectSame = (told: PaymentDetails, other: PaymentDetails): void => {
  for (const field of toldIn(told)) {
    const only = (of: PaymentDetails) => detailsFrom({ [field]: of[field] }, 'query');
    expect(equalDetails(only(told), only(other)), `${field}: ${text(told[field])} is not ${text(other[field])}`).toBe(
      true,
    );
  }
};

const text = (value: unknown): string =>
  JSON.stringify(value, (_key, each: unknown) => (typeof each === 'bigint' ? String(each) : each)) ?? 'nothing';

/**
 * Who paid, discounts and what is settled.
 *
 * @param queryTells what the channel says that a query tells.
 * @param can whether it has orders to scan, and tells of payments by itself.
 */
export const registerDetailsRules = (
  world: World,
  queryTells: readonly DetailField[],
  can: { readonly scan: boolean; readonly notify: boolean },
): void => {
  /** Whether all that a query tells is in these details. */
  const isAll = (details: PaymentDetails): boolean => queryTells.every((field) => details[field] !== undefined);

  const expectWhole = (asked: AttemptResult): void => {
    expect(toldIn(detailsOf(asked))).toEqual(expect.arrayContaining([...queryTells]));
    expect(asked.queryTellsMore).toBe(false);
    expect(asked.details).toMatchObject({
      channelTransactionId: asked.channelTransactionId,
      paidAt: asked.paidAt,
    });
  };

  const expectDiscount = (details: PaymentDetails): void => {
    if (!world().knowsDiscounts) return;
    expect(details.discounts).toMatchObject([{ kind: 'coupon', amount: { minorUnits: BigInt(OFF_FEN) } }]);
    expect(details.discounts).toMatchObject([{ fundedBy: 'merchant' }]);
    expect(details.payerPaid).toEqual({ currency: 'CNY', minorUnits: BigInt(AMOUNT_FEN - OFF_FEN) });
    expect(details.settled).toEqual({ currency: 'CNY', minorUnits: BigInt(AMOUNT_FEN - OFF_FEN) });
  };

  for (const merchantDiscountFen of [undefined, OFF_FEN]) {
    const which = merchantDiscountFen === undefined ? 'without a discount' : 'with a discount';
    test(`details of a payment ${which} are the same from the answer and from a query`, async () => {
      const code = await world().paymentCode({ kind: 'pays', merchantDiscountFen });
      const { order, result } = await payByCode(world(), newOrderNo(), code);
      const asked = await query(world(), order);
      expectWhole(asked);
      expectSame(detailsOf(result), detailsOf(asked));
      expect(result.queryTellsMore).toBe(!isAll(detailsOf(result)));
      if (merchantDiscountFen !== undefined) expectDiscount(detailsOf(asked));
    });
  }

  if (!can.notify || !can.scan) return;
  test('details of a payment are the same from a notification and from a query', async () => {
    const { order, channelOrderNo, qrCode } = await placed(world());
    expect(await world().scanAndPay(qrCode, OFF_FEN)).toBe(true);
    const { headers, body } = await world().notificationOf(channelOrderNo);
    const parsed = await world().client.parseNotification({
      accountId: world().accountId,
      headers: [...headers],
      body,
    });
    const notified = present(parsed.payments[0]?.result);
    const asked = await query(world(), order);
    expectWhole(asked);
    expectSame(detailsOf(notified), detailsOf(asked));
    expect(notified.queryTellsMore).toBe(!isAll(detailsOf(notified)));
    expectDiscount(detailsOf(asked));
  });
};
