import {
  type AttemptReport,
  attemptReport,
  type CallFacts,
  type CloseReport,
  codeReport,
  fromRfc3339,
  type JsonObject,
  type OrderRef,
  outcomeOfEnd,
  type PaymentRequest,
  textAt,
  toBeijingRfc3339,
  unanswered,
  unansweredPayment,
  wholeNumberAt,
} from '@tillmesh/channel-kit';
import { type ClientAction, type Money, parseMoney, unknownOutcome } from '@tillmesh/domain';
import { type Answered, callV3 } from './client.ts';
import { classify, type V3Operation } from './code-table.ts';
import type { WechatAccount } from './config.ts';
import {
  isOurTransaction,
  ordersPathOf,
  payerOf,
  payersAppOf,
  v3MerchantIds,
  v3MerchantNumbers,
} from './merchant-ids.ts';
import { detailsOfTransaction } from './payment-details.ts';
import { orderReport, type ToldOrder } from './trade-state.ts';
import { appParameters, jsapiParameters } from './v3-signature.ts';
import { stampOf, type WechatCall } from './wechat-call.ts';

type V3Answer = Extract<Answered<JsonObject>, { kind: 'answered' }>;

/** An `amount` object's number under a name, with its currency. */
export const moneyIn = (content: JsonObject, name: string): Money | undefined => {
  const minorUnits = wholeNumberAt(content, 'amount', name);
  const currency = textAt(content, 'amount', 'currency') ?? 'CNY';
  return minorUnits === undefined ? undefined : parseMoney(currency, BigInt(minorUnits));
};

/** What a transaction says: the answer to a query, or the resource of a notification. */
export const toldTransaction = (content: JsonObject, account: WechatAccount): ToldOrder => ({
  channelOrderNo: textAt(content, 'out_trade_no'),
  paid: moneyIn(content, 'total'),
  details: detailsOfTransaction(content, moneyIn(content, 'total')),
  channelTransactionId: textAt(content, 'transaction_id'),
  paidAtMs: fromRfc3339(textAt(content, 'success_time') ?? ''),
  isOurs: isOurTransaction(content, account),
  state: textAt(content, 'trade_state'),
  stateText: textAt(content, 'trade_state_desc') ?? '',
});

/** What an answer without success says by its code. */
export const refusalReport = (answer: V3Answer, operation: V3Operation): AttemptReport => {
  const { facts, trust, content } = answer;
  const code = textAt(content, 'code');
  if (code === undefined) return attemptReport(facts, unknownOutcome(`HTTP ${facts.httpStatus} that cannot be read`));
  const meaning = classify({ api: 'v3', operation, code, trust });
  return codeReport(facts, meaning, { code, message: textAt(content, 'message') ?? '' });
};

/** True for a verified answer that says with this status that it was done. */
export const isVerifiedSuccess = (answer: V3Answer, status: number): boolean =>
  answer.facts.httpStatus === status && answer.trust.signature === 'verified' && answer.content !== undefined;

const CODE_URL = /^weixin:\/\/wxpay\/[!-~]{1,500}$/;
const H5_URL = /^https:\/\/wx\.tenpay\.com\/[!-~]{1,2000}$/;
const PREPAY_ID = /^[0-9A-Za-z_-]{1,64}$/;

/** What the payer's device needs, out of a verified answer; undefined where the answer does not hold it. */
const actionIn = (content: JsonObject, kind: OrderRef['kind'], call: WechatCall): ClientAction | undefined => {
  if (kind === 'merchant_qr') {
    const qrCode = textAt(content, 'code_url');
    return qrCode !== undefined && CODE_URL.test(qrCode) ? { kind: 'qr_code', qrCode } : undefined;
  }
  if (kind === 'h5') {
    const url = textAt(content, 'h5_url');
    return url !== undefined && H5_URL.test(url) ? { kind: 'redirect', url } : undefined;
  }
  const prepayId = textAt(content, 'prepay_id');
  if (prepayId === undefined || !PREPAY_ID.test(prepayId)) return undefined;
  const { mchId, privateKeyFile } = call.account;
  const appId = payersAppOf(call.account);
  // A provider's app names the provider's number here, as the official SDK does (WX-JAVA partnerpayments/app/AppServiceExtension).
  if (kind === 'app') {
    return { kind: 'app', parameters: appParameters(appId, mchId, prepayId, stampOf(call), privateKeyFile) };
  }
  return { kind: 'jsapi', parameters: jsapiParameters(appId, prepayId, stampOf(call), privateKeyFile) };
};

const PRODUCTS: ReadonlyMap<OrderRef['kind'], string> = new Map([
  ['merchant_qr', 'native'],
  ['jsapi', 'jsapi'],
  ['mini_program', 'jsapi'],
  ['h5', 'h5'],
  ['app', 'app'],
]);
const isInWechat = ({ kind }: OrderRef): boolean => kind === 'jsapi' || kind === 'mini_program';

