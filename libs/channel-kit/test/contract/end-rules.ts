import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { systemClock } from '@tillmesh/clock';
import { CloseEnd } from '@tillmesh/proto/tillmesh/channel/v1/channel_service_pb.ts';
import { PaymentKind } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { outcomeFromWire } from '@tillmesh/wire';
import { expect, test } from 'vitest';
import { AMOUNT_FEN, endAttempt, newOrderNo, orderOf, paid, payByCode, placed, typed, type World } from './attempts.ts';

const OVER = [CloseEnd.CLOSED, CloseEnd.REFUNDED] as const;

/** Closing and reversing. @param scan whether the channel has orders to scan. */
export const registerEndRules = (world: World, scan: boolean): void => {
  const paidInEveryWay = async () => {
    if (!scan) return [await paid(world())];
    const scanned = await placed(world());
    expect(await world().scanAndPay(scanned.qrCode)).toBe(true);
    return [await paid(world()), scanned];
  };

  test('a paid attempt is never called closed, and what is told of its money is true', async () => {
    for (const { order, channelOrderNo } of await paidInEveryWay()) {
      const { end } = await endAttempt(world(), order);
      expect([CloseEnd.ALREADY_PAID, CloseEnd.REFUNDED, CloseEnd.UNDECIDED]).toContain(end);
      const { chargedFen, returnedFen } = await world().balanceOf(channelOrderNo);
      if (end === CloseEnd.ALREADY_PAID) expect(chargedFen - returnedFen).toBe(AMOUNT_FEN);
      if (end === CloseEnd.REFUNDED) expect(chargedFen - returnedFen).toBe(0);
    }
  });

  test.runIf(scan)(
    'an order that nobody scanned is closed at the latest when its time is over, and can no longer be paid',
    async ({ skip }) => {
      // Where time alone ends a code, a look at another time would only speak of another order.
      skip(!world().canWithdraw, 'the channel cannot take a code back');
      const { order, channelOrderNo, qrCode } = await placed(world());
      const early = await endAttempt(world(), order);
      expect([CloseEnd.CLOSED, CloseEnd.UNDECIDED]).toContain(early.end);
      const { pollPlans } = await world().client.describeChannel({});
      const final = pollPlans.find(({ kind }) => kind === order.kind)?.notFoundFinalAfter;
      const startedMs = systemClock.nowMs() - Number(final?.seconds ?? 0n) * 1_000;
      const late = await endAttempt(world(), { ...order, createdAt: timestampFromMs(startedMs) });
      expect(late).toMatchObject({ end: CloseEnd.CLOSED, repeat: false });
      expect(outcomeFromWire(late.seen)).toMatchObject({ kind: 'failed_definite', closed: true });
      expect(await world().scanAndPay(qrCode)).toBe(false);
      expect(await world().balanceOf(channelOrderNo)).toMatchObject({ charges: 0 });
    },
  );

  test('an attempt whose payer is typing is closed or not, and what is closed takes no money later', async () => {
    const channelOrderNo = newOrderNo();
    const code = await world().paymentCode({ kind: 'types_password', seconds: 1 });
    const { order } = await payByCode(world(), channelOrderNo, code);
    const { end } = await endAttempt(world(), order);
    expect(end).not.toBe(CloseEnd.UNSPECIFIED);
    await systemClock.sleep(2_000);
    const { chargedFen, returnedFen } = await world().balanceOf(channelOrderNo);
    if (OVER.some((over) => over === end)) expect(chargedFen - returnedFen).toBe(0);
  });

  for (const fault of [
    'lost_after_commit',
    'lost_before_commit',
    'bad_signature',
    'unsigned',
    'web_page',
    'http_500',
  ] as const) {
    test(`an end that is disturbed (${fault}) is undecided and to be repeated; the repeat tells the truth`, async () => {
      const scanned = scan ? await placed(world()) : undefined;
      const { order, channelOrderNo } = scanned ?? (await typed(world()));
      await world().disturb(channelOrderNo, 'end', fault);
      const first = await endAttempt(world(), order);
      expect(first).toMatchObject({ end: CloseEnd.UNDECIDED, repeat: true });
      expect(outcomeFromWire(first.seen).kind).toBe('unknown');
      const second = await endAttempt(world(), order);
      if (scanned !== undefined && second.end === CloseEnd.CLOSED) {
        expect(await world().scanAndPay(scanned.qrCode)).toBe(false);
      }
      expect([CloseEnd.CLOSED, CloseEnd.UNDECIDED, CloseEnd.PAYER_PAYING]).toContain(second.end);
    });
  }

  test('a channel that cannot be reached ends nothing', async () => {
    for (const kind of scan ? [world().instantKind, PaymentKind.MERCHANT_QR] : [world().instantKind]) {
      const order = orderOf(world(), newOrderNo(), kind);
      const result = await endAttempt({ ...world(), client: world().unreachable }, order);
      expect(result).toMatchObject({ end: CloseEnd.UNDECIDED, repeat: true });
      expect(outcomeFromWire(result.seen).kind).toBe('unknown');
    }
  });

  test('an attempt that the channel has never seen is not called closed while its request may be on the way', async () => {
    const order = orderOf(world(), newOrderNo(), world().instantKind);
    expect((await endAttempt(world(), order)).end).toBe(CloseEnd.UNDECIDED);
  });
};
