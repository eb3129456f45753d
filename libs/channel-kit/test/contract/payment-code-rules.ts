import type { AttemptResult } from '@tillmesh/proto/tillmesh/channel/v1/channel_service_pb.ts';
import { SignatureState, Transport } from '@tillmesh/proto/tillmesh/payment/v1/outcome_pb.ts';
import { outcomeFromWire } from '@tillmesh/wire';
import { expect, test } from 'vitest';
import type { Fault } from '../channel-world.ts';
import {
  AMOUNT_FEN,
  eventually,
  newOrderNo,
  orderOf,
  paid,
  payByCode,
  paymentOf,
  present,
  query,
  textOf,
  type World,
} from './attempts.ts';

/** Faults after which the channel may hold the money, and what must be known of the request's way. */
const FAULTS: readonly (readonly [Fault, Transport])[] = [
  ['lost_before_commit', Transport.MAYBE_SENT],
  ['lost_after_commit', Transport.MAYBE_SENT],
  ['silent_after_commit', Transport.MAYBE_SENT],
  ['error_after_commit', Transport.ANSWERED],
  ['novel_state', Transport.ANSWERED],
  ['bad_signature', Transport.ANSWERED],
  ['unsigned', Transport.ANSWERED],
  ['web_page', Transport.ANSWERED],
  ['truncated', Transport.ANSWERED],
  ['http_500', Transport.ANSWERED],
];

