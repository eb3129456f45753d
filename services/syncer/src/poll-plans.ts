import { durationMs } from '@bufbuild/protobuf/wkt';
import type { PollPlan } from '@tillmesh/proto/tillmesh/channel/v1/channel_service_pb.ts';
import type { PaymentKind } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';

/** When to ask about an attempt, and how its waiting ends. All times in ms from the attempt's start. */
export type Plan = {
  readonly firstAfterMs: number;
  readonly stepMs: number;
  readonly stepMsMax: number;
  /** Undefined: the payment's expiry counts. */
  readonly giveUpAfterMs: number | undefined;
  readonly endBy: 'reverse' | 'close';
  readonly notFoundFinalAfterMs: number;
};

/** For a channel that was not heard yet: patient, and never ending anything early. */
export const CAUTIOUS_PLAN: Plan = {
  firstAfterMs: 5_000,
  stepMs: 5_000,
  stepMsMax: 60_000,
  giveUpAfterMs: undefined,
  endBy: 'close',
  notFoundFinalAfterMs: 24 * 3_600_000,
};

/**
 * A plan from the wire; a field that is not set falls back to the cautious one.
 *
 * @param timeScale factor on all times; below 1 only where channels are simulated.
 */
export const planOf = (plans: readonly PollPlan[], kind: PaymentKind, timeScale = 1): Plan => {
  const plan = plans.find((candidate) => candidate.kind === kind);
  if (plan === undefined) return CAUTIOUS_PLAN;
  const ms = (duration: PollPlan['step'], fallback: number) =>
    (duration === undefined ? fallback : durationMs(duration)) * timeScale;
  return {
    firstAfterMs: ms(plan.firstAfter, CAUTIOUS_PLAN.firstAfterMs),
    stepMs: ms(plan.step, CAUTIOUS_PLAN.stepMs),
    stepMsMax: ms(plan.stepMax, CAUTIOUS_PLAN.stepMsMax),
    giveUpAfterMs: plan.giveUpAfter === undefined ? undefined : durationMs(plan.giveUpAfter) * timeScale,
    endBy: plan.endByReverse ? 'reverse' : 'close',
    notFoundFinalAfterMs: ms(plan.notFoundFinalAfter, CAUTIOUS_PLAN.notFoundFinalAfterMs),
  };
};
