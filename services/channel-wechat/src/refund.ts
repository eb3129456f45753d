import {
  type JsonObject,
  type RefundRef,
  type RefundReport,
  type RefundRequest,
  refundReport,
  refundStateOf,
  type ToldRefund,
  textAt,
} from '@tillmesh/channel-kit';
import { type Answered, callV3 } from './client.ts';
import { classify } from './code-table.ts';
import type { WechatAccount } from './config.ts';
import { namesOnlyUs, subMerchantNumber } from './merchant-ids.ts';
import { moneyIn } from './order-payment.ts';
import type { WechatCall } from './wechat-call.ts';

// All refunds go over v3, those of code payments too: v3 takes any order of the merchant by its number, its answers are signed
// with a key that only WeChat Pay has, and v2's refund would need the API certificate and knows no public-key mode.

// Source: WX-OAPI Enumerations.yaml spells CLOSE, the documents CLOSED; both are accepted.
const STATES: ReadonlyMap<string, RefundReport['state']> = new Map([
  ['SUCCESS', 'succeeded'],
  ['PROCESSING', 'processing'],
  ['CLOSED', 'failed'],
  ['CLOSE', 'failed'],
  ['ABNORMAL', 'abnormal'],
]);

/** The state of a refund in WeChat Pay's words; undefined for a word that nobody listed. */
export const refundStateOfWord = (word: string | undefined): RefundReport['state'] | undefined =>
  word === undefined ? undefined : STATES.get(word);

/** The row that a state stands for, where it is a definite refusal. */
export const refundRuleOf = (state: RefundReport['state'], word: string | undefined): string =>
  state === 'failed' ? `wechat-v3.refund.status.${word}` : '';

const toldRefund = (content: JsonObject, refund: RefundRef, account: WechatAccount): ToldRefund => ({
  refundNo: textAt(content, 'out_refund_no'),
  refunded: moneyIn(content, 'refund'),
  isOurs: textAt(content, 'out_trade_no') === refund.order.channelOrderNo && namesOnlyUs(content, account),
});

const reportOf = (
  answer: Answered<JsonObject>,
  operation: 'refund' | 'query_refund',
  refund: RefundRef,
  account: WechatAccount,
): RefundReport => {
  if (answer.kind === 'unanswered') {
    return refundReport(answer.facts, 'unknown', { channelMessage: answer.cause });
  }
  const { facts, trust, content } = answer;
  if (content === undefined) return refundReport(facts, 'unknown', { channelMessage: 'the answer cannot be read' });
  if (facts.httpStatus !== 200) {
    const code = textAt(content, 'code') ?? '';
    const meaning = classify({ api: 'v3', operation, code, trust });
    return refundReport(facts, meaning.failure === undefined ? 'unknown' : 'failed', {
      ruleId: meaning.ruleId,
      channelCode: code,
      channelMessage: textAt(content, 'message') ?? '',
      refundNotFound: meaning.orderNotFound,
    });
  }
  const word = textAt(content, 'status');
  const told = toldRefund(content, refund, account);
  const state = refundStateOf(refundStateOfWord(word), told, refund, facts.signature);
  return refundReport(facts, state, {
    ruleId: refundRuleOf(state, word),
    channelRefundId: textAt(content, 'refund_id') ?? '',
    channelCode: word ?? '',
    refunded: state === 'succeeded' || state === 'processing' ? told.refunded : undefined,
  });
};

/** Gives money back. The same refund number twice is one refund at the channel. */
export const refundOrder = async (request: RefundRequest, call: WechatCall): Promise<RefundReport> => {
  const { order, amount } = request;
  const path = '/v3/refund/domestic/refunds';
  const answer = await callV3(call, {
    method: 'POST',
    path,
    pathTemplate: path,
    body: {
      ...subMerchantNumber(call.account),
      out_trade_no: order.channelOrderNo,
      out_refund_no: request.refundNo,
      ...(request.reason === '' ? {} : { reason: request.reason }),
      ...(request.notifyUrl === '' ? {} : { notify_url: request.notifyUrl }),
      amount: {
        refund: Number(amount.minorUnits),
        total: Number(order.amount.minorUnits),
        currency: amount.currency,
      },
    },
  });
  return reportOf(answer, 'refund', request, call.account);
};

/** Asks how a refund stands. */
export const askRefund = async (refund: RefundRef, call: WechatCall): Promise<RefundReport> => {
  const merchant = new URLSearchParams(subMerchantNumber(call.account)).toString();
  const answer = await callV3(call, {
    method: 'GET',
    path: `/v3/refund/domestic/refunds/${refund.refundNo}${merchant === '' ? '' : `?${merchant}`}`,
    pathTemplate: '/v3/refund/domestic/refunds/{out_refund_no}',
  });
  return reportOf(answer, 'query_refund', refund, call.account);
};
