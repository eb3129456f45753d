import { type Clock, systemRandom } from '@tillmesh/clock';
import type { CashierService } from '@tillmesh/proto/tillmesh/cashier/v1/cashier_service_pb.ts';
import { AttemptState } from '@tillmesh/proto/tillmesh/payment/v1/attempt_pb.ts';
import { LearnedBy } from '@tillmesh/proto/tillmesh/payment/v1/outcome_pb.ts';
import { type Payment, PaymentKind, PaymentState, Wallet } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import type { RpcClient } from '@tillmesh/rpc';
import type { LedgerCheck, SandboxControl } from './sandbox-control.ts';

/** What the demonstration works with. */
export type DemoTools = {
  readonly cashier: RpcClient<typeof CashierService>;
  readonly sandbox: SandboxControl;
  readonly clock: Clock;
};

/** One payment, and whether it ended as it should. */
export type DemoResult = {
  readonly title: string;
  readonly payment: Payment | undefined;
  readonly tookMs: number;
  readonly ledger: LedgerCheck | undefined;
  /** What is not as it should be; empty when all is well. */
  readonly wrong: readonly string[];
};

export type Scenario = {
  readonly title: string;
  readonly run: (tools: DemoTools) => Promise<Omit<DemoResult, 'title'>>;
};

const MERCHANT = 'demo-cafe';
const FINAL_WITHIN_MS = 90_000;
const FINAL: ReadonlySet<PaymentState> = new Set([PaymentState.SUCCEEDED, PaymentState.FAILED, PaymentState.CLOSED]);

const merchantOrderNo = (): string => `DEMO-${systemRandom.hex(6)}`;

type Order = {
  readonly minorUnits: bigint;
  readonly subject: string;
  readonly kind: PaymentKind;
  readonly wallet?: Wallet;
  readonly paymentCode?: string;
};

const take = async ({ cashier }: DemoTools, order: Order): Promise<Payment> => {
  const { minorUnits, ...rest } = order;
  const { payment } = await cashier.createPayment({
    merchantId: MERCHANT,
    merchantOrderNo: merchantOrderNo(),
    amount: { currency: 'CNY', minorUnits },
    terminalId: 'till-1',
    ...rest,
  });
  if (payment === undefined) throw new Error('the cashier answered without a payment');
  return payment;
};

/** Follows a payment to its end, as a till does. */
const follow = async ({ cashier }: DemoTools, payment: Payment): Promise<Payment> => {
  let last = payment;
  if (FINAL.has(last.state)) return last;
  const ref = { ref: { case: 'orderNo', value: payment.orderNo } } as const;
  for await (const news of cashier.watchPayment({ payment: ref }, { capMs: FINAL_WITHIN_MS })) {
    last = news.payment ?? last;
  }
  return last;
};

const qrCodeOf = (payment: Payment): string => {
  if (payment.action?.action.case !== 'qrCode') throw new Error(`payment ${payment.orderNo} has no QR code to show`);
  return payment.action.action.value;
};

/** What every payment of the demonstration has in common at its end: paid, and charged exactly once. */
const commonFaults = (payment: Payment, ledger: LedgerCheck): string[] => [
  ...(payment.state === PaymentState.SUCCEEDED ? [] : ['is not paid']),
  ...(ledger.charges === 1 ? [] : [`was charged ${ledger.charges} times`]),
  ...(ledger.chargedTwice === 0 ? [] : ['was charged twice']),
  ...(BigInt(ledger.netFen) === payment.amount?.minorUnits ? [] : [`the channel holds ${ledger.netFen} fen`]),
];

const learnedBy = (payment: Payment, ways: readonly LearnedBy[]): string[] =>
  ways.includes(payment.learnedBy) ? [] : ['was learned another way than it should'];

const attempts = (payment: Payment, count: number): string[] =>
  payment.attempts.length === count ? [] : [`took ${payment.attempts.length} attempts, not ${count}`];

