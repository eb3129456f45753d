// A till: node examples/src/pay-at-the-till.ts --code <payment code> --amount 12.30
//
// More than one --code: the next one is scanned when a payment is declined.
// Exit status: 0 paid, 1 refused, 2 not paid, 3 nobody knows yet.

import { parseArgs } from 'node:util';
import { type Clock, systemRandom } from '@tillmesh/clock';
import { LearnedBySchema } from '@tillmesh/proto/tillmesh/payment/v1/outcome_pb.ts';
import {
  DeclineReason,
  DeclineReasonSchema,
  type Payment,
  PaymentState,
} from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { withSpan } from '@tillmesh/telemetry';
import { type Cashier, close, continueWithCode, takeByCode, untilItRests } from './cashier-client.ts';
import { demandMinorUnits, EXIT, runProgram, say, tellEnum, tellMoney } from './command-line.ts';

const { values: options } = parseArgs({
  options: {
    code: { type: 'string', multiple: true, default: [] },
    amount: { type: 'string' },
    merchant: { type: 'string', default: 'demo-cafe' },
    // A real till keeps this number before it calls, so that it can ask again after a crash.
    'order-no': { type: 'string', default: `TILL-${systemRandom.hex(6)}` },
    subject: { type: 'string', default: 'Coffee and cake' },
    address: { type: 'string' },
  },
});

/** A payer who types a password takes a while; wallets give up after a minute or so. */
const WAIT_FOR_PAYER_MS = 120_000;

const adviceOn = (reason: DeclineReason): string => {
  switch (reason) {
    case DeclineReason.PAYMENT_CODE_INVALID:
      return 'Ask the payer for a fresh code.';
    case DeclineReason.INSUFFICIENT_FUNDS:
    case DeclineReason.PAYER_REFUSED:
      return 'Ask the payer for another way of paying.';
    case DeclineReason.PAYER_CANCELLED:
      return 'Ask whether the payer wants to try again.';
    case DeclineReason.ACCOUNT_REFUSED:
    case DeclineReason.CHANNEL_UNREACHABLE:
      return 'This wallet cannot be used just now: offer another one.';
    case DeclineReason.UNSPECIFIED:
    case DeclineReason.OTHER:
    default:
      return 'Try a fresh code or another way of paying.';
  }
};

const tellAttempts = ({ attempts }: Payment): string =>
  attempts.length === 1 ? '1 attempt' : `${attempts.length} attempts`;

/** Waits while the payer is at it, and says how it stands. */
const settle = async (cashier: Cashier, payment: Payment, clock: Clock) => {
  if (payment.state === PaymentState.PAYING) {
    say(`paying     ${payment.orderNo}: the wallet asks the payer, or nobody knows yet; watching …`);
  }
  return untilItRests(cashier, payment, { clock, withinMs: WAIT_FOR_PAYER_MS });
};

await runProgram('example-till', options.address, (cashier, clock) =>
  // One span around the whole sale: what happens to it is one trace, beginning here. Free where nothing is traced.
  withSpan('sale', {}, async () => {
    const [firstCode, ...nextCodes] = options.code;
    if (firstCode === undefined) throw new Error("--code is missing: the digits of the payer's code.");
    const sale = {
      merchantId: options.merchant,
      merchantOrderNo: options['order-no'],
      minorUnits: demandMinorUnits(options.amount),
      currency: 'CNY',
      subject: options.subject,
      terminalId: 'till-1',
    };
    say(`sale       ${sale.merchantOrderNo} at ${sale.merchantId}`);
    const beganMs = clock.monotonicMs();
    let payment = await settle(cashier, await takeByCode(cashier, sale, firstCode, clock), clock);
    for (const code of nextCodes) {
      if (payment.state !== PaymentState.DECLINED) break;
      say(`declined   ${tellEnum(DeclineReasonSchema, payment.declineReason)}. Scanning the next code …`);
      payment = await settle(cashier, await continueWithCode(cashier, payment, code, clock), clock);
    }
    if (payment.state === PaymentState.DECLINED) {
      say(`declined   ${tellEnum(DeclineReasonSchema, payment.declineReason)}. ${adviceOn(payment.declineReason)}`);
      // Nobody comes back to this sale: closed, it cannot be continued by mistake.
      payment = await close(cashier, payment, clock);
    }
    const took = `${payment.orderNo}, ${tellAttempts(payment)}, ${Math.round(clock.monotonicMs() - beganMs)} ms`;
    switch (payment.state) {
      case PaymentState.SUCCEEDED:
        say(
          `paid       ${tellMoney(payment.amount)}: ${took}, learned by ${tellEnum(LearnedBySchema, payment.learnedBy)}`,
        );
        return EXIT.done;
      case PaymentState.CLOSED:
      case PaymentState.FAILED:
      case PaymentState.DECLINED:
        say(`not paid   ${took}; nothing was taken`);
        return EXIT.notPaid;
      case PaymentState.PAYING:
      case PaymentState.UNSPECIFIED:
      default:
        say(`unknown    ${took}; do not take it again: read it later with read-a-payment.ts`);
        return EXIT.stillPaying;
    }
  }),
);
