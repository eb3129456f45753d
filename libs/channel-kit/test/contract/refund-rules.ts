import { Transport } from '@tillmesh/proto/tillmesh/payment/v1/outcome_pb.ts';
import { RefundState } from '@tillmesh/proto/tillmesh/payment/v1/refund_pb.ts';
import { expect, test } from 'vitest';
import { AMOUNT_FEN, cny, eventually, newOrderNo, type Order, paid, present, type World } from './attempts.ts';

const FAULTS = [
  'lost_before_commit',
  'lost_after_commit',
  'novel_state',
  'bad_signature',
  'unsigned',
  'web_page',
  'truncated',
  'http_500',
] as const;
const PART_FEN = 234;

/** Giving money back. */
export const registerRefundRules = (world: World): void => {
  const refundOf = (order: Order, fen = PART_FEN, refundNo = newOrderNo().slice(0, 25)) => ({
    order,
    refundNo,
    amount: cny(fen),
    reason: 'contract',
  });
  type Refund = ReturnType<typeof refundOf>;
  const give = async (refund: Refund) => present((await world().client.createRefund(refund)).result);
  const ask = async (refund: Refund) => present((await world().client.queryRefund(refund)).result);
  const ended = (refund: Refund) =>
    eventually(
      () => ask(refund),
      ({ state }) => state === RefundState.SUCCEEDED,
    );

  test('a part goes back, then the rest, each once however often it is asked for', async () => {
    const { order, channelOrderNo } = await paid(world());
    for (const refund of [refundOf(order), refundOf(order, AMOUNT_FEN - PART_FEN)]) {
      const results = [await give(refund), await give(refund)];
      for (const { state } of results)
        expect([RefundState.SUCCEEDED, RefundState.PROCESSING, RefundState.UNKNOWN]).toContain(state);
      const seen = await ended(refund);
      expect(seen).toMatchObject({ state: RefundState.SUCCEEDED, refunded: refund.amount });
    }
    expect(await world().balanceOf(channelOrderNo)).toEqual({
      charges: 1,
      chargedFen: AMOUNT_FEN,
      returnedFen: AMOUNT_FEN,
    });
  });

  for (const fault of FAULTS) {
    test(`a refund whose answer is disturbed (${fault}) is unknown, and goes back once when it is sent again`, async () => {
      const { order, channelOrderNo } = await paid(world());
      const refund = refundOf(order);
      await world().disturb(channelOrderNo, 'refund', fault);
      expect((await give(refund)).state).toBe(RefundState.UNKNOWN);
      await give(refund);
      expect((await ended(refund)).state).toBe(RefundState.SUCCEEDED);
      expect(await world().balanceOf(channelOrderNo)).toMatchObject({ returnedFen: PART_FEN });
    });

    test(`a question about a refund that is disturbed (${fault}) says nothing`, async () => {
      const { order, channelOrderNo } = await paid(world());
      const refund = refundOf(order);
      await give(refund);
      await ended(refund);
      await world().disturb(channelOrderNo, 'refund_query', fault);
      expect(await ask(refund)).toMatchObject({ state: RefundState.UNKNOWN, refundNotFound: false });
    });
  }

  test('more than was paid does not go back', async () => {
    const { order, channelOrderNo } = await paid(world());
    const result = await give(refundOf(order, AMOUNT_FEN + 1));
    expect([RefundState.UNKNOWN, RefundState.FAILED]).toContain(result.state);
    expect(await world().balanceOf(channelOrderNo)).toMatchObject({ returnedFen: 0 });
  });

  test('a refund that was never asked for is not there; one of another amount is not this one', async () => {
    const { order } = await paid(world());
    expect(await ask(refundOf(order))).toMatchObject({ state: RefundState.UNKNOWN, refundNotFound: true });
    const refund = refundOf(order);
    await give(refund);
    await ended(refund);
    expect((await ask({ ...refund, amount: cny(PART_FEN + 1) })).state).toBe(RefundState.UNKNOWN);
  });

  test('a channel that cannot be reached refuses nothing: the refund is unknown and was not sent', async () => {
    const { order } = await paid(world());
    const { result } = await world().unreachable.createRefund(refundOf(order));
    expect(result).toMatchObject({ state: RefundState.UNKNOWN, transport: Transport.NOT_SENT });
  });
};
