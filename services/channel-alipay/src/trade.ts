import {
  type AttemptReport,
  attemptReport,
  type CallFacts,
  codeReport,
  fromBeijingText,
  type JsonObject,
  type OrderRef,
  outcomeOfEnd,
  outcomeOfSuccess,
  readDetails,
  type ToldSuccess,
  textAt,
} from '@tillmesh/channel-kit';
import { fromDecimalText, type Money, type Outcome, unknownOutcome } from '@tillmesh/domain';
import type { Answered } from './client.ts';
import { type AlipayOperation, classify } from './code-table.ts';
import type { AlipayAccount } from './config.ts';
import { detailsOfTrade } from './payment-details.ts';

type Answer = Extract<Answered, { kind: 'answered' }>;

/** An amount in yuan under a name; undefined where there is none or where it is not one. */
export const moneyIn = (content: JsonObject, name: string): Money | undefined => {
  const text = textAt(content, name);
  return text === undefined ? undefined : fromDecimalText(textAt(content, 'trans_currency') ?? 'CNY', text);
};

/** What an answer or a notification says of a trade. @param timeName where it says when the payer paid. */
export const toldTrade = (content: JsonObject, account: AlipayAccount, timeName: string): ToldSuccess => {
  const sellerId = textAt(content, 'seller_id');
  return {
    channelOrderNo: textAt(content, 'out_trade_no'),
    paid: moneyIn(content, 'total_amount'),
    channelTransactionId: textAt(content, 'trade_no'),
    paidAtMs: fromBeijingText(textAt(content, timeName) ?? ''),
    // Answers need not name the seller: they answer a request that our application signed.
    isOurs: sellerId === undefined || sellerId === account.sellerId,
  };
};

/** True where an answer says that its method was carried out (10000) and Alipay's signature is right. */
export const isVerifiedSuccess = (answer: Answer): answer is Answer & { readonly content: JsonObject } =>
  answer.trust.signature === 'verified' && textAt(answer.content, 'code') === '10000';

/** The report of an answer by its codes. */
export const refusalReport = (answer: Answer, operation: AlipayOperation): AttemptReport => {
  const { facts, trust, content } = answer;
  const code = textAt(content, 'code');
  if (code === undefined) return attemptReport(facts, unknownOutcome(`HTTP ${facts.httpStatus} that cannot be read`));
  const subCode = textAt(content, 'sub_code') ?? '';
  const message = textAt(content, 'sub_msg') ?? textAt(content, 'msg') ?? '';
  return codeReport(facts, classify({ operation, code, subCode, trust }), { code, subCode, message });
};

const statusOutcome = (told: ToldSuccess, status: string, order: OrderRef, facts: CallFacts): Outcome => {
  const { signature } = facts;
  if (signature !== 'verified' || !told.isOurs || told.channelOrderNo !== order.channelOrderNo) {
    return unknownOutcome('an answer that is not verified or speaks of another order');
  }
  switch (status) {
    case 'TRADE_SUCCESS':
    case 'TRADE_FINISHED':
      return outcomeOfSuccess(told, order, signature);
    case 'WAIT_BUYER_PAY':
      return { kind: 'pending_payer' };
    // Never paid, or paid and given back in full (by a cancel): no money is left, and none can move any more.
    case 'TRADE_CLOSED':
      return outcomeOfEnd(
        { ruleId: 'alipay.query.trade_status.TRADE_CLOSED', closed: true },
        { isOurs: true },
        signature,
      );
    default:
      return unknownOutcome(`trade_status ${status}`);
  }
};

/** The report of an answer that says how a trade stands. */
export const tradeReport = (
  content: JsonObject,
  account: AlipayAccount,
  order: OrderRef,
  facts: CallFacts,
): AttemptReport => {
  const told = toldTrade(content, account, 'send_pay_date');
  const status = textAt(content, 'trade_status') ?? '';
  const outcome = statusOutcome(told, status, order, facts);
  return attemptReport(facts, outcome, {
    channelCode: textAt(content, 'code') ?? '',
    channelState: status,
    channelTransactionId: told.channelTransactionId ?? '',
    details: readDetails(outcome, detailsOfTrade(content)),
  });
};
