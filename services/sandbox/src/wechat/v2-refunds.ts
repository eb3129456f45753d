import { spacedInBeijing } from '../beijing-time.ts';
import type { WechatOrders } from './orders.ts';
import { RECEIVED_ACCOUNT, type RefundEnd, type WechatRefund } from './refund.ts';
import type { RefundAsked, WechatRefunds } from './refunds.ts';
import { refuse, type V2Answer } from './v2-answer.ts';
import type { V2Operation } from './v2-call.ts';
import { fenOfField, fieldProblem, orderRefOf } from './v2-fields.ts';
import type { V2Passed } from './v2-gate.ts';
import { orderFinder } from './v2-orders.ts';

const REFUSALS: Readonly<Record<Exclude<RefundAsked['kind'], 'accepted'>, string>> = {
  no_order: 'ORDERNOTEXIST',
  not_paid: 'TRADE_STATE_ERROR',
  total_differs: 'REFUND_FEE_MISMATCH',
  number_used: 'REFUND_FEE_MISMATCH',
  too_much: 'INVALID_REQUEST',
  too_many: 'INVALID_REQUEST',
  too_late: 'TRADE_OVERDUE',
  too_soon: 'FREQUENCY_LIMITED',
};

/** POST /secapi/pay/refund. The client certificate comes later. */
export const createV2Refund = (deps: {
  readonly orders: WechatOrders;
  readonly refunds: WechatRefunds;
}): V2Operation => ({
  name: 'v2.refund',
  operation: 'refund',
  read: (passed) => {
    const { account, fields } = passed;
    const problem = fieldProblem(fields, account, ['mch_id', 'out_refund_no', 'total_fee', 'refund_fee']);
    if (problem !== undefined) return problem;
    const ref = orderRefOf(fields);
    const amount = fenOfField(fields.get('refund_fee'));
    const total = fenOfField(fields.get('total_fee'));
    if (ref.transactionId === undefined && ref.outTradeNo === undefined) return refuse('LACK_PARAMS');
    if (amount === undefined || total === undefined) return refuse('PARAM_ERROR');
    const find = orderFinder(deps.orders, passed);
    const answer = (asked: RefundAsked): V2Answer =>
      asked.kind === 'accepted' ? { kind: 'done', fields: acceptedFields(asked.refund) } : refuse(REFUSALS[asked.kind]);
    return {
      order: find,
      description: find()?.description,
      paymentCode: find()?.paymentCode,
      codeActs: [],
      perform: (acts) =>
        answer(
          deps.refunds.ask({
            mchid: account.mchid,
            order: find(),
            outRefundNo: fields.get('out_refund_no') ?? '',
            amount,
            total,
            // v2's refund notification has a form of its own (req_info, AES-ECB); nobody of ours asks for it.
            notifyUrl: undefined,
            acts,
          }),
        ),
      decline: refuse,
    };
  },
});

const acceptedFields = (refund: WechatRefund): Readonly<Record<string, string>> => ({
  transaction_id: refund.transactionId,
  out_trade_no: refund.outTradeNo,
  out_refund_no: refund.outRefundNo,
  refund_id: refund.refundId,
  refund_fee: String(refund.amount),
  total_fee: String(refund.total),
  fee_type: 'CNY',
  cash_fee: String(refund.total),
  cash_refund_fee: String(refund.amount),
});

/** v2's spelling of how a refund stands. */
const STATUSES: Readonly<Record<RefundEnd | 'PROCESSING', string>> = {
  SUCCESS: 'SUCCESS',
  PROCESSING: 'PROCESSING',
  ABNORMAL: 'CHANGE',
  CLOSED: 'REFUNDCLOSE',
};

const refundFields = (refund: WechatRefund, index: number): readonly (readonly [string, string])[] => [
  [`out_refund_no_${index}`, refund.outRefundNo],
  [`refund_id_${index}`, refund.refundId],
  [`refund_channel_${index}`, 'ORIGINAL'],
  [`refund_fee_${index}`, String(refund.amount)],
  [`refund_status_${index}`, STATUSES[refund.status]],
  [`refund_account_${index}`, 'REFUND_SOURCE_UNSETTLED_FUNDS'],
  // The official field name lacks a letter.
  [`refund_recv_accout_${index}`, RECEIVED_ACCOUNT],
  ...(refund.status === 'SUCCESS'
    ? ([[`refund_success_time_${index}`, spacedInBeijing(refund.endedAtMs)]] as const)
    : []),
];

/** POST /pay/refundquery: by refund_id, out_refund_no, transaction_id or out_trade_no, in this order. */
export const createV2RefundQuery = (deps: {
  readonly orders: WechatOrders;
  readonly refunds: WechatRefunds;
}): V2Operation => {
  const find = (passed: V2Passed): readonly WechatRefund[] => {
    const { account, fields } = passed;
    const refundId = fields.get('refund_id') || undefined;
    const outRefundNo = fields.get('out_refund_no') || undefined;
    if (refundId !== undefined) return asList(deps.refunds.findByRefundId(account.mchid, refundId));
    if (outRefundNo !== undefined) return asList(deps.refunds.find(account.mchid, outRefundNo));
    const order = orderFinder(deps.orders, passed)();
    return order === undefined ? [] : deps.refunds.ofOrder(order);
  };
  const answer = (refunds: readonly WechatRefund[]): V2Answer => {
    const [first] = refunds;
    if (first === undefined) return refuse('REFUNDNOTEXIST');
    return {
      kind: 'done',
      fields: {
        transaction_id: first.transactionId,
        out_trade_no: first.outTradeNo,
        total_fee: String(first.total),
        fee_type: 'CNY',
        cash_fee: String(first.total),
        refund_count: String(refunds.length),
        ...Object.fromEntries(refunds.flatMap(refundFields)),
      },
    };
  };
  return {
    name: 'v2.refundquery',
    operation: 'refund_query',
    read: (passed) => {
      const problem = fieldProblem(passed.fields, passed.account, ['mch_id']);
      if (problem !== undefined) return problem;
      const order = () => {
        const [first] = find(passed);
        return first === undefined ? undefined : deps.orders.find(first.mchid, first.outTradeNo);
      };
      return {
        order,
        description: order()?.description,
        paymentCode: order()?.paymentCode,
        codeActs: [],
        perform: () => answer(find(passed)),
        decline: refuse,
      };
    },
  };
};

const asList = (refund: WechatRefund | undefined): readonly WechatRefund[] => (refund === undefined ? [] : [refund]);
