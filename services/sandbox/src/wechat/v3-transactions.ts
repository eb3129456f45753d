import type { Clock, Random } from '@tillmesh/clock';
import { compactInBeijing, msOfRfc3339 } from '../beijing-time.ts';
import { fen } from '../fen.ts';
import type { HttpRequest } from '../http-server.ts';
import type { Payers } from '../payers.ts';
import { type Act, payerPlanOf, secondsToScan } from '../script.ts';
import type { WechatAccount } from './account.ts';
import { closed, type NotPaid, type OrderTerms, orderKeyOf, type WechatOrder } from './order.ts';
import { orderView } from './order-view.ts';
import type { WechatOrders } from './orders.ts';
import { answerOfError, type V3Answer, v3Error } from './v3-answer.ts';
import type { V3Read } from './v3-call.ts';
import {
  CloseRequest,
  canonical,
  H5Request,
  JsapiRequest,
  NativeRequest,
  paramError,
  parseBody,
} from './v3-request.ts';

const ORDER_OPEN_MS = 7 * 24 * 3_600_000;

/** As `trade_type` says it. */
type PlacedType = 'NATIVE' | 'JSAPI' | 'MWEB' | 'APP';

const NAMES: Readonly<Record<PlacedType, string>> = {
  NATIVE: 'v3.native',
  JSAPI: 'v3.jsapi',
  MWEB: 'v3.h5',
  APP: 'v3.app',
};
const REQUESTS = { NATIVE: NativeRequest, MWEB: H5Request, APP: NativeRequest } as const;

const ok = (body: object): V3Answer => ({ status: 200, body });
const refuse = (code: string, message?: string): V3Answer => answerOfError(v3Error(code, message));

