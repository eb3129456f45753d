import type { Clock, Random } from '@tillmesh/clock';
import type { Mesh } from '@tillmesh/local-mesh';
import { CashierService } from '@tillmesh/proto/tillmesh/cashier/v1/cashier_service_pb.ts';
import { type Payment, PaymentKind, PaymentState, Wallet } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { Code, createClient, type RpcClient, toRpcError } from '@tillmesh/rpc';
import { createSandboxControl, type SandboxControl } from '../scripts/demo/sandbox-control.ts';

/** One payment of the stream, as its till saw it. */
export type Sample = {
  readonly what: string;
  readonly merchantId: string;
  readonly merchantOrderNo: string;
  readonly minorUnits: bigint;
  /** From the beginning of the stream, ms. */
  readonly atMs: number;
  /** Until the first answer with a payment, ms; repeats after errors included. */
  tookMs: number;
  /** The first answer; undefined where there never was one. */
  answer: Payment | undefined;
  /** Reasons of the errors before the answer. */
  readonly errors: string[];
};

export type PaymentStream = {
  readonly samples: readonly Sample[];
  /** Resolves when every payment of the stream has its first answer, or has none after all repeats. */
  readonly done: Promise<void>;
};

type Kind = {
  readonly what: string;
  readonly share: number;
  readonly request: (sandbox: SandboxControl) => Promise<{ kind: PaymentKind; wallet?: Wallet; paymentCode?: string }>;
};

const code = (what: string, share: number, wallet: 'wechat' | 'alipay', script?: readonly object[]): Kind => ({
  what,
  share,
  request: async (sandbox) => ({
    kind: PaymentKind.PAYMENT_CODE,
    paymentCode: await sandbox.paymentCode(wallet, script),
  }),
});

/** What customers do. */
const MIX: readonly Kind[] = [
  code('wechat code', 0.35, 'wechat'),
  // Under way for long enough that whatever dies, dies in the middle of some.
  code('wechat slow', 0.2, 'wechat', [{ do: 'delay', ms: 1_500, when: 'after_commit' }]),
  code('alipay code', 0.15, 'alipay'),
  code('wechat password', 0.1, 'wechat', [{ do: 'payer_types_password', seconds: 2, then: 'pays' }]),
  code('no money', 0.05, 'wechat', [{ do: 'decline', code: 'NOTENOUGH' }]),
  {
    what: 'alipay qr',
    share: 0.15,
    request: async () => ({ kind: PaymentKind.MERCHANT_QR, wallet: Wallet.ALIPAY }),
  },
];

const MERCHANT = 'demo-cafe';
const REPEATS_MAX = 40;
const REPEAT_AFTER_MS = 250;
const REPEATABLE: ReadonlySet<Code> = new Set([
  Code.UNAVAILABLE,
  Code.DEADLINE_EXCEEDED,
  Code.CANCELLED,
  Code.INTERNAL,
  Code.UNKNOWN,
  Code.RESOURCE_EXHAUSTED,
]);

const pick = (fraction: number): Kind => {
  let left = fraction;
  for (const kind of MIX) {
    left -= kind.share;
    if (left < 0) return kind;
  }
  return MIX[0] as Kind;
};

const lacksItsCode = (payment: Payment | undefined): boolean =>
  payment?.state === PaymentState.PAYING && payment.kind === PaymentKind.MERCHANT_QR && payment.action === undefined;

/**
 * A till: sends the same request again, under the same number, until it is answered and has what it needs.
 *
 * @param ask whether what was answered is enough.
 * @param errors gets the reason of each that was not.
 */
export const askAsATill = async (ask: () => Promise<boolean>, errors: string[], clock: Clock): Promise<void> => {
  for (let repeats = 0; repeats <= REPEATS_MAX; repeats += 1) {
    try {
      if (await ask()) return;
      await clock.sleep(REPEAT_AFTER_MS);
    } catch (error) {
      const { code: status, reason, retryAfterMs } = toRpcError(error);
      errors.push(reason === 'TRANSPORT' ? `${reason} ${Code[status]}` : reason);
      if (!REPEATABLE.has(status)) return;
      await clock.sleep(Math.max(REPEAT_AFTER_MS, retryAfterMs ?? 0));
    }
  }
};

/** A till takes a payment: it is done when the payment is answered, and has the code that it has to show. */
export const takeAsATill = (
  cashier: RpcClient<typeof CashierService>,
  request: Parameters<RpcClient<typeof CashierService>['createPayment']>[0],
  sample: Sample,
  clock: Clock,
): Promise<void> =>
  askAsATill(
    async () => {
      sample.answer = (await cashier.createPayment(request)).payment;
      return !lacksItsCode(sample.answer);
    },
    sample.errors,
    clock,
  );

/** Begins payments at a steady rate, whether or not earlier ones are answered, as customers do. */
export const startPaymentStream = (options: {
  readonly mesh: Mesh;
  readonly rate: number;
  readonly seconds: number;
  readonly random: Random;
  readonly clock: Clock;
}): PaymentStream => {
  const { mesh, rate, seconds, random, clock } = options;
  const cashier = createClient(CashierService, {
    target: mesh.target('cashier'),
    caller: 'drill',
    capMs: 40_000,
    clock,
  });
  const sandbox = createSandboxControl(mesh.address('sandbox-control'));
  const samples: Sample[] = [];
  const beganMs = clock.monotonicMs();

  const payOne = async (kind: Kind): Promise<void> => {
    const request = await kind.request(sandbox);
    const startedMs = clock.monotonicMs();
    const sample: Sample = {
      what: kind.what,
      merchantId: MERCHANT,
      merchantOrderNo: `DRILL-${random.hex(8)}`,
      minorUnits: BigInt(100 + random.below(50_000)),
      atMs: startedMs - beganMs,
      tookMs: 0,
      answer: undefined,
      errors: [],
    };
    samples.push(sample);
    const { merchantId, merchantOrderNo, minorUnits } = sample;
    const amount = { currency: 'CNY', minorUnits };
    await takeAsATill(cashier, { merchantId, merchantOrderNo, amount, subject: kind.what, ...request }, sample, clock);
    sample.tookMs = clock.monotonicMs() - startedMs;
    if (sample.answer?.action?.action.case === 'qrCode') await sandbox.scan(sample.answer.action.action.value, 0.2);
  };

  const run = async (): Promise<void> => {
    const running: Promise<void>[] = [];
    const count = Math.round(rate * seconds);
    for (let number = 0; number < count; number += 1) {
      const dueMs = beganMs + (number * 1_000) / rate;
      const waitMs = dueMs - clock.monotonicMs();
      if (waitMs > 0) await clock.sleep(waitMs);
      running.push(payOne(pick(random.fraction())).catch(() => undefined));
    }
    await Promise.all(running);
    cashier.close();
  };
  return { samples, done: run() };
};
