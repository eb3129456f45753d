import { PaymentKind } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { outcomeFromWire } from '@tillmesh/wire';
import { expect, test } from 'vitest';
import { AMOUNT_FEN, newOrderNo, orderOf, paymentOf, placed, present, query, type World } from './attempts.ts';

const FAULTS = [
  'lost_before_commit',
  'lost_after_commit',
  'bad_signature',
  'unsigned',
  'web_page',
  'truncated',
  'http_500',
] as const;

/** Orders that the payer scans. */
export const registerScanRules = (world: World): void => {
  test('an order to scan gives a code; unpaid it is no success and no failure; scanned it is found as paid', async () => {
    const { order, channelOrderNo, qrCode } = await placed(world());
    expect(['pending_payer', 'unknown']).toContain(outcomeFromWire(await query(world(), order)).kind);
    expect(await world().scanAndPay(qrCode)).toBe(true);
    expect(outcomeFromWire(await query(world(), order))).toMatchObject({
      kind: 'succeeded',
      paid: { minorUnits: BigInt(AMOUNT_FEN) },
    });
    expect(await world().balanceOf(channelOrderNo)).toEqual({ charges: 1, chargedFen: AMOUNT_FEN, returnedFen: 0 });
  });

  for (const fault of FAULTS) {
    test(`an answer that is disturbed (${fault}) shows no code`, async () => {
      const channelOrderNo = newOrderNo();
      await world().disturb(channelOrderNo, 'pay', fault);
      const order = orderOf(world(), channelOrderNo, PaymentKind.MERCHANT_QR);
      const { result } = await world().client.createPayment(paymentOf(world(), order));
      expect(outcomeFromWire(result).kind).toBe('unknown');
      expect(present(result).action).toBeUndefined();
    });
  }

  test('a channel that cannot be reached: a definite failure of placing', async () => {
    const order = orderOf(world(), newOrderNo(), PaymentKind.MERCHANT_QR);
    const { result } = await world().unreachable.createPayment(paymentOf(world(), order));
    expect(outcomeFromWire(result)).toMatchObject({ kind: 'failed_definite', evidence: { transport: 'not_sent' } });
  });

  test('the same order again gives a code that pays for the same order', async () => {
    const { order, channelOrderNo, qrCode } = await placed(world());
    const { result } = await world().client.createPayment(paymentOf(world(), order));
    const again = present(result).action?.action;
    expect(outcomeFromWire(result).kind).not.toBe('failed_definite');
    expect(await world().scanAndPay(qrCode)).toBe(true);
    if (again?.case === 'qrCode' && again.value !== qrCode) expect(await world().scanAndPay(again.value)).toBe(false);
    expect(await world().balanceOf(channelOrderNo)).toMatchObject({ charges: 1 });
  });
};