/** Payments of a payer who shows a code, or a card. */
export const registerPaymentCodeRules = (world: World): void => {
  test('a payer who pays at once: succeeded, authentic, with the amount that was asked, and one charge', async () => {
    const channelOrderNo = newOrderNo();
    const { order, result } = await payByCode(world(), channelOrderNo, await world().paymentCode({ kind: 'pays' }));
    for (const seen of [result, await query(world(), order)]) {
      const proof = world().signsAnswers
        ? { signature: SignatureState.VERIFIED, vouchedByConnection: false }
        : { signature: SignatureState.ABSENT, vouchedByConnection: true };
      expect(seen).toMatchObject({ transport: Transport.ANSWERED, sends: 1, ...proof });
      expect(outcomeFromWire(seen)).toMatchObject({ kind: 'succeeded', paid: { minorUnits: BigInt(AMOUNT_FEN) } });
    }
    expect(await world().balanceOf(channelOrderNo)).toEqual({ charges: 1, chargedFen: AMOUNT_FEN, returnedFen: 0 });
  });

  test('a payer without money: a definite failure with its rule and its reason, and no charge', async () => {
    const channelOrderNo = newOrderNo();
    const code = await world().paymentCode({ kind: 'declined', code: world().declineCode });
    const { result } = await payByCode(world(), channelOrderNo, code);
    expect(result.ruleId).not.toBe('');
    expect(outcomeFromWire(result)).toMatchObject({
      kind: 'failed_definite',
      evidence: { transport: 'answered', signature: world().signsAnswers ? 'verified' : 'absent' },
      reason: 'insufficient_funds',
    });
    expect(await world().balanceOf(channelOrderNo)).toMatchObject({ charges: 0 });
  });

  test('a code that nobody listed is unknown', async () => {
    const code = await world().paymentCode({ kind: 'declined', code: 'NOVEL_CODE_OF_TOMORROW' });
    const { result } = await payByCode(world(), newOrderNo(), code);
    expect(outcomeFromWire(result).kind).toBe('unknown');
  });

  test('a payer who types a password: not over, and later found as paid by asking', async () => {
    const channelOrderNo = newOrderNo();
    const code = await world().paymentCode({ kind: 'types_password', seconds: 1 });
    const { order, result } = await payByCode(world(), channelOrderNo, code);
    const waits = (answer: AttemptResult) => ['pending_payer', 'processing'].includes(outcomeFromWire(answer).kind);
    expect(waits(result)).toBe(true);
    const seen = await eventually(
      () => query(world(), order),
      (answer) => !waits(answer),
    );
    expect(outcomeFromWire(seen).kind).toBe('succeeded');
    expect(await world().balanceOf(channelOrderNo)).toMatchObject({ charges: 1 });
  });

  for (const [fault, transport] of FAULTS) {
    test(`an answer that is disturbed (${fault}) is unknown, and asking tells what the channel did`, async () => {
      const channelOrderNo = newOrderNo();
      const code = await world().paymentCode({ kind: 'pays' });
      await world().disturb(channelOrderNo, 'pay', fault);
      const { order, result } = await payByCode(world(), channelOrderNo, code);
      expect(result.transport).toBe(transport);
      expect(outcomeFromWire(result).kind).toBe('unknown');
      const { charges } = await world().balanceOf(channelOrderNo);
      const seen = await query(world(), order);
      if (charges > 0) expect(outcomeFromWire(seen).kind).toBe('succeeded');
      else expect(seen).toMatchObject({ orderNotFound: true });
    });

    test(`a query that is disturbed (${fault}) says nothing of a paid order`, async () => {
      const { order, channelOrderNo } = await paid(world());
      await world().disturb(channelOrderNo, 'query', fault);
      const seen = await query(world(), order);
      expect(outcomeFromWire(seen).kind).toBe('unknown');
      expect(seen).toMatchObject({ orderNotFound: false, closed: false });
      expect(outcomeFromWire(await query(world(), order)).kind).toBe('succeeded');
    });
  }

  test('fields that nobody has listed change nothing, in an answer and in that to a query', async () => {
    const channelOrderNo = newOrderNo();
    await world().disturb(channelOrderNo, 'pay', 'extra_fields');
    const code = await world().paymentCode({ kind: 'pays' });
    const { order, result } = await payByCode(world(), channelOrderNo, code);
    await world().disturb(channelOrderNo, 'query', 'extra_fields');
    for (const seen of [result, await query(world(), order)])
      expect(outcomeFromWire(seen)).toMatchObject({ kind: 'succeeded', paid: { minorUnits: BigInt(AMOUNT_FEN) } });
  });

  test('a channel that cannot be reached: a definite failure of the payment, and nothing of a query', async () => {
    const order = orderOf(world(), newOrderNo(), world().instantKind);
    const code = await world().paymentCode({ kind: 'pays' });
    const { result } = await world().unreachable.createPayment(paymentOf(world(), order, code));
    expect(result).toMatchObject({ transport: Transport.NOT_SENT, sends: 0 });
    expect(outcomeFromWire(result)).toMatchObject({ kind: 'failed_definite', evidence: { transport: 'not_sent' } });
    const asked = await world().unreachable.queryPayment({ order });
    expect(asked.result).toMatchObject({ transport: Transport.NOT_SENT });
    expect(outcomeFromWire(asked.result).kind).toBe('unknown');
    // The code was not used up by a request that was never sent.
    const again = await world().client.createPayment(paymentOf(world(), order, code));
    expect(outcomeFromWire(again.result).kind).toBe('succeeded');
  });

  test('the same payment again does not charge again, and is not called failed', async () => {
    const channelOrderNo = newOrderNo();
    const code = await world().paymentCode({ kind: 'pays' });
    await payByCode(world(), channelOrderNo, code);
    const { result } = await payByCode(world(), channelOrderNo, code);
    expect(['succeeded', 'unknown']).toContain(outcomeFromWire(result).kind);
    expect(await world().balanceOf(channelOrderNo)).toMatchObject({ charges: 1 });
  });

  test('the same payment many times at once is one charge, and none of them is called failed', async () => {
    const channelOrderNo = newOrderNo();
    const code = await world().paymentCode({ kind: 'pays' });
    const tries = await Promise.all(Array.from({ length: 6 }, () => payByCode(world(), channelOrderNo, code)));
    expect(await world().balanceOf(channelOrderNo)).toMatchObject({ charges: 1 });
    for (const { result } of tries) expect(outcomeFromWire(result).kind).not.toBe('failed_definite');
  });

  test('the same number with another amount is not called failed: it speaks of the first payment', async () => {
    const { channelOrderNo } = await paid(world());
    const order = orderOf(world(), channelOrderNo, world().instantKind, AMOUNT_FEN + 1);
    const code = await world().paymentCode({ kind: 'pays' });
    const { result } = await world().client.createPayment(paymentOf(world(), order, code));
    expect(outcomeFromWire(result).kind).toBe('unknown');
    expect(await world().balanceOf(channelOrderNo)).toMatchObject({ charges: 1 });
  });

  test('a payment over another amount, or asked for through another account, is no success', async () => {
    const { order } = await paid(world());
    const asked = [
      { ...order, amount: { ...order.amount, minorUnits: order.amount.minorUnits + 1n } },
      { ...order, amount: { ...order.amount, currency: 'HKD' } },
      { ...order, accountId: world().otherAccountId },
    ];
    for (const other of asked) {
      const { result } = await world().client.queryPayment({ order: other });
      expect(outcomeFromWire(result).kind).toBe('unknown');
    }
  });

  test('no secret stands in a result, whatever the channel answered', async () => {
    const code = await world().paymentCode({ kind: 'pays' });
    for (const fault of [undefined, 'bad_signature', 'web_page', 'lost_after_commit'] as const) {
      const channelOrderNo = newOrderNo();
      if (fault !== undefined) await world().disturb(channelOrderNo, 'pay', fault);
      const order = orderOf(world(), channelOrderNo, world().instantKind);
      const { result } = await world().client.createPayment(paymentOf(world(), order, code));
      const text = textOf(present(result));
      for (const secret of [code, '10.1.2.3', ...world().secrets]) expect(text).not.toContain(secret);
    }
  });
};
