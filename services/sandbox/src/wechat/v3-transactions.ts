import type { Clock, Random } from '@tillmesh/clock';
import { compactInBeijing, msOfRfc3339 } from '../beijing-time.ts';
import { fen } from '../fen.ts';
import type { HttpRequest } from '../http-server.ts';
import type { Payers } from '../payers.ts';
import { type Act, payerPlanOf, secondsToScan } from '../script.ts';
import { applicationView, isForAnother, merchantView, type WechatAccount } from './account.ts';
import type { CodeOrders, CodeResult } from './code-orders.ts';
import { closed, type NotPaid, type OrderTerms, orderKeyOf, type WechatOrder } from './order.ts';
import { notifiedView, orderView } from './order-view.ts';
import type { WechatOrders } from './orders.ts';
import { answerOfError, type V3Answer, type V3Error, v3Error } from './v3-answer.ts';
import type { V3Read } from './v3-call.ts';
import {
  CodepayRequest,
  canonical,
  DirectIds,
  H5Request,
  JsapiRequest,
  NativeRequest,
  NothingMore,
  PartnerIds,
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

// How v3 spells what v2 calls otherwise; everything else has one name.
const V3_NAMES: Readonly<Record<string, string>> = {
  ORDERREVERSED: 'ORDER_CLOSED',
  ORDERCLOSED: 'ORDER_CLOSED',
  ORDERNOTEXIST: 'ORDER_NOT_EXIST',
  REVERSE_EXPIRE: 'INVALID_REQUEST',
};
const refuseCode = (code: string): V3Answer => refuse(V3_NAMES[code] ?? code);

const answerOfCode = (result: CodeResult): V3Answer =>
  result.kind === 'order' && result.order.state === 'SUCCESS'
    ? ok(notifiedView(result.order))
    : refuseCode(result.kind === 'refused' ? result.code : 'SYSTEM_ERROR');

const anotherOnes = v3Error('INVALID_REQUEST', '特约子商户商户号与订单不一致');

/** What is wrong with whom a body names; undefined where it is who has signed, for whom it may. */
const idsProblem = (account: WechatAccount, body: Buffer, needsApplication: boolean): V3Error | undefined => {
  const { sub } = account;
  const parsed = sub === undefined ? parseBody(DirectIds.partial(), body) : parseBody(PartnerIds.partial(), body);
  if (parsed.kind === 'error') return parsed.error;
  const told: Readonly<Record<string, unknown>> = parsed.request;
  const [mchid, appid] = sub === undefined ? (['mchid', 'appid'] as const) : (['sp_mchid', 'sp_appid'] as const);
  if (told[mchid] !== account.mchid) return paramError(mchid, 'is not the mchid that signed', 'body');
  if (told[appid] === undefined && !needsApplication) return undefined;
  const isTheirs = told[appid] === account.appid && [undefined, sub?.appid].includes(told['sub_appid'] as string);
  return isTheirs ? undefined : v3Error('APPID_MCHID_NOT_MATCH');
};

/** Placing, querying, closing and reversing orders over v3. */
export const createV3Transactions = (deps: {
  readonly clock: Clock;
  readonly random: Random;
  readonly orders: WechatOrders;
  readonly codeOrders: CodeOrders;
  readonly payers: Payers;
}) => {
  const { clock, random, orders, codeOrders, payers } = deps;

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

  const openidOf = (
    payer: { readonly openid?: unknown; readonly sp_openid?: unknown; readonly sub_openid?: unknown },
    { sub }: WechatAccount,
  ): string | undefined => {
    // sub_openid needs sub_appid: there is no other application that could know it.
    const named = sub === undefined ? payer.openid : (payer.sp_openid ?? (sub.appid && payer.sub_openid));
    return typeof named === 'string' ? named : undefined;
  };

  const codepay = (account: WechatAccount, { body }: HttpRequest): V3Read => {
    const parsed = parseBody(CodepayRequest, body);
    if (parsed.kind === 'error') return parsed;
    const problem = idsProblem(account, body, true);
    if (problem !== undefined) return { kind: 'error', error: problem };
    const { request } = parsed;
    const key = orderKeyOf(account.mchid, request.out_trade_no);
    const paymentCode = request.payer.auth_code;
    const termsOf = (acts: readonly Act[]): OrderTerms => ({
      key,
      accountId: account.accountId,
      mchid: account.mchid,
      appid: account.appid,
      sub: account.sub,
      outTradeNo: request.out_trade_no,
      tradeType: 'MICROPAY',
      description: request.description,
      attach: request.attach,
      amount: fen(request.amount.total),
      notifyUrl: undefined,
      openid: undefined,
      paymentCode,
      prepay: undefined,
      parameters: `CODEPAY ${canonical(request)}`,
      acts,
      createdAtMs: clock.nowMs(),
      endsAtMs: codeOrders.endsAtMs(),
    });
    return {
      kind: 'call',
      call: {
        name: 'v3.codepay',
        operation: 'pay',
        outTradeNo: request.out_trade_no,
        description: request.description,
        paymentCode,
        codeActs: codeOrders.actsOf(paymentCode, key),
        perform: (acts) => answerOfCode(codeOrders.pay(termsOf(acts), acts, undefined)),
        decline: (code, acts) => answerOfCode(codeOrders.pay(termsOf(acts), acts, code)),
      },
    };
  };

  const reverse = (account: WechatAccount, { body }: HttpRequest, outTradeNo: string): V3Read => {
    const parsed = parseBody(NothingMore, body);
    if (parsed.kind === 'error') return parsed;
    const problem = idsProblem(account, body, account.sub === undefined);
    if (problem !== undefined) return { kind: 'error', error: problem };
    const find = () => orders.find(account.mchid, outTradeNo);
    const perform = (): V3Answer => {
      const result = codeOrders.reverse(find(), account);
      if (result.kind === 'refused') return refuseCode(result.code);
      return ok({ ...applicationView(account), ...merchantView(account), out_trade_no: outTradeNo });
    };
    return {
      kind: 'call',
      call: {
        name: 'v3.reverse',
        operation: 'reverse',
        outTradeNo,
        description: find()?.description,
        paymentCode: find()?.paymentCode,
        perform,
      },
    };
  };

  const place = (tradeType: PlacedType, account: WechatAccount, body: Buffer): V3Read => {
    const parsed = tradeType === 'JSAPI' ? parseBody(JsapiRequest, body) : parseBody(REQUESTS[tradeType], body);
    if (parsed.kind === 'error') return parsed;
    const { request } = parsed;
    const problem = idsProblem(account, body, true);
    if (problem !== undefined) return { kind: 'error', error: problem };
    const openid = tradeType === 'JSAPI' ? openidOf(request.payer ?? {}, account) : undefined;
    if (tradeType === 'JSAPI' && openid === undefined) {
      return { kind: 'error', error: paramError('payer', 'names no openid of this application', 'body') };
    }
    const nowMs = clock.nowMs();
    const expiresAtMs = request.time_expire === undefined ? undefined : msOfRfc3339(request.time_expire);
    const perform = (acts: readonly Act[]): V3Answer => {
      const terms: OrderTerms = {
        key: orderKeyOf(account.mchid, request.out_trade_no),
        accountId: account.accountId,
        mchid: account.mchid,
        appid: account.appid,
        sub: account.sub,
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
    const name = account.sub === undefined ? 'mchid' : 'sp_mchid';
    if (request.query.get(name) !== account.mchid) {
      return { kind: 'error', error: paramError(name, 'is not the mchid that signed', 'query') };
    }
    const found = find();
    const perform = () => {
      const order = find();
      if (order === undefined) return refuse('ORDER_NOT_EXIST');
      return isForAnother(order, account) ? answerOfError(anotherOnes) : ok(orderView(order));
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

  const closeOrder = (order: WechatOrder | undefined, account: WechatAccount): V3Answer => {
    if (order === undefined) return refuse('ORDER_NOT_EXIST');
    if (isForAnother(order, account)) return answerOfError(anotherOnes);
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
    codepay,
    reverse,
    queryByOutTradeNo: (account: WechatAccount, request: HttpRequest, outTradeNo: string) =>
      query(account, request, () => orders.find(account.mchid, outTradeNo), outTradeNo),
    queryById: (account: WechatAccount, request: HttpRequest, transactionId: string) =>
      query(account, request, () => orders.findByTransactionId(account.mchid, transactionId)),
    close: (account: WechatAccount, request: HttpRequest, outTradeNo: string): V3Read => {
      const parsed = parseBody(NothingMore, request.body);
      if (parsed.kind === 'error') return parsed;
      const problem = idsProblem(account, request.body, false);
      if (problem !== undefined) return { kind: 'error', error: problem };
      const description = orders.find(account.mchid, outTradeNo)?.description;
      const perform = () => closeOrder(orders.find(account.mchid, outTradeNo), account);
      return {
        kind: 'call',
        call: { name: 'v3.close', operation: 'close', outTradeNo, description, paymentCode: undefined, perform },
      };
    },
  };
};
