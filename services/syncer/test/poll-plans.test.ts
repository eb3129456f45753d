import { create } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { type PollPlan, PollPlanSchema } from '@tillmesh/proto/tillmesh/channel/v1/channel_service_pb.ts';
import { PaymentKind } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { expect, test } from 'vitest';
import { CAUTIOUS_PLAN, planOf } from '../src/poll-plans.ts';

const ofCodes: PollPlan = create(PollPlanSchema, {
  kind: PaymentKind.PAYMENT_CODE,
  firstAfter: durationFromMs(2_000),
  step: durationFromMs(3_000),
  stepMax: durationFromMs(30_000),
  giveUpAfter: durationFromMs(45_000),
  endByReverse: true,
  notFoundFinalAfter: durationFromMs(60_000),
});
const ofQr = create(PollPlanSchema, { kind: PaymentKind.MERCHANT_QR, step: durationFromMs(10_000) });

test('a kind is asked about as its channel wants', () => {
  expect(planOf([ofQr, ofCodes], PaymentKind.PAYMENT_CODE)).toEqual({
    firstAfterMs: 2_000,
    stepMs: 3_000,
    stepMsMax: 30_000,
    giveUpAfterMs: 45_000,
    endBy: 'reverse',
    notFoundFinalAfterMs: 60_000,
  });
});

test('what a channel does not say is cautious: patient, closed rather than reversed, absent only after a day', () => {
  expect(planOf([ofQr], PaymentKind.MERCHANT_QR)).toEqual({ ...CAUTIOUS_PLAN, stepMs: 10_000 });
  expect(CAUTIOUS_PLAN).toMatchObject({ giveUpAfterMs: undefined, endBy: 'close', notFoundFinalAfterMs: 86_400_000 });
});

test('a kind without a plan is treated with caution', () => {
  expect(planOf([ofCodes], PaymentKind.JSAPI)).toEqual(CAUTIOUS_PLAN);
});

test('against simulated channels all times are shortened alike', () => {
  expect(planOf([ofCodes], PaymentKind.PAYMENT_CODE, 0.1)).toMatchObject({
    stepMs: 300,
    giveUpAfterMs: 4_500,
    notFoundFinalAfterMs: 6_000,
  });
});
