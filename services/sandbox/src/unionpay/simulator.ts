import type { Clock, Random } from '@tillmesh/clock';
import { z } from '@tillmesh/config';
import type { Log } from '@tillmesh/telemetry';
import { alterFields } from '../alter-answer.ts';
import { compactInBeijing, msOfCompact } from '../beijing-time.ts';
import type { BillBook } from '../bills/bill-book.ts';
import { exchangeWithFaults } from '../exchange.ts';
import { fen, ZERO_FEN } from '../fen.ts';
import type { HttpReply, HttpRequest } from '../http-server.ts';
import type { Ledger } from '../ledger.ts';
import type { Limits } from '../limits.ts';
import type { Notifier } from '../notifier.ts';
import type { Payers } from '../payers.ts';
import type { RotatingCertificate } from '../rotating-certificate.ts';
import { type Act, type Operation, payerPlanOf, type SignatureMode, secondsToScan, wireFaultsOf } from '../script.ts';
import type { Scripts } from '../scripts.ts';
import type { State } from '../state.ts';
import type { Stats } from '../stats.ts';
import type { UnionpayAccount } from './account.ts';
import { unionpayFile } from './bills.ts';
import { createUnionpayNews, paidFields, unionpayNotifying } from './notifications.ts';
import { keyOf, type UnionpayOrder } from './order.ts';
import { createUnionpayOrders, type UnionpayOrders } from './orders.ts';
import { type AcpFields, isSignedAcp, signAcp } from './signature.ts';

export type UnionpaySettings = {
  readonly accounts: readonly UnionpayAccount[];
  readonly signer: RotatingCertificate;
  readonly ordersMax: number;
};

/** UnionPay ACP 5.1.0: payment codes, codes to scan, queries and refunds. */
export interface UnionpaySimulator {
  readonly orders: UnionpayOrders;
  handle(request: HttpRequest): Promise<HttpReply>;
  resume(): void;
}

const orderId = z.string().regex(/^[0-9A-Za-z]{8,40}$/);
const time = z.string().refine((text) => msOfCompact(text) !== undefined);
const amount = z.string().regex(/^[1-9][0-9]{0,11}$/);
const common = {
  version: z.literal('5.1.0'),
  encoding: z.literal('UTF-8'),
  signMethod: z.literal('01'),
  bizType: z.literal('000000'),
  accessType: z.literal('0'),
  merId: z.string(),
  orderId,
  txnTime: time,
};
const url = z
  .string()
  .max(256)
  .refine((text) => URL.canParse(text));
const payment = {
  ...common,
  txnType: z.literal('01'),
  channelType: z.literal('08'),
  txnAmt: amount,
  currencyCode: z.literal('156'),
  backUrl: url.optional(),
  payTimeout: time.optional(),
  orderDesc: z.string().max(128).optional(),
};
const CodePayment = z.looseObject({ ...payment, txnSubType: z.literal('06'), qrNo: z.string().min(1).max(32) });
const ScanPayment = z.looseObject({ ...payment, txnSubType: z.literal('07') });
const Refund = z.looseObject({
  ...common,
  txnType: z.literal('04'),
  txnSubType: z.literal('00'),
  channelType: z.literal('08'),
  txnAmt: amount,
  origQryId: z.string().regex(/^[0-9]{21}$/),
});
/** Takes a whole payment back on the day on which it was made; 04 gives back any part of it, later as well. */
const Undo = Refund.extend({ txnType: z.literal('31') });
const Query = z.looseObject({ ...common, txnType: z.literal('00'), txnSubType: z.literal('00') });

const File = z.looseObject({
  version: z.literal('5.1.0'),
  txnType: z.literal('76'),
  txnSubType: z.literal('01'),
  bizType: z.literal('000000'),
  txnTime: time,
  fileType: z.literal('00'),
  settleDate: z.string().regex(/^[0-9]{4}$/),
});

/** Of a host of its own in reality. */
const FILES = '/';
const BACK = '/gateway/api/backTransReq.do';
const QUERY = '/gateway/api/queryTrans.do';
const CODE_MS = 120_000;
const QR_MS = 2 * 3_600_000;

type Call = {
  readonly name: string;
  readonly operation: Operation;
  readonly outTradeNo: string;
  readonly description: string | undefined;
  readonly paymentCode: string | undefined;
  readonly codeActs: readonly Act[];
  readonly perform: (acts: readonly Act[]) => AcpFields;
  readonly decline: (code: string, acts: readonly Act[]) => AcpFields;
};

