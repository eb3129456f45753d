// Money back: node examples/src/refund-a-payment.ts --order-no <merchant order number> [--amount 2.00]
//
// Without --amount all that is left goes back. Exit status: 0 the money went back, 1 refused, 2 not, 3 still under way.

import { parseArgs } from 'node:util';
import { systemRandom } from '@tillmesh/clock';
import { RefundState, RefundStateSchema } from '@tillmesh/proto/tillmesh/payment/v1/refund_pb.ts';
import { readByMerchantOrderNo, refund } from './cashier-client.ts';
import { demandMinorUnits, EXIT, runProgram, say, tellEnum, tellMoney } from './command-line.ts';

const { values: options } = parseArgs({
  options: {
    merchant: { type: 'string', default: 'demo-cafe' },
    'order-no': { type: 'string', default: '' },
    amount: { type: 'string' },
    // The key of a repeat, as the order number is for a payment: a real back office keeps it before it calls.
    'refund-no': { type: 'string', default: `REFUND-${systemRandom.hex(6)}` },
    reason: { type: 'string', default: 'Customer returned the goods' },
    address: { type: 'string' },
  },
});

/** Channels take seconds for most refunds and days for a few; those go on by themselves. */
const WAIT_MS = 60_000;

await runProgram('example-back-office', options.address, async (cashier, clock) => {
  const payment = await readByMerchantOrderNo(cashier, options.merchant, options['order-no'], clock);
  const wish = {
    merchantRefundNo: options['refund-no'],
    reason: options.reason,
    ...(options.amount === undefined ? {} : { minorUnits: demandMinorUnits(options.amount) }),
  };
  const done = await refund(cashier, payment, wish, { clock, withinMs: WAIT_MS });
  say(`refund     ${done.merchantRefundNo} of ${tellMoney(done.amount)} ${tellEnum(RefundStateSchema, done.state)}`);
  say(`number     ${done.refundNo}`);
  switch (done.state) {
    case RefundState.SUCCEEDED:
      return EXIT.done;
    case RefundState.FAILED:
    case RefundState.ABNORMAL:
      return EXIT.notPaid;
    case RefundState.REQUESTED:
    case RefundState.PROCESSING:
    case RefundState.UNKNOWN:
    case RefundState.UNSPECIFIED:
    default:
      return EXIT.stillPaying;
  }
});
