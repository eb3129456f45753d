import type { Clock, Random } from '@tillmesh/clock';
import type { Log } from '@tillmesh/telemetry';
import { alterFields } from '../alter-answer.ts';
import { exchangeWithFaults } from '../exchange.ts';
import type { HttpReply, HttpRequest } from '../http-server.ts';
import type { Limits } from '../limits.ts';
import type { HostName } from '../outage.ts';
import { type SignatureMode, wireFaultsOf } from '../script.ts';
import type { ScriptContext, Scripts } from '../scripts.ts';
import type { State } from '../state.ts';
import type { Stats } from '../stats.ts';
import type { WechatAccount } from './account.ts';
import type { WechatOrders } from './orders.ts';
import type { PlatformKeys } from './platform-keys.ts';
import { answerOfError, createV3Renderer, type V3Answer, v3Error } from './v3-answer.ts';
import { type createV3Bills, DOWNLOAD_PATH } from './v3-bills.ts';
import type { V3Call, V3Read } from './v3-call.ts';
import { createV3Certificates } from './v3-certificates.ts';
import { createV3Gate } from './v3-gate.ts';
import type { createV3Refunds } from './v3-refunds.ts';
import type { createV3Transactions } from './v3-transactions.ts';

type Route = {
  readonly method: 'GET' | 'POST';
  readonly path: RegExp;
  /** @param name what the path names, decoded. */
  readonly read: (account: WechatAccount, request: HttpRequest, name: string) => V3Read;
};

const decodedName = (text: string | undefined): string => {
  try {
    return decodeURIComponent(text ?? '');
  } catch {
    return '';
  }
};

/** WeChat Pay's v3 interface: JSON, with RSA signatures both ways. */
export const createV3Simulator = (deps: {
  readonly clock: Clock;
  readonly random: Random;
  readonly state: State;
  readonly scripts: Scripts;
  readonly stats: Stats;
  readonly limits: Limits;
  readonly log: Log;
  readonly accounts: readonly WechatAccount[];
  readonly platform: PlatformKeys;
  readonly orders: WechatOrders;
  readonly transactions: ReturnType<typeof createV3Transactions>;
  readonly refunds: ReturnType<typeof createV3Refunds>;
  readonly bills: ReturnType<typeof createV3Bills>;
}): ((request: HttpRequest) => Promise<HttpReply>) => {
  const { clock, scripts, stats, orders, transactions, refunds, bills, log } = deps;
  const gate = createV3Gate(deps);
  const renderSigned = createV3Renderer(deps);
  const certificates = createV3Certificates(deps);
  // A service provider has the same under /partner/; the gate says for whom it asks.
  const ordersPath = '/v3/pay/(?:partner/)?transactions';
  const orderPath = `${ordersPath}/out-trade-no/([^/]+)`;
  const placing = (product: string) => new RegExp(`^${ordersPath}/${product}$`);
  const routes: readonly Route[] = [
    { method: 'POST', path: placing('native'), read: transactions.placeNative },
    { method: 'POST', path: placing('jsapi'), read: transactions.placeJsapi },
    { method: 'POST', path: placing('h5'), read: transactions.placeH5 },
    { method: 'POST', path: placing('app'), read: transactions.placeApp },
    { method: 'POST', path: placing('codepay'), read: transactions.codepay },
    { method: 'GET', path: new RegExp(`^${orderPath}$`), read: transactions.queryByOutTradeNo },
    { method: 'GET', path: new RegExp(`^${ordersPath}/id/([^/]+)$`), read: transactions.queryById },
    { method: 'POST', path: new RegExp(`^${orderPath}/close$`), read: transactions.close },
    { method: 'POST', path: new RegExp(`^${orderPath}/reverse$`), read: transactions.reverse },
    { method: 'GET', path: /^\/v3\/certificates$/, read: certificates },
    { method: 'POST', path: /^\/v3\/refund\/domestic\/refunds$/, read: refunds.ask },
    { method: 'GET', path: /^\/v3\/bill\/tradebill$/, read: bills.trade },
    { method: 'GET', path: /^\/v3\/bill\/fundflowbill$/, read: bills.fundFlow },
    {
      method: 'GET',
      path: /^\/v3\/refund\/domestic\/refunds\/([^/]+)$/,
      read: (account, _request, name) => refunds.query(account, name),
    },
  ];

  const contextOf = (
    account: WechatAccount,
    host: HostName,
    { operation, outTradeNo, description, paymentCode }: V3Call,
  ): ScriptContext => ({
    channel: 'wechat',
    operation,
    accountId: account.accountId,
    merchantId: account.mchid,
    outTradeNo,
    description,
    paymentCode,
    host,
  });

  return async (request) => {
    const askedKey = String(request.headers['wechatpay-serial'] ?? '');
    const renderFor = (merchant: WechatAccount | undefined) => (answer: V3Answer, mode: SignatureMode) =>
      renderSigned(answer, mode, deps.platform.signerFor(askedKey, merchant));
    const route = routes.find(({ method, path }) => method === request.method && path.test(request.path));
    const isDownload = request.method === 'GET' && request.path === DOWNLOAD_PATH;
    if (route === undefined && !isDownload)
      return renderFor(undefined)(answerOfError(v3Error('RESOURCE_NOT_EXISTS', '请求的资源不存在')), 'right');
    const passed = gate(request);
    if (passed.kind === 'refused') {
      log.warn({ path: request.path, reason: passed.reason }, 'a v3 request was refused');
      stats.refusedSignature('wechat', passed.reason);
      return renderFor(undefined)(answerOfError(passed.error), 'right');
    }
    const { account, spendNonce } = passed;
    const render = renderFor(account);
    if (route === undefined) {
      const given = await bills.download(account, request);
      return { ...('kind' in given ? given : render(answerOfError(given), 'right')), onSent: spendNonce };
    }
    const read = route.read(account, request, decodedName(route.path.exec(request.path)?.[1]));
    if (read.kind === 'error') {
      const { code, detail } = read.error;
      log.warn({ path: request.path, code, detail }, 'a v3 request has wrong fields');
      return { ...render(answerOfError(read.error), 'right'), onSent: spendNonce };
    }
    const { call } = read;
    stats.request('wechat', call.name);
    const context = contextOf(account, request.host, call);
    const acts = [...scripts.take(context), ...(call.codeActs ?? [])];
    const over = stats.exchange(account.accountId, call.operation);
    return exchangeWithFaults({
      faults: wireFaultsOf(acts),
      clock,
      random: deps.random,
      signal: request.signal,
      durable: deps.state.durable,
      limited: deps.limits.begin(context),
      seen:
        call.operation === 'query' && call.outTradeNo !== undefined
          ? { createdAtMs: orders.find(account.mchid, call.outTradeNo)?.createdAtMs, code: 'ORDER_NOT_EXIST' }
          : undefined,
      isFailure: ({ status }) => status >= 400,
      perform: () => call.perform(acts),
      decline: (code) => call.decline?.(code, acts) ?? answerOfError(v3Error(code)),
      errorAnswer: (code) => answerOfError(v3Error(code)),
      alter: ({ status, body }, alteration) => ({
        status,
        body: body && alterFields({ ...body }, alteration, ['trade_state', 'status'], 'object'),
      }),
      render: (answer, signature) => ({ ...render(answer, signature), onSent: spendNonce }),
    }).finally(over);
  };
};