export const createUnionpaySimulator = (deps: {
  readonly clock: Clock;
  readonly random: Random;
  readonly state: State;
  readonly payers: Payers;
  readonly ledger: Ledger;
  readonly scripts: Scripts;
  readonly stats: Stats;
  readonly limits: Limits;
  readonly log: Log;
  readonly notifier: Notifier;
  readonly book: BillBook;
  readonly settings: UnionpaySettings;
}): UnionpaySimulator => {
  const { clock, random, payers, scripts, stats, notifier, log, settings } = deps;
  const { signer } = settings;
  notifier.register('unionpay', unionpayNotifying(signer));
  const news = createUnionpayNews(deps);
  const orders = createUnionpayOrders({ ...deps, ordersMax: settings.ordersMax, onPaid: news.paid });
  const accounts = new Map(settings.accounts.map((account) => [account.merId, account]));

  const says = (respCode: string, more: AcpFields = {}): AcpFields => ({ respCode, respMsg: `[${respCode}]`, ...more });

  // Unencoded, as the real gateway answers: whoever decodes it again breaks the base64 of the signature.
  const render = (asked: AcpFields, answer: AcpFields, mode: SignatureMode): HttpReply & { kind: 'answer' } => {
    const key = signer.current;
    const echoed = ['txnType', 'txnSubType', 'bizType', 'accessType', 'merId', 'orderId', 'txnTime'] as const;
    const fields: Record<string, string> = {
      version: '5.1.0',
      encoding: 'UTF-8',
      signMethod: '01',
      ...Object.fromEntries(echoed.flatMap((name) => (asked[name] === undefined ? [] : [[name, asked[name]]]))),
      ...answer,
      signPubKeyCert: key.certificate,
    };
    if (mode !== 'none') {
      fields['signature'] = signAcp(mode === 'wrong' ? { ...fields, orderId: 'another0' } : fields, key.privateKey);
    }
    const body = Object.entries(fields)
      .map(([name, value]) => `${name}=${value}`)
      .join('&');
    return {
      kind: 'answer',
      status: 200,
      headers: { 'content-type': 'text/html;charset=UTF-8' },
      body: Buffer.from(body),
    };
  };

  const parametersOf = (asked: AcpFields): string => {
    const { signature: _signature, txnTime: _time, ...rest } = asked;
    return JSON.stringify(Object.entries(rest).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  };

  const paySays = (order: UnionpayOrder): AcpFields => {
    switch (order.state) {
      case 'paid':
        return says('00', paidFields(order));
      case 'open':
        return order.paymentCode === undefined ? says('00', { qrCode: order.qrCode ?? '' }) : says('05');
      case 'failed':
        return says(order.respCode);
      case 'expired':
        return says('39');
    }
  };

  const newOrder = (
    account: UnionpayAccount,
    asked: z.output<typeof CodePayment> | z.output<typeof ScanPayment>,
    fields: AcpFields,
    acts: readonly Act[],
  ): UnionpayOrder => {
    const code = 'qrNo' in asked ? String(asked.qrNo) : undefined;
    const ownLimitMs = clock.nowMs() + (code === undefined ? QR_MS : CODE_MS);
    return {
      key: keyOf(account.merId, asked.orderId),
      accountId: account.accountId,
      merId: account.merId,
      orderId: asked.orderId,
      txnTime: asked.txnTime,
      subject: asked.orderDesc ?? '',
      amount: fen(Number(asked.txnAmt)),
      backUrl: asked.backUrl,
      paymentCode: code,
      qrCode: code === undefined ? `https://qr.95516.com/00010000/${random.hex(14)}` : undefined,
      parameters: parametersOf(fields),
      acts,
      createdAtMs: clock.nowMs(),
      endsAtMs: Math.min(ownLimitMs, msOfCompact(asked.payTimeout ?? '') ?? Number.POSITIVE_INFINITY),
      state: 'open',
      payerId: undefined,
      atWork: undefined,
      queryId: orders.newQueryId(),
      paidAtMs: undefined,
      refunded: ZERO_FEN,
      respCode: '',
    };
  };

  const readPayment = (account: UnionpayAccount, fields: AcpFields): Call | undefined => {
    const isCode = fields['txnSubType'] === '06';
    const parsed = isCode ? CodePayment.safeParse(fields) : ScanPayment.safeParse(fields);
    if (!parsed.success) return undefined;
    const asked = parsed.data;
    const paymentCode = isCode ? fields['qrNo'] : undefined;
    const orderKey = keyOf(account.merId, asked.orderId);
    const taken =
      paymentCode === undefined ? undefined : payers.lookAtCode('unionpay', paymentCode, `unionpay/${orderKey}`);
    const codeActs = taken?.kind === 'taken' ? taken.acts : [];
    const begin = (acts: readonly Act[], declineCode?: string): AcpFields => {
      const before = orders.find(account.merId, asked.orderId);
      // A number that is used says nothing of what was asked now.
      if (before !== undefined)
        return before.parameters === parametersOf(fields) && !isCode ? paySays(before) : says('12');
      if (!orders.hasRoom()) return says('01');
      if (paymentCode !== undefined && taken?.kind !== 'taken') return says('62');
      const order = newOrder(account, asked, fields, acts);
      if (paymentCode !== undefined) payers.useCode(paymentCode, `unionpay/${orderKey}`);
      if (declineCode !== undefined) {
        const failed: UnionpayOrder = { ...order, state: 'failed', respCode: declineCode };
        orders.put(failed);
        return paySays(failed);
      }
      if (taken?.kind === 'taken') return paySays(orders.payerActs(order, taken.payer.payerId, payerPlanOf(acts)));
      orders.put(order);
      // A script can have somebody scan at once and pay some seconds later, for tests that have no hands.
      const seconds = secondsToScan(acts);
      const plan = payerPlanOf(acts);
      if (seconds !== undefined) {
        const then = plan.act === 'types_password' ? plan.then : 'pays';
        orders.payerActs(order, payers.meet('unionpay').payerId, { act: 'types_password', seconds, then });
      }
      return paySays(order);
    };
    return {
      name: isCode ? 'consume.06' : 'consume.07',
      operation: 'pay',
      outTradeNo: asked.orderId,
      description: asked.orderDesc,
      paymentCode,
      codeActs,
      perform: (acts) => begin(acts),
      decline: (code, acts) => (isCode ? begin(acts, code) : says(code)),
    };
  };

  const isWholeAndOfToday = ({ amount: paid, refunded, paidAtMs = 0 }: UnionpayOrder, txnAmt: string): boolean =>
    refunded === ZERO_FEN &&
    fen(Number(txnAmt)) === paid &&
    compactInBeijing(paidAtMs).slice(0, 8) === compactInBeijing(clock.nowMs()).slice(0, 8);

  const readRefund = (account: UnionpayAccount, fields: AcpFields): Call | undefined => {
    const isUndo = fields['txnType'] === '31';
    const parsed = isUndo ? Undo.safeParse(fields) : Refund.safeParse(fields);
    if (!parsed.success) return undefined;
    const asked = parsed.data;
    const perform = (): AcpFields => {
      const parameters = parametersOf(fields);
      const before = orders.findRefund(account.merId, asked.orderId);
      if (before !== undefined) {
        return before.parameters === parameters
          ? says('00', { queryId: before.queryId, origQryId: before.origQryId, txnAmt: asked.txnAmt })
          : says('12');
      }
      const of = orders.findByQueryId(account.merId, asked.origQryId);
      if (of?.state !== 'paid') return says('34');
      if (isUndo && !isWholeAndOfToday(of, asked.txnAmt)) return says('36');
      const refund = orders.refund(of, {
        key: keyOf(account.merId, asked.orderId),
        merId: account.merId,
        orderId: asked.orderId,
        txnTime: asked.txnTime,
        origQryId: asked.origQryId,
        orderKey: of.key,
        queryId: orders.newQueryId(),
        amount: fen(Number(asked.txnAmt)),
        parameters,
      });
      if (refund === undefined) return says('36');
      return says('00', { queryId: refund.queryId, origQryId: refund.origQryId, txnAmt: asked.txnAmt });
    };
    const outTradeNo = orders.findByQueryId(account.merId, asked.origQryId)?.orderId ?? asked.orderId;
    return {
      name: isUndo ? 'undo' : 'refund',
      operation: 'refund',
      outTradeNo,
      description: undefined,
      paymentCode: undefined,
      codeActs: [],
      perform,
      decline: (code) => says(code),
    };
  };

  const readQuery = (account: UnionpayAccount, fields: AcpFields): Call | undefined => {
    const parsed = Query.safeParse(fields);
    if (!parsed.success) return undefined;
    const asked = parsed.data;
    const order = () => orders.find(account.merId, asked.orderId);
    const refund = () => orders.findRefund(account.merId, asked.orderId);
    const answer = (): AcpFields => {
      const back = refund();
      if (back !== undefined && back.txnTime === asked.txnTime) {
        const told = {
          queryId: back.queryId,
          origQryId: back.origQryId,
          txnAmt: back.amount.toString(),
          currencyCode: '156',
        };
        return says('00', { origRespCode: '00', origRespMsg: '[00]', ...told });
      }
      const found = order();
      // What nobody has scanned is no transaction yet, and no longer one when its time is over.
      if (found === undefined || found.txnTime !== asked.txnTime || found.state === 'expired') return says('34');
      if (found.state === 'open' && found.atWork === undefined && found.paymentCode === undefined) return says('34');
      switch (found.state) {
        case 'paid':
          return says('00', { origRespCode: '00', origRespMsg: '[00]', ...paidFields(found) });
        case 'open':
          return says('00', {
            origRespCode: '05',
            origRespMsg: '[05]',
            txnAmt: found.amount.toString(),
            currencyCode: '156',
          });
        case 'failed':
          return says('00', { origRespCode: found.respCode, origRespMsg: `[${found.respCode}]` });
      }
    };
    const back = refund();
    return {
      name: 'query',
      operation: back === undefined ? 'query' : 'refund_query',
      outTradeNo: back === undefined ? asked.orderId : back.orderKey.slice(account.merId.length + 1),
      description: order()?.subject,
      paymentCode: order()?.paymentCode,
      codeActs: [],
      perform: answer,
      decline: (code) => says(code),
    };
  };

  const handle = async (request: HttpRequest): Promise<HttpReply> => {
    if (request.method !== 'POST' || ![BACK, QUERY, FILES].includes(request.path)) {
      return { kind: 'answer', status: 404, headers: {}, body: Buffer.alloc(0) };
    }
    const fields: AcpFields = Object.fromEntries(new URLSearchParams(request.body.toString('utf8')));
    const account = accounts.get(fields['merId'] ?? '');
    if (
      account === undefined ||
      fields['certId'] !== account.certId ||
      !isSignedAcp(fields, account.merchantPublicKey)
    ) {
      stats.refusedSignature('unionpay', account === undefined ? 'merId' : 'signature');
      log.warn({ path: request.path }, 'a request was refused: nobody has signed it');
      return render(fields, says('11'), 'right');
    }
    const txnType = fields['txnType'] ?? '';
    if (request.path === FILES) {
      const asked = File.safeParse(fields);
      if (!asked.success) return render(fields, says('10'), 'right');
      stats.request('unionpay', 'file');
      const file = await unionpayFile(deps.book, account, asked.data.settleDate, clock.nowMs());
      return render(fields, file === undefined ? says('98') : says('00', file), 'right');
    }
    const call =
      request.path === QUERY
        ? readQuery(account, fields)
        : txnType === '04' || txnType === '31'
          ? readRefund(account, fields)
          : readPayment(account, fields);
    if (call === undefined) {
      log.warn({ path: request.path, txnType }, 'a request has wrong fields');
      return render(fields, says('10'), 'right');
    }
    stats.request('unionpay', call.name);
    const context = {
      channel: 'unionpay',
      operation: call.operation,
      accountId: account.accountId,
      merchantId: account.merId,
      outTradeNo: call.outTradeNo,
      description: call.description,
      paymentCode: call.paymentCode,
      host: request.host,
    } as const;
    const acts = [...scripts.take(context), ...call.codeActs];
    const over = stats.exchange(account.accountId, call.operation);
    return exchangeWithFaults<AcpFields>({
      faults: wireFaultsOf(acts),
      clock,
      random: deps.random,
      signal: request.signal,
      durable: deps.state.durable,
      limited: deps.limits.begin(context),
      seen:
        call.operation === 'query'
          ? { createdAtMs: orders.find(account.merId, call.outTradeNo)?.createdAtMs, code: '34' }
          : undefined,
      isFailure: ({ respCode }) => respCode !== '00' && respCode !== '05',
      perform: () => call.perform(acts),
      decline: (code) => call.decline(code, acts),
      errorAnswer: (code) => says(code === 'SYSTEM_ERROR' ? '01' : code),
      alter: (answer, alteration) => alterFields(answer, alteration, ['origRespCode', 'respCode'], 'text'),
      render: (answer, signature) => render(fields, answer, signature),
    }).finally(over);
  };

  return { orders, handle, resume: orders.resume };
};
