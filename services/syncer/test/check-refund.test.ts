import { create } from '@bufbuild/protobuf';
import { type Duration, durationMs } from '@bufbuild/protobuf/wkt';
import { ManualClock } from '@tillmesh/clock';
import { type RefundResult, RefundResultSchema } from '@tillmesh/proto/tillmesh/channel/v1/channel_service_pb.ts';
import { SignatureState, Transport } from '@tillmesh/proto/tillmesh/payment/v1/outcome_pb.ts';
import { PaymentSchema } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { RefundSchema, RefundState } from '@tillmesh/proto/tillmesh/payment/v1/refund_pb.ts';
import { expect, test } from 'vitest';
import { createRefundChecker } from '../src/check-refund.ts';

const REFUND_NO = '2'.repeat(25);
const amount = { currency: 'CNY', minorUnits: 40n };
const payment = create(PaymentSchema, {
  orderNo: '1'.repeat(25),
  attempts: [
    { attemptNo: 1, channelId: 'alipay', channelOrderNo: `${'1'.repeat(25)}1` },
    { attemptNo: 2, channelId: 'wechat', channelOrderNo: `${'1'.repeat(25)}2` },
  ],
});
const stuck = create(RefundSchema, {
  refundNo: REFUND_NO,
  orderNo: payment.orderNo,
  merchantId: 'demo-cafe',
  amount,
  attemptNo: 2,
  reason: 'too cold',
  state: RefundState.UNKNOWN,
});
const verified = { transport: Transport.ANSWERED, signature: SignatureState.VERIFIED } as const;
const says = (state: RefundState, changes: object = {}): RefundResult =>
  create(RefundResultSchema, { ...verified, state, ...changes });
const notFound = says(RefundState.UNKNOWN, { refundNotFound: true });
const done = says(RefundState.SUCCEEDED, { refunded: amount });

/** Checks a refund at a channel that answers like this. */
const check = async (
  answers: { readonly query: RefundResult | Error; readonly create?: RefundResult | Error },
  { refund = stuck, checkCount = 0 } = {},
) => {
  const sent: { readonly what: string; readonly refundNo: string; readonly order: string | undefined }[] = [];
  const applied: { readonly state: RefundState | undefined; readonly nextMs: number }[] = [];
  type Asked = { readonly refundNo: string; readonly order?: { readonly channelOrderNo?: string } };
  const answer = (what: string, result: RefundResult | Error | undefined) => async (asked: Asked) => {
    sent.push({ what, refundNo: asked.refundNo, order: asked.order?.channelOrderNo });
    if (result instanceof Error) throw result;
    return { result };
  };
  const checked = await createRefundChecker({
    orderStore: {
      applyRefundResult: async (news: { readonly result: RefundResult; readonly nextCheckAfter: Duration }) => {
        applied.push({ state: news.result.state, nextMs: durationMs(news.nextCheckAfter) });
        return { refund: create(RefundSchema, { ...refund, state: news.result.state }) };
      },
    } as never,
    channels: {
      find: (channelId: string) =>
        channelId === 'wechat'
          ? {
              lanes: { refund: undefined },
              client: { queryRefund: answer('query', answers.query), createRefund: answer('create', answers.create) },
            }
          : undefined,
    } as never,
    clock: new ManualClock(),
  })(refund, payment, checkCount);
  return { checked, sent, applied };
};

test('a stuck refund that its channel knows is asked about and never sent again', async () => {
  const { checked, sent, applied } = await check({ query: done });
  expect(checked).toMatchObject({ settled: true });
  expect(sent).toEqual([{ what: 'query', refundNo: REFUND_NO, order: `${payment.orderNo}2` }]);
  expect(applied).toMatchObject([{ state: RefundState.SUCCEEDED }]);
});

test('one that its channel does not know is sent again, under the same number and to the attempt that took the money', async () => {
  const { checked, sent } = await check({ query: notFound, create: done });
  expect(checked).toMatchObject({ settled: true, note: expect.stringContaining('sent again') });
  expect(sent).toEqual(
    ['query', 'create'].map((what) => ({ what, refundNo: REFUND_NO, order: `${payment.orderNo}2` })),
  );
});

for (const [what, answers] of [
  ['whose channel does not answer', { query: new Error('reset') }],
  ['whose second sending is not answered', { query: notFound, create: new Error('reset') }],
] as const) {
  test(`one ${what} stays as it is and comes again`, async () => {
    const { checked, applied } = await check(answers);
    expect(checked).toMatchObject({ settled: false, nextAfterMs: 5_000 });
    expect(applied).toEqual([]);
  });
}

test('one that its channel works on comes again after the steps of its own plan: they double every five looks, up to five minutes', async () => {
  const working = says(RefundState.PROCESSING);
  const steps = [0, 4, 5, 10, 25, 30, 1_000].map(async (checkCount) => {
    const { checked, applied } = await check({ query: working }, { checkCount });
    expect(applied).toMatchObject([{ nextMs: checked.nextAfterMs }]);
    return checked.nextAfterMs;
  });
  expect(await Promise.all(steps)).toEqual([5_000, 5_000, 10_000, 20_000, 160_000, 300_000, 300_000]);
});

test('one that is at its end asks nobody', async () => {
  const ended = create(RefundSchema, { ...stuck, state: RefundState.FAILED });
  expect(await check({ query: done }, { refund: ended })).toMatchObject({ checked: { settled: true }, sent: [] });
});