const scenario = (
  title: string,
  pay: (tools: DemoTools) => Promise<Payment>,
  faults: (payment: Payment) => readonly string[],
): Scenario => ({
  title,
  run: async (tools) => {
    const beganMs = tools.clock.monotonicMs();
    const elapsed = () => Math.round(tools.clock.monotonicMs() - beganMs);
    try {
      const payment = await pay(tools);
      const tookMs = elapsed();
      const ledger = await tools.sandbox.check(payment.orderNo);
      return { payment, tookMs, ledger, wrong: [...commonFaults(payment, ledger), ...faults(payment)] };
    } catch (error) {
      const wrong = [error instanceof Error ? error.message : String(error)];
      return { payment: undefined, tookMs: elapsed(), ledger: undefined, wrong };
    }
  },
});

/** The five payments of the demonstration. */
export const scenarios: readonly Scenario[] = [
  scenario(
    'WeChat code, paid at once',
    async (tools) => {
      const paymentCode = await tools.sandbox.paymentCode('wechat');
      const order = { minorUnits: 1_800n, subject: 'Flat white', kind: PaymentKind.PAYMENT_CODE, paymentCode };
      return follow(tools, await take(tools, order));
    },
    (payment) => [...attempts(payment, 1), ...learnedBy(payment, [LearnedBy.ANSWER])],
  ),
  scenario(
    'Alipay QR, the payer scans',
    async (tools) => {
      const order = {
        minorUnits: 5_600n,
        subject: 'Beans, 250 g',
        kind: PaymentKind.MERCHANT_QR,
        wallet: Wallet.ALIPAY,
      };
      const payment = await take(tools, order);
      await tools.sandbox.scan(qrCodeOf(payment), 0.3);
      return follow(tools, payment);
    },
    (payment) => [...attempts(payment, 1), ...learnedBy(payment, [LearnedBy.NOTIFICATION])],
  ),
  scenario(
    'WeChat code, the payer types a password',
    async (tools) => {
      const script = [{ do: 'payer_types_password', seconds: 3, then: 'pays' }];
      const paymentCode = await tools.sandbox.paymentCode('wechat', script);
      const order = { minorUnits: 128_000n, subject: 'Espresso machine', kind: PaymentKind.PAYMENT_CODE, paymentCode };
      return follow(tools, await take(tools, order));
    },
    // WeChat sends no notification about payment codes: only asking tells.
    (payment) => [...attempts(payment, 1), ...learnedBy(payment, [LearnedBy.QUERY])],
  ),
  scenario(
    'WeChat QR, the first account refuses: rerouted',
    async (tools) => {
      const subject = `Croissant ${systemRandom.hex(3)}`;
      await tools.sandbox.script({ account: 'wechat-a', description: subject }, [{ do: 'decline', code: 'NO_AUTH' }]);
      const order = { minorUnits: 900n, subject, kind: PaymentKind.MERCHANT_QR, wallet: Wallet.WECHAT };
      const payment = await take(tools, order);
      await tools.sandbox.scan(qrCodeOf(payment), 0.3);
      return follow(tools, payment);
    },
    (payment) => [
      ...attempts(payment, 2),
      ...(payment.attempts.map(({ accountId }) => accountId).join(' ') === 'wechat-a wechat-b'
        ? []
        : ['went elsewhere']),
      ...(payment.attempts[0]?.state === AttemptState.FAILED ? [] : ['its first attempt did not fail definitely']),
      ...learnedBy(payment, [LearnedBy.NOTIFICATION, LearnedBy.QUERY]),
    ],
  ),
  scenario(
    'WeChat code, the answer is lost: never rerouted',
    async (tools) => {
      const script = [{ do: 'answer_lost_after_commit', how: 'cut' }];
      const paymentCode = await tools.sandbox.paymentCode('wechat', script);
      const order = { minorUnits: 2_500n, subject: 'Cappuccino', kind: PaymentKind.PAYMENT_CODE, paymentCode };
      return follow(tools, await take(tools, order));
    },
    (payment) => [...attempts(payment, 1), ...learnedBy(payment, [LearnedBy.QUERY])],
  ),
];
