import type { Clock } from '@tillmesh/clock';
import { revokedUnpaid, type WechatOrder } from './order.ts';
import type { WechatOrders } from './orders.ts';
import { refuse, type V2Answer } from './v2-answer.ts';
import type { V2Operation } from './v2-call.ts';
import { fieldProblem, orderRefOf } from './v2-fields.ts';
import type { V2Passed } from './v2-gate.ts';
import { queryFields } from './v2-order-fields.ts';

const REVERSIBLE_FOR_MS = 7 * 24 * 3_600_000;

// "Call me again" where the order may still move (research, 1.3: repeat while recall=Y).
const CODES_TO_REPEAT: ReadonlySet<string> = new Set(['SYSTEMERROR', 'BANKERROR', 'USERPAYING']);

const reverseRefused = (code: string): V2Answer => ({
  kind: 'refused',
  code,
  fields: { recall: CODES_TO_REPEAT.has(code) ? 'Y' : 'N' },
});
const reversed: V2Answer = { kind: 'done', fields: { recall: 'N' } };

/** Finds the order that a request names, anew on every call. */
export const orderFinder =
  (orders: WechatOrders, { account, fields }: V2Passed) =>
  (): WechatOrder | undefined => {
    const { transactionId, outTradeNo } = orderRefOf(fields);
    return transactionId === undefined
      ? orders.find(account.mchid, outTradeNo ?? '')
      : orders.findByTransactionId(account.mchid, transactionId);
  };

/** POST /pay/orderquery. */
export const createOrderQuery = (orders: WechatOrders): V2Operation => ({
  name: 'v2.orderquery',
  operation: 'query',
  read: (passed) => {
    const { account, fields } = passed;
    const problem = fieldProblem(fields, account.appid, ['mch_id']);
    if (problem !== undefined) return problem;
    const ref = orderRefOf(fields);
    if (ref.transactionId === undefined && ref.outTradeNo === undefined) return refuse('LACK_PARAMS');
    const find = orderFinder(orders, passed);
    return {
      order: find,
      description: find()?.description,
      paymentCode: find()?.paymentCode,
      codeActs: [],
      perform: () => {
        const order = find();
        return order === undefined ? refuse('ORDERNOTEXIST') : { kind: 'done', fields: queryFields(order) };
      },
      decline: refuse,
    };
  },
});

/** POST /secapi/pay/reverse: closes what is unpaid and gives back what is paid. The client certificate comes later. */
export const createReverse = (deps: { readonly clock: Clock; readonly orders: WechatOrders }): V2Operation => {
  const { clock, orders } = deps;
  const reverse = (order: WechatOrder | undefined): V2Answer => {
    if (order === undefined) return reverseRefused('ORDERNOTEXIST');
    if (order.tradeType !== 'MICROPAY') return reverseRefused('INVALID_REQUEST');
    switch (order.state) {
      case 'USERPAYING':
        return reverseRefused('USERPAYING');
      case 'REVOKED':
        return reversed;
      case 'CLOSED':
        return reverseRefused('ORDERCLOSED');
      case 'NOTPAY':
      case 'PAYERROR':
        orders.put(revokedUnpaid(order));
        return reversed;
      case 'SUCCESS':
        if (clock.nowMs() - order.paidAtMs > REVERSIBLE_FOR_MS) return reverseRefused('REVERSE_EXPIRE');
        orders.reverse(order);
        return reversed;
    }
  };
  return {
    name: 'v2.reverse',
    operation: 'reverse',
    read: (passed) => {
      const { account, fields } = passed;
      const problem = fieldProblem(fields, account.appid, ['mch_id']);
      if (problem !== undefined) return problem;
      const ref = orderRefOf(fields);
      if (ref.transactionId === undefined && ref.outTradeNo === undefined) return refuse('LACK_PARAMS');
      const find = orderFinder(orders, passed);
      return {
        order: find,
        description: find()?.description,
        paymentCode: find()?.paymentCode,
        codeActs: [],
        perform: () => reverse(find()),
        decline: reverseRefused,
      };
    },
  };
};
