import {
  type AttemptReport,
  attemptReport,
  codeReport,
  type JsonObject,
  nothingSent,
  type OrderRef,
  outcomeOfSuccess,
  type PaymentRequest,
  readDetails,
  textAt,
  toBeijingText,
  unanswered,
  unansweredPayment,
} from '@tillmesh/channel-kit';
import type { PaymentKind } from '@tillmesh/domain';
import { toDecimalText, unknownOutcome } from '@tillmesh/domain';
import { type AlipayCall, callGateway, gatewayOf, signedParameters } from './client.ts';
import { classify } from './code-table.ts';
import { detailsOfTrade } from './payment-details.ts';
import { SCAN_CODE_MINUTES_MAX } from './poll-plans.ts';
import { isVerifiedSuccess, refusalReport, toldTrade, tradeReport } from './trade.ts';

const MINUTE_MS = 60_000;

/**
 * The time to pay, in Alipay's whole minutes: never longer than the payment's own, at least one. Counted from the attempt and
 * not from now, so that a repeat asks for the same.
 */
const timeoutExpress = ({ expireAtMs, order }: PaymentRequest): string => {
  const minutes = Math.floor((expireAtMs - order.createdAtMs) / MINUTE_MS);
  return `${Math.min(Math.max(1, minutes), SCAN_CODE_MINUTES_MAX)}m`;
};

const orderContent = (request: PaymentRequest): JsonObject => ({
  out_trade_no: request.order.channelOrderNo,
  subject: request.subject,
  total_amount: toDecimalText(request.order.amount),
  timeout_express: timeoutExpress(request),
  ...(request.terminalId === '' ? {} : { terminal_id: request.terminalId }),
});

/** Takes a payment by the payer's code (alipay.trade.pay). */
export const payByCode = async (request: PaymentRequest, call: AlipayCall): Promise<AttemptReport> => {
  const answer = await callGateway(call, {
    method: 'alipay.trade.pay',
    content: {
      ...orderContent(request),
      scene: 'bar_code',
      auth_code: request.paymentCode.reveal(),
    },
    notifyUrl: request.notifyUrl,
  });
  if (answer.kind === 'unanswered') return unansweredPayment(answer.facts, answer.cause);
  const { facts, content, trust } = answer;
  const code = textAt(content, 'code');
  if (content !== undefined && code === '10000') {
    const told = toldTrade(content, call.account, 'gmt_payment');
    const outcome = outcomeOfSuccess(told, request.order, trust.signature);
    return attemptReport(facts, outcome, {
      channelCode: code,
      channelTransactionId: told.channelTransactionId ?? '',
      details: readDetails(outcome, detailsOfTrade(content)),
    });
  }
  if (content !== undefined && code === '10003') return waitingReport(content, answer, request.order);
  return refusalReport(answer, 'pay');
};

/** The payer has to type a password; the trade has a number already. */
const waitingReport = (
  content: JsonObject,
  { facts, trust }: Pick<Extract<Awaited<ReturnType<typeof callGateway>>, { kind: 'answered' }>, 'facts' | 'trust'>,
  order: OrderRef,
): AttemptReport => {
  const isOurs = textAt(content, 'out_trade_no') === order.channelOrderNo;
  const told = { code: '10003', message: textAt(content, 'msg') ?? '', state: 'WAIT_BUYER_PAY' };
  return isOurs
    ? {
        ...codeReport(facts, classify({ operation: 'pay', code: '10003', subCode: '', trust }), told),
        channelTransactionId: textAt(content, 'trade_no') ?? '',
      }
    : attemptReport(facts, unknownOutcome('an answer that speaks of another order'), { channelCode: '10003' });
};

const QR_CODE = /^https:\/\/qr\.alipay\.com\/[!-~]{1,500}$/;

/**
 * Places an order to scan (alipay.trade.precreate). No trade exists before the payer has scanned it. A code to show comes
 * out of a verified answer alone: an answer that somebody else made could make the payer pay somebody else.
 */
export const placeOrder = async (request: PaymentRequest, call: AlipayCall): Promise<AttemptReport> => {
  const answer = await callGateway(call, {
    method: 'alipay.trade.precreate',
    content: {
      ...orderContent(request),
      // timeout_express counts from the scan alone (developer.aliyun.com/article/707654): without this the code would live for two hours.
      qr_code_timeout_express: timeoutExpress(request),
    },
    notifyUrl: request.notifyUrl,
  });
  if (answer.kind === 'unanswered') return unansweredPayment(answer.facts, answer.cause);
  const { facts, content } = answer;
  if (textAt(content, 'code') !== '10000') return refusalReport(answer, 'precreate');
  const qrCode = textAt(content, 'qr_code') ?? '';
  const isOurs = textAt(content, 'out_trade_no') === request.order.channelOrderNo;
  return isVerifiedSuccess(answer) && isOurs && QR_CODE.test(qrCode)
    ? attemptReport(facts, { kind: 'pending_payer' }, { channelCode: '10000', action: { kind: 'qr_code', qrCode } })
    : attemptReport(facts, unknownOutcome('an order was placed, but its answer is not verified or cannot be read'));
};

