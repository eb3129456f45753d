import { fen } from '../fen.ts';
import type { HttpRequest } from '../http-server.ts';
import { isForAnother, type WechatAccount } from './account.ts';
import type { WechatOrders } from './orders.ts';
import { refundView } from './refund-view.ts';
import type { RefundAsked, WechatRefunds } from './refunds.ts';
import { answerOfError, type V3Answer, v3Error } from './v3-answer.ts';
import type { V3Read } from './v3-call.ts';
import { parseBody, RefundRequest } from './v3-request.ts';

const REFUSALS: Readonly<Record<Exclude<RefundAsked['kind'], 'accepted'>, readonly [code: string, message: string]>> = {
  no_order: ['RESOURCE_NOT_EXISTS', '订单不存在'],
  not_paid: ['INVALID_REQUEST', '订单未支付或已撤销，不可退款'],
  total_differs: ['INVALID_REQUEST', '订单金额或退款金额与之前请求不一致，请核实后再试'],
  number_used: ['INVALID_REQUEST', '商户退款单号重复，且请求参数与原请求不一致'],
  too_much: ['INVALID_REQUEST', '申请退款金额大于订单可退金额'],
  too_many: ['INVALID_REQUEST', '订单退款次数超过50次'],
  too_late: ['INVALID_REQUEST', '订单已超过一年，不可退款'],
  too_soon: ['FREQUENCY_LIMITED', '同一订单的多次退款请至少间隔1分钟'],
};

const OTHERS = ['INVALID_REQUEST', '特约子商户商户号与订单不一致'] as const;

/** Asking for refunds and about them, over v3. */
export const createV3Refunds = (deps: { readonly orders: WechatOrders; readonly refunds: WechatRefunds }) => {
  const { orders, refunds } = deps;
  const answer = (asked: RefundAsked): V3Answer =>
    asked.kind === 'accepted'
      ? { status: 200, body: refundView(asked.refund) }
      : answerOfError(v3Error(...REFUSALS[asked.kind]));

  return {
    ask: (account: WechatAccount, { body }: HttpRequest): V3Read => {
      const parsed = parseBody(RefundRequest, body);
      if (parsed.kind === 'error') return parsed;
      const { request } = parsed;
      const findOrder = () =>
        request.transaction_id === undefined
          ? orders.find(account.mchid, request.out_trade_no ?? '')
          : orders.findByTransactionId(account.mchid, request.transaction_id);
      const found = findOrder();
      return {
        kind: 'call',
        call: {
          name: 'v3.refund',
          operation: 'refund',
          outTradeNo: found?.outTradeNo ?? request.out_trade_no,
          description: found?.description,
          paymentCode: found?.paymentCode,
          perform: (acts) => {
            const order = findOrder();
            if (order !== undefined && isForAnother(order, account)) return answerOfError(v3Error(...OTHERS));
            return answer(
              refunds.ask({
                mchid: account.mchid,
                order,
                outRefundNo: request.out_refund_no,
                amount: fen(request.amount.refund),
                total: fen(request.amount.total),
                notifyUrl: request.notify_url,
                acts,
              }),
            );
          },
        },
      };
    },
    query: (account: WechatAccount, outRefundNo: string): V3Read => {
      const find = () => refunds.find(account.mchid, outRefundNo);
      return {
        kind: 'call',
        call: {
          name: 'v3.refund_query',
          operation: 'refund_query',
          outTradeNo: find()?.outTradeNo,
          description: undefined,
          paymentCode: undefined,
          perform: () => {
            const refund = find();
            const order = refund === undefined ? undefined : orders.find(account.mchid, refund.outTradeNo);
            if (order !== undefined && isForAnother(order, account)) return answerOfError(v3Error(...OTHERS));
            return refund === undefined
              ? answerOfError(v3Error('RESOURCE_NOT_EXISTS', '退款单不存在'))
              : { status: 200, body: refundView(refund) };
          },
        },
      };
    },
  };
};
