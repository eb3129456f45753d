import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { systemClock, systemRandom } from '@tillmesh/clock';
import type { AttemptResult, RefundResult } from '@tillmesh/proto/tillmesh/channel/v1/channel_service_pb.ts';
import { PaymentKind } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { outcomeFromWire } from '@tillmesh/wire';
import { expect } from 'vitest';
import type { ChannelWorld } from '../channel-world.ts';

export type World = () => ChannelWorld;

export const AMOUNT_FEN = 1_234;

/** A number that was never used: 25 digits of a payment and one of its attempt. */
export const newOrderNo = (): string => `${systemRandom.hex(32).replace(/[a-f]/g, '7').slice(0, 25)}1`;

export const cny = (fen: number) => ({ currency: 'CNY', minorUnits: BigInt(fen) });

export const orderOf = (world: ChannelWorld, channelOrderNo: string, kind: PaymentKind, fen = AMOUNT_FEN) => ({
  accountId: world.accountId,
  channelOrderNo,
  createdAt: timestampFromMs(systemClock.nowMs()),
  kind,
  amount: cny(fen),
});

export type Order = ReturnType<typeof orderOf>;

/** @param secret what a payer shows who pays at once. */
export const paymentOf = (world: ChannelWorld, order: Order, secret = '') => ({
  order,
  subject: 'contract',
  expireAt: timestampFromMs(systemClock.nowMs() + 600_000),
  ...(order.kind === PaymentKind.CARD ? { payerId: secret } : { paymentCode: secret }),
  clientIp: '10.1.2.3',
  notifyUrl: `${world.notifyUrl}/${order.channelOrderNo}`,
});

/** Starts a payment of a payer who shows a code or a card. */
export const payByCode = async (world: ChannelWorld, channelOrderNo: string, paymentCode: string) => {
  const order = orderOf(world, channelOrderNo, world.instantKind);
  const { result } = await world.client.createPayment(paymentOf(world, order, paymentCode));
  return { order, result: present(result) };
};

/** A payment by code of a payer who pays at once. */
export const paid = async (world: ChannelWorld) => {
  const channelOrderNo = newOrderNo();
  const { order, result } = await payByCode(world, channelOrderNo, await world.paymentCode({ kind: 'pays' }));
  expect(outcomeFromWire(result).kind).toBe('succeeded');
  return { order, channelOrderNo };
};

/** An order to scan, and the code to show. */
export const placed = async (world: ChannelWorld) => {
  const channelOrderNo = newOrderNo();
  const order = orderOf(world, channelOrderNo, PaymentKind.MERCHANT_QR);
  const { result } = await world.client.createPayment(paymentOf(world, order));
  const action = present(result).action?.action;
  expect(outcomeFromWire(result).kind).toBe('pending_payer');
  expect(action?.case).toBe('qrCode');
  return { order, channelOrderNo, qrCode: action?.case === 'qrCode' ? action.value : '' };
};

/** An order of a payer who is still typing, and will not be done while a rule looks at it. */
export const typed = async (world: ChannelWorld) => {
  const channelOrderNo = newOrderNo();
  const code = await world.paymentCode({ kind: 'types_password', seconds: 60 });
  const { order, result } = await payByCode(world, channelOrderNo, code);
  expect(['pending_payer', 'processing']).toContain(outcomeFromWire(result).kind);
  return { order, channelOrderNo };
};

export const query = async (world: ChannelWorld, order: Order): Promise<AttemptResult> =>
  present((await world.client.queryPayment({ order })).result);

/** Ends an attempt in the way that the channel's own plan names for its kind. */
export const endAttempt = async (world: ChannelWorld, order: Order) => {
  const { pollPlans } = await world.client.describeChannel({});
  const plan = pollPlans.find(({ kind }) => kind === order.kind);
  const { result } = plan?.endByReverse
    ? await world.client.reversePayment({ order })
    : await world.client.closePayment({ order });
  return present(result);
};

export const present = <Value>(value: Value | undefined): Value => {
  if (value === undefined) throw new Error('the answer holds no result');
  return value;
};

/** Asks until the answer is as wanted, at most for 20 s. */
export const eventually = async <Value>(
  ask: () => Promise<Value>,
  isWanted: (value: Value) => boolean,
): Promise<Value> => {
  for (let round = 0; ; round += 1) {
    const value = await ask();
    if (isWanted(value) || round >= 80) return value;
    await systemClock.sleep(250);
  }
};

/** Everything that a result says, as one text. */
export const textOf = (result: AttemptResult | RefundResult): string =>
  JSON.stringify(result, (_name, value: unknown) => (typeof value === 'bigint' ? String(value) : value));