const TRADE_NO = /^[0-9]{16,64}$/;
const USER_ID = /^2088[0-9]{12}$/;

/**
 * Makes a trade for a payer who is known (alipay.trade.create), to be paid inside Alipay: its number is what the page there needs.
 * Trades of one number with equal parameters are one.
 */
export const createTrade = async (request: PaymentRequest, call: AlipayCall): Promise<AttemptReport> => {
  const payer = request.payerId.reveal();
  const answer = await callGateway(call, {
    method: 'alipay.trade.create',
    content: {
      ...orderContent(request),
      product_code: 'JSAPI_PAY',
      ...(USER_ID.test(payer) ? { buyer_id: payer } : { buyer_open_id: payer }),
    },
    notifyUrl: request.notifyUrl,
  });
  if (answer.kind === 'unanswered') return unansweredPayment(answer.facts, answer.cause);
  const { facts, content } = answer;
  if (textAt(content, 'code') !== '10000') return refusalReport(answer, 'create');
  const tradeNo = textAt(content, 'trade_no') ?? '';
  const isOurs = textAt(content, 'out_trade_no') === request.order.channelOrderNo;
  return isVerifiedSuccess(answer) && isOurs && TRADE_NO.test(tradeNo)
    ? attemptReport(
        facts,
        { kind: 'pending_payer' },
        {
          channelCode: '10000',
          channelTransactionId: tradeNo,
          action: { kind: 'jsapi', parameters: { tradeNO: tradeNo } },
        },
      )
    : attemptReport(facts, unknownOutcome('a trade was made, but its answer is not verified or cannot be read'));
};

type Page = { readonly method: string; readonly productCode: string };

// Ways on which the payer's own device asks Alipay: we sign what it asks, and Alipay hears of it from there.
const PAGES: ReadonlyMap<PaymentKind, Page> = new Map([
  ['h5', { method: 'alipay.trade.wap.pay', productCode: 'QUICK_WAP_WAY' }],
  ['pc_redirect', { method: 'alipay.trade.page.pay', productCode: 'FAST_INSTANT_TRADE_PAY' }],
  ['app', { method: 'alipay.trade.app.pay', productCode: 'QUICK_MSECURITY_PAY' }],
]);

/**
 * Signs what the payer's browser or app sends to Alipay. Nothing is sent from here, so there is no order at Alipay before the payer has
 * opened it, and the same text opened twice is one trade: its number is the order's. It counts until the payment's expiry, which
 * stands in it.
 */
export const signForPayer = async (request: PaymentRequest, call: AlipayCall): Promise<AttemptReport> => {
  const page = PAGES.get(request.order.kind);
  if (page === undefined) throw new Error(`${request.order.kind} is no way on which the payer asks Alipay`);
  const { timeout_express: _minutes, ...content } = orderContent(request);
  // No longer than a code to scan: from some time after it "no such order" is final.
  const longestMs = request.order.createdAtMs + SCAN_CODE_MINUTES_MAX * MINUTE_MS;
  const expireAtMs = Math.min(request.expireAtMs, longestMs);
  const text = signedParameters(call, {
    method: page.method,
    content: { ...content, product_code: page.productCode, time_expire: toBeijingText(expireAtMs) },
    notifyUrl: request.notifyUrl,
    returnUrl: request.order.kind === 'app' ? '' : (call.account.returnUrl ?? ''),
    // The same for every repeat, so that a repeat shows the same address.
    atMs: request.order.createdAtMs,
  });
  const [baseUrl = ''] = call.account.baseUrls;
  return attemptReport(
    nothingSent,
    { kind: 'pending_payer' },
    {
      channelMessage: 'nothing_to_send',
      action:
        request.order.kind === 'app'
          ? { kind: 'app', parameters: { orderStr: text } }
          : { kind: 'redirect', url: `${gatewayOf(baseUrl)}?${text}` },
    },
  );
};

/** Asks how an order stands (alipay.trade.query). */
export const askOrder = async (order: OrderRef, call: AlipayCall): Promise<AttemptReport> => {
  const answer = await callGateway(call, {
    method: 'alipay.trade.query',
    content: { out_trade_no: order.channelOrderNo },
  });
  if (answer.kind === 'unanswered') return unanswered(answer.facts, answer.cause);
  const { facts, content } = answer;
  return content !== undefined && textAt(content, 'code') === '10000'
    ? tradeReport(content, call.account, order, facts)
    : refusalReport(answer, 'query');
};
