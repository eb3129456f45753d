import { isForAnother } from './account.ts';
import type { CodeOrders, CodeResult } from './code-orders.ts';
import type { WechatOrder } from './order.ts';
import type { WechatOrders } from './orders.ts';
import { refuse, type V2Answer } from './v2-answer.ts';
import type { V2Operation } from './v2-call.ts';
import { fieldProblem, orderRefOf } from './v2-fields.ts';
import type { V2Passed } from './v2-gate.ts';
import { queryFields } from './v2-order-fields.ts';

// "Call me again" where the order may still move (research, 1.3: repeat while recall=Y).
const CODES_TO_REPEAT: ReadonlySet<string> = new Set(['SYSTEMERROR', 'BANKERROR', 'USERPAYING']);

const reverseRefused = (code: string): V2Answer => ({
  kind: 'refused',
  code,
  fields: { recall: CODES_TO_REPEAT.has(code) ? 'Y' : 'N' },
});
const answerOfReverse = (result: CodeResult): V2Answer =>
  result.kind === 'order' ? { kind: 'done', fields: { recall: 'N' } } : reverseRefused(result.code);

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
    const problem = fieldProblem(fields, account, ['mch_id']);
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
        if (order === undefined) return refuse('ORDERNOTEXIST');
        return isForAnother(order, account) ? refuse('INVALID_REQUEST') : { kind: 'done', fields: queryFields(order) };
      },
      decline: refuse,
    };
  },
});

/** POST /secapi/pay/reverse: closes what is unpaid and gives back what is paid. The client certificate comes later. */
export const createReverse = (deps: {
  readonly orders: WechatOrders;
  readonly codeOrders: CodeOrders;
}): V2Operation => {
  const { orders, codeOrders } = deps;
  return {
    name: 'v2.reverse',
    operation: 'reverse',
    read: (passed) => {
      const { account, fields } = passed;
      const problem = fieldProblem(fields, account, ['mch_id']);
      if (problem !== undefined) return problem;
      const ref = orderRefOf(fields);
      if (ref.transactionId === undefined && ref.outTradeNo === undefined) return refuse('LACK_PARAMS');
      const find = orderFinder(orders, passed);
      return {
        order: find,
        description: find()?.description,
        paymentCode: find()?.paymentCode,
        codeActs: [],
        perform: () => answerOfReverse(codeOrders.reverse(find(), account)),
        decline: reverseRefused,
      };
    },
  };
};