const sceneOf = (request: PaymentRequest): JsonObject => {
  const clientIp = request.clientIp.reveal();
  // H5 is refused without the payer's address and what kind of page it is.
  if (request.order.kind === 'h5') {
    return { scene_info: { payer_client_ip: clientIp || '127.0.0.1', h5_info: { type: 'Wap' } } };
  }
  const terminal = request.terminalId === '' ? {} : { device_id: request.terminalId };
  return clientIp === '' ? {} : { scene_info: { payer_client_ip: clientIp, ...terminal } };
};

/**
 * Places an order that the payer then pays: Native (merchant_qr), JSAPI (also in mini programs), H5 or App. A code to show comes out of a verified answer
 * alone: an answer that somebody else made could make the payer pay somebody else.
 */
export const placeOrder = async (request: PaymentRequest, call: WechatCall): Promise<AttemptReport> => {
  const { order } = request;
  const { account } = call;
  const path = `${ordersPathOf(account)}/${PRODUCTS.get(order.kind) ?? 'native'}`;
  const answer = await callV3(call, {
    method: 'POST',
    path,
    pathTemplate: path,
    body: {
      ...v3MerchantIds(account),
      description: request.subject,
      out_trade_no: order.channelOrderNo,
      time_expire: toBeijingRfc3339(request.expireAtMs),
      ...(request.notifyUrl === '' ? {} : { notify_url: request.notifyUrl }),
      amount: { total: Number(order.amount.minorUnits), currency: order.amount.currency },
      ...(isInWechat(order) ? { payer: payerOf(account, request.payerId.reveal()) } : {}),
      ...sceneOf(request),
    },
  });
  if (answer.kind === 'unanswered') return unansweredPayment(answer.facts, answer.cause);
  const { facts, content } = answer;
  if (facts.httpStatus !== 200) return refusalReport(answer, 'place');
  const action =
    isVerifiedSuccess(answer, 200) && content !== undefined ? actionIn(content, order.kind, call) : undefined;
  return action === undefined
    ? attemptReport(facts, unknownOutcome('an order was placed, but its answer is not verified or cannot be read'))
    : attemptReport(facts, { kind: 'pending_payer' }, { action });
};

/** Where v3 has an order, and the same with a name in the place of its number. */
export const orderPathOf = (order: OrderRef, account: WechatAccount) => {
  const orders = `${ordersPathOf(account)}/out-trade-no`;
  return { path: `${orders}/${order.channelOrderNo}`, pathTemplate: `${orders}/{out_trade_no}` };
};

/** Asks how an order stands. */
export const askOrder = async (order: OrderRef, call: WechatCall): Promise<AttemptReport> => {
  const { path, pathTemplate } = orderPathOf(order, call.account);
  const merchant = new URLSearchParams(v3MerchantNumbers(call.account));
  const answer = await callV3(call, { method: 'GET', path: `${path}?${merchant.toString()}`, pathTemplate });
  if (answer.kind === 'unanswered') return unanswered(answer.facts, answer.cause);
  const { facts, content } = answer;
  if (facts.httpStatus !== 200 || content === undefined) return refusalReport(answer, 'query');
  return orderReport('wechat-v3', toldTransaction(content, call.account), order, facts);
};

const closedReport = (facts: CallFacts): CloseReport => ({
  end: 'closed',
  repeat: false,
  seen: attemptReport(
    facts,
    outcomeOfEnd({ ruleId: 'wechat-v3.close.204', closed: true }, { isOurs: true }, facts.signature ?? 'absent'),
  ),
});

/** Closes an order that is not paid: 204, also when it is closed already. */
export const closeOrder = async (order: OrderRef, call: WechatCall): Promise<CloseReport> => {
  const { path, pathTemplate } = orderPathOf(order, call.account);
  const answer = await callV3(call, {
    method: 'POST',
    path: `${path}/close`,
    pathTemplate: `${pathTemplate}/close`,
    body: v3MerchantNumbers(call.account),
  });
  if (answer.kind === 'unanswered') {
    return { end: 'undecided', repeat: true, seen: unanswered(answer.facts, answer.cause) };
  }
  if (isVerifiedSuccess(answer, 204)) return closedReport(answer.facts);
  const seen = refusalReport(answer, 'close');
  if (seen.outcome.kind === 'pending_payer') return { end: 'payer_paying', repeat: true, seen };
  // Paid, says a row of the table; how much and when, a query has to tell.
  const paid = seen.ruleId === 'wechat-v3.close.ORDERPAID' && answer.trust.signature === 'verified';
  return paid ? { end: 'already_paid', repeat: false, seen } : { end: 'undecided', repeat: true, seen };
};
