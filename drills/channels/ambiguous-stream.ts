import type { Clock, Random } from '@tillmesh/clock';
import type { Mesh } from '@tillmesh/local-mesh';
import type { CashierService } from '@tillmesh/proto/tillmesh/cashier/v1/cashier_service_pb.ts';
import type { RpcClient } from '@tillmesh/rpc';
import { type Ambiguous, payAmbiguously, planAmbiguous, sickLanes } from './ambiguous-till.ts';

/** The channels here are simulated: nobody has to wait five real minutes to be sure that an order never arrived. */
export const PLAN_TIME_SCALE = 0.1;
export const PERSON_AFTER_MS = 20_000;
/** One payment in so many is never answered for. */
const ENDLESS_EVERY = 100;
const TOLD = 10;

/** Of a mesh for such payments. */
export const ambiguousMesh = {
  logLevel: 'warn',
  settings: {
    syncer: { planTimeScale: PLAN_TIME_SCALE, personAfterMs: PERSON_AFTER_MS },
    ...sickLanes(),
  },
  notificationTimeScale: 0.05,
} as const;

/**
 * Begins payments of which most exchanges go wrong, at their rate, whether or not earlier ones are over.
 *
 * @param options.follow plans what the till does afterwards with a payment that is going to be answered for.
 * @returns when all tills have done what they do.
 */
export const playAmbiguously = async (options: {
  readonly mesh: Mesh;
  readonly cashier: RpcClient<typeof CashierService>;
  readonly seconds: number;
  readonly rate: number;
  readonly random: Random;
  readonly follow?: (payment: Ambiguous) => (() => Promise<void>) | undefined;
  readonly clock: Clock;
  readonly onProgress: (line: string) => void;
}): Promise<readonly Ambiguous[]> => {
  const { mesh, cashier, seconds, rate, random, follow, clock, onProgress } = options;
  const count = Math.round(rate * seconds);
  const payments: Ambiguous[] = [];
  const running: Promise<void>[] = [];
  const play = async (payment: Ambiguous, afterwards: (() => Promise<void>) | undefined): Promise<void> => {
    try {
      await payAmbiguously(mesh, cashier, payment, clock);
      if (!payment.plan.isEndless) await afterwards?.();
    } catch (error) {
      payment.sample.errors.push(String(error));
    }
  };
  const beganMs = clock.monotonicMs();
  for (let number = 1; number <= count; number += 1) {
    const waitMs = beganMs + (number * 1_000) / rate - clock.monotonicMs();
    if (waitMs > 0) await clock.sleep(waitMs);
    const payment = planAmbiguous(random, number, number % ENDLESS_EVERY === 0, clock.monotonicMs() - beganMs);
    payments.push(payment);
    running.push(play(payment, follow?.(payment)));
    if (number % Math.ceil(count / TOLD) === 0) onProgress(`${number} of ${count} payments begun`);
  }
  await Promise.all(running);
  return payments;
};