/** Placing, querying and closing orders over v3. */
export const createV3Transactions = (deps: {
  readonly clock: Clock;
  readonly random: Random;
  readonly orders: WechatOrders;
  readonly payers: Payers;
}) => {
  const { clock, random, orders, payers } = deps;

  const prepayOf = (tradeType: PlacedType): string =>
    tradeType === 'NATIVE'
      ? `weixin://wxpay/bizpayurl?pr=${random.hex(6)}zz`
      : `wx${compactInBeijing(clock.nowMs())}${random.hex(10)}0000`;
  const prepayAnswer = (order: WechatOrder): V3Answer => {
    if (order.tradeType === 'NATIVE') return ok({ code_url: order.prepay });
    if (order.tradeType !== 'MWEB') return ok({ prepay_id: order.prepay });
    const query = `prepay_id=${order.prepay}&package=${order.prepay?.slice(2, 12)}`;
    return ok({ h5_url: `https://wx.tenpay.com/cgi-bin/mmpayweb-bin/checkmweb?${query}` });
  };

  // A script can have somebody scan at once and pay some seconds later, for tests that have no hands.
  const letScan = (placed: NotPaid, acts: readonly Act[]): void => {
    const seconds = secondsToScan(acts);
    if (seconds === undefined) return;
    const plan = payerPlanOf(acts);
    const then = plan.act === 'types_password' ? plan.then : 'pays';
    orders.payerActs(placed, payers.meet('wechat', placed.openid).payerId, { act: 'types_password', seconds, then });
  };

  const again = (order: WechatOrder, terms: OrderTerms): V3Answer => {
    switch (order.state) {
      case 'SUCCESS':
        return refuse('ORDERPAID');
      case 'CLOSED':
      case 'REVOKED':
        return refuse('ORDER_CLOSED');
      case 'NOTPAY':
      case 'USERPAYING':
      case 'PAYERROR':
        return order.parameters === terms.parameters ? prepayAnswer(order) : refuse('OUT_TRADE_NO_USED');
    }
  };

  const place = (tradeType: PlacedType, account: WechatAccount, body: Buffer): V3Read => {
    const parsed = tradeType === 'JSAPI' ? parseBody(JsapiRequest, body) : parseBody(REQUESTS[tradeType], body);
    if (parsed.kind === 'error') return parsed;
    const { request } = parsed;
    if (request.mchid !== account.mchid) {
      return { kind: 'error', error: paramError('mchid', 'is not the mchid that signed', 'body') };
    }
    if (request.appid !== account.appid) return { kind: 'error', error: v3Error('APPID_MCHID_NOT_MATCH') };
    const nowMs = clock.nowMs();
    const expiresAtMs = request.time_expire === undefined ? undefined : msOfRfc3339(request.time_expire);
    const openid = tradeType === 'JSAPI' ? request.payer?.openid : undefined;
    const perform = (acts: readonly Act[]): V3Answer => {
      const terms: OrderTerms = {
        key: orderKeyOf(account.mchid, request.out_trade_no),
        accountId: account.accountId,
        mchid: account.mchid,
        appid: account.appid,
        outTradeNo: request.out_trade_no,
        tradeType,
        description: request.description,
        attach: request.attach,
        amount: fen(request.amount.total),
        notifyUrl: request.notify_url,
        openid,
        paymentCode: undefined,
        prepay: prepayOf(tradeType),
        parameters: `${tradeType} ${canonical(request)}`,
        acts,
        createdAtMs: nowMs,
        endsAtMs: expiresAtMs ?? nowMs + ORDER_OPEN_MS,
      };
      const before = orders.find(account.mchid, request.out_trade_no);
      if (before !== undefined) return again(before, terms);
      if (terms.endsAtMs <= nowMs) return answerOfError(paramError('time_expire', 'is in the past', 'body'));
      if (!orders.hasRoom()) return refuse('FREQUENCY_LIMITED');
      const placed = orders.place(terms);
      letScan(placed, acts);
      return prepayAnswer(placed);
    };
    const { out_trade_no: outTradeNo, description } = request;
    const name = NAMES[tradeType];
    return { kind: 'call', call: { name, operation: 'pay', outTradeNo, description, paymentCode: undefined, perform } };
  };

  const query = (
    account: WechatAccount,
    request: HttpRequest,
    find: () => WechatOrder | undefined,
    no?: string,
  ): V3Read => {
    if (request.query.get('mchid') !== account.mchid) {
      return { kind: 'error', error: paramError('mchid', 'is not the mchid that signed', 'query') };
    }
    const found = find();
    const perform = () => {
      const order = find();
      return order === undefined ? refuse('ORDER_NOT_EXIST') : ok(orderView(order));
    };
    return {
      kind: 'call',
      call: {
        name: 'v3.query',
        operation: 'query',
        outTradeNo: found?.outTradeNo ?? no,
        description: found?.description,
        paymentCode: found?.paymentCode,
        perform,
      },
    };
  };

  const closeOrder = (order: WechatOrder | undefined): V3Answer => {
    if (order === undefined) return refuse('ORDER_NOT_EXIST');
    if (order.tradeType === 'MICROPAY') return refuse('INVALID_REQUEST', '付款码支付订单请调用撤销接口');
    switch (order.state) {
      case 'SUCCESS':
        return refuse('ORDERPAID');
      case 'CLOSED':
        return { status: 204, body: undefined };
      case 'NOTPAY':
        // Seen in the field: the code means "the payer is at it right now" (research, 1.8 traps).
        if (order.atWork !== undefined) return refuse('FREQUENCY_LIMITED');
        orders.put(closed(order));
        return { status: 204, body: undefined };
      case 'USERPAYING':
      case 'PAYERROR':
      case 'REVOKED':
        return refuse('ORDER_CLOSED');
    }
  };

  return {
    placeNative: (account: WechatAccount, request: HttpRequest) => place('NATIVE', account, request.body),
    placeH5: (account: WechatAccount, request: HttpRequest) => place('MWEB', account, request.body),
    placeApp: (account: WechatAccount, request: HttpRequest) => place('APP', account, request.body),
    placeJsapi: (account: WechatAccount, request: HttpRequest) => place('JSAPI', account, request.body),
    queryByOutTradeNo: (account: WechatAccount, request: HttpRequest, outTradeNo: string) =>
      query(account, request, () => orders.find(account.mchid, outTradeNo), outTradeNo),
    queryById: (account: WechatAccount, request: HttpRequest, transactionId: string) =>
      query(account, request, () => orders.findByTransactionId(account.mchid, transactionId)),
    close: (account: WechatAccount, request: HttpRequest, outTradeNo: string): V3Read => {
      const parsed = parseBody(CloseRequest, request.body);
      if (parsed.kind === 'error') return parsed;
      if (parsed.request.mchid !== account.mchid) {
        return { kind: 'error', error: paramError('mchid', 'is not the mchid that signed', 'body') };
      }
      const description = orders.find(account.mchid, outTradeNo)?.description;
      const perform = () => closeOrder(orders.find(account.mchid, outTradeNo));
      return {
        kind: 'call',
        call: { name: 'v3.close', operation: 'close', outTradeNo, description, paymentCode: undefined, perform },
      };
    },
  };
};
