import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { systemClock } from '@tillmesh/clock';
import { AttemptResultSchema } from '@tillmesh/proto/tillmesh/channel/v1/channel_service_pb.ts';
import { AttemptState } from '@tillmesh/proto/tillmesh/payment/v1/attempt_pb.ts';
import { OutcomeKind, SignatureState, Transport } from '@tillmesh/proto/tillmesh/payment/v1/outcome_pb.ts';
import { PaymentKind, PaymentSchema, PaymentState } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { expect, test } from 'vitest';
import {
  createDetailsCompleter,
  DETAILS_GIVE_UP_AFTER_MS,
  DETAILS_STEP_MS,
  nextDetailsLook,
  paidAttemptOf,
} from '../src/complete-details.ts';

const NOW_MS = 1_800_000_000_000;
const clock = { ...systemClock, nowMs: () => NOW_MS };

const amount = { currency: 'CNY', minorUnits: 1_234n };
const paidSince = (sinceMs: number) =>
  create(PaymentSchema, {
    orderNo: '1'.repeat(25),
    merchantId: 'demo-cafe',
    amount,
    kind: PaymentKind.PAYMENT_CODE,
    state: PaymentState.SUCCEEDED,
    attempts: [
      { attemptNo: 1, state: AttemptState.FAILED, channelId: 'wechat', startedAt: timestampFromMs(1) },
      {
        attemptNo: 2,
        state: AttemptState.SUCCEEDED,
        channelId: 'wechat',
        startedAt: timestampFromMs(1),
        settledAt: timestampFromMs(NOW_MS - sinceMs),
      },
    ],
  });

const success = create(AttemptResultSchema, {
  outcome: OutcomeKind.SUCCEEDED,
  transport: Transport.ANSWERED,
  signature: SignatureState.VERIFIED,
  channelTransactionId: 'tx-1',
  paid: amount,
  paidAt: timestampFromMs(NOW_MS),
});

/** Completes against a channel that answers like this, and tells what the order store was asked. */
const complete = async (result: typeof success | Error, sinceMs = 10_000) => {
  const asked: string[] = [];
  const payment = paidSince(sinceMs);
  const attempt = paidAttemptOf(payment);
  if (attempt === undefined) throw new Error('no attempt has paid');
  const checked = await createDetailsCompleter({
    orderStore: {
      scheduleCheck: async ({ stop }: { readonly stop: boolean }) => {
        asked.push(stop ? 'stop' : 'schedule');
        return {};
      },
    } as never,
    channels: {
      find: () => ({
        lanes: { query: undefined },
        client: {
          queryPayment: async () => {
            asked.push('query');
            if (result instanceof Error) throw result;
            return { result };
          },
        },
      }),
    } as never,
    apply: async (of) => {
      asked.push('apply');
      return of;
    },
    clock,
  })(payment, attempt);
  return { checked, asked };
};

test('a success that a query tells is applied, and nothing is left to check', async () => {
  expect(await complete(success)).toMatchObject({ checked: { settled: true }, asked: ['query', 'apply'] });
});

for (const [what, result] of [
  ['an unknown answer', create(AttemptResultSchema, { outcome: OutcomeKind.UNKNOWN })],
  ['a success that nobody has signed', create(AttemptResultSchema, { ...success, signature: SignatureState.ABSENT })],
  ['a failure', create(AttemptResultSchema, { ...success, outcome: OutcomeKind.FAILED_DEFINITE, ruleId: 'r' })],
  ['a channel that is away', new Error('away')],
] as const) {
  test(`${what} changes nothing of a paid payment: it is asked again later, and given up in the end`, async () => {
    expect(await complete(result)).toEqual({
      checked: { settled: false, nextAfterMs: DETAILS_STEP_MS, note: 'details: not told', forDetails: true },
      asked: ['query'],
    });
    expect(await complete(result, DETAILS_GIVE_UP_AFTER_MS)).toMatchObject({
      checked: { settled: true },
      asked: ['query', 'stop'],
    });
  });
}

test('a channel that never tells is asked few times', () => {
  let [looks, sinceMs] = [0, DETAILS_STEP_MS];
  for (;;) {
    looks += 1;
    const after = nextDetailsLook(sinceMs);
    if (after === undefined) break;
    sinceMs += after;
  }
  expect(looks).toBe(6);
});
