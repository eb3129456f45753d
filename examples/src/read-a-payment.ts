// What became of a sale: node examples/src/read-a-payment.ts --order-no <merchant order number>
//
// Exit status: 0 read, 1 refused.

import { parseArgs } from 'node:util';
import { AttemptStateSchema } from '@tillmesh/proto/tillmesh/payment/v1/attempt_pb.ts';
import { PaymentStateSchema } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { readByMerchantOrderNo } from './cashier-client.ts';
import { EXIT, runProgram, say, tellEnum, tellMoney } from './command-line.ts';

const { values: options } = parseArgs({
  options: {
    merchant: { type: 'string', default: 'demo-cafe' },
    'order-no': { type: 'string', default: '' },
    address: { type: 'string' },
  },
});

await runProgram('example-back-office', options.address, async (cashier, clock) => {
  const payment = await readByMerchantOrderNo(cashier, options.merchant, options['order-no'], clock);
  say(`payment    ${payment.orderNo} is ${tellEnum(PaymentStateSchema, payment.state)}`);
  say(`amount     ${tellMoney(payment.amount)}, of which refunded ${tellMoney(payment.refunded)}`);
  for (const { attemptNo, accountId, state, channelCode } of payment.attempts) {
    const code = channelCode === '' ? '' : ` (${channelCode})`;
    say(`attempt ${attemptNo}  ${accountId}: ${tellEnum(AttemptStateSchema, state)}${code}`);
  }
  return EXIT.done;
});
