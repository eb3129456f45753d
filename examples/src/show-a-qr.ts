// A QR code that the payer scans: node examples/src/show-a-qr.ts --wallet alipay --amount 56.00 [--wait 60]
//
// Exit status: 0 paid, 1 refused, 2 closed unpaid after --wait seconds, 3 nobody knows yet.

import { parseArgs } from 'node:util';
import { systemRandom } from '@tillmesh/clock';
import { LearnedBySchema } from '@tillmesh/proto/tillmesh/payment/v1/outcome_pb.ts';
import { PaymentState, Wallet } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { withSpan } from '@tillmesh/telemetry';
import { close, takeByQr, untilItRests } from './cashier-client.ts';
import { demandMinorUnits, EXIT, runProgram, say, tellEnum, tellMoney } from './command-line.ts';

const { values: options } = parseArgs({
  options: {
    wallet: { type: 'string', default: 'wechat' },
    amount: { type: 'string' },
    wait: { type: 'string', default: '60' },
    merchant: { type: 'string', default: 'demo-cafe' },
    'order-no': { type: 'string', default: `QR-${systemRandom.hex(6)}` },
    subject: { type: 'string', default: 'Beans, 250 g' },
    address: { type: 'string' },
  },
});

const WALLETS: ReadonlyMap<string, Wallet> = new Map([
  ['wechat', Wallet.WECHAT],
  ['alipay', Wallet.ALIPAY],
]);
/** A payer may be typing the password while the shop gives up: the channel says so in a moment. */
const CLOSING_MS_MAX = 30_000;

await runProgram('example-till', options.address, (cashier, clock) =>
  withSpan('sale', {}, async () => {
    const wallet = WALLETS.get(options.wallet);
    if (wallet === undefined) throw new Error(`--wallet has to be one of ${[...WALLETS.keys()].join(', ')}.`);
    const sale = {
      merchantId: options.merchant,
      merchantOrderNo: options['order-no'],
      minorUnits: demandMinorUnits(options.amount),
      currency: 'CNY',
      subject: options.subject,
      terminalId: 'till-1',
    };
    say(`sale       ${sale.merchantOrderNo} at ${sale.merchantId}`);
    let payment = await takeByQr(cashier, sale, wallet, clock);
    if (payment.action?.action.case === 'qrCode') {
      // Any library for QR codes makes the picture of this text.
      say(`show       ${payment.action.action.value}`);
    }
    payment = await untilItRests(cashier, payment, { clock, withinMs: Number(options.wait) * 1_000 });
    if (payment.state === PaymentState.PAYING) {
      say(`closing    nobody has paid within ${options.wait} s`);
      payment = await close(cashier, payment, clock);
      payment = await untilItRests(cashier, payment, { clock, withinMs: CLOSING_MS_MAX });
    }
    switch (payment.state) {
      case PaymentState.SUCCEEDED:
        say(
          `paid       ${tellMoney(payment.amount)}: ${payment.orderNo}, learned by ${tellEnum(LearnedBySchema, payment.learnedBy)}`,
        );
        return EXIT.done;
      case PaymentState.CLOSED:
      case PaymentState.FAILED:
      case PaymentState.DECLINED:
        say(`not paid   ${payment.orderNo}; money that still arrives goes back by itself`);
        return EXIT.notPaid;
      case PaymentState.PAYING:
      case PaymentState.UNSPECIFIED:
      default:
        say(`unknown    ${payment.orderNo}; read it later with read-a-payment.ts`);
        return EXIT.stillPaying;
    }
  }),
);
