import type { KeyObject } from 'node:crypto';
import type { Clock, Random } from '@tillmesh/clock';
import type { Log } from '@tillmesh/telemetry';
import { alterFields } from '../alter-answer.ts';
import type { BillBook } from '../bills/bill-book.ts';
import { exchangeWithFaults } from '../exchange.ts';
import type { HttpReply, HttpRequest } from '../http-server.ts';
import type { Ledger } from '../ledger.ts';
import type { Limits } from '../limits.ts';
import type { Notifier } from '../notifier.ts';
import type { Payers } from '../payers.ts';
import type { RotatingCertificate } from '../rotating-certificate.ts';
import { wireFaultsOf } from '../script.ts';
import type { Scripts } from '../scripts.ts';
import type { State } from '../state.ts';
import type { Stats } from '../stats.ts';
import type { AlipayAccount } from './account.ts';
import { type AlipayAnswer, failure, renderAlipay } from './answer.ts';
import { createAlipayBills } from './bills.ts';
import type { AlipayMethod } from './call.ts';
import { certSnOf, createCertificateDownload } from './certificates.ts';
import { createAlipayGate } from './gate.ts';
import { type AlipaySigning, alipayNotifying, createAlipayNews } from './notifications.ts';
import { createAlipayOauth } from './oauth.ts';
import { createPagePay, PAGE_METHODS } from './page-pay.ts';
import { createAlipayRefunds } from './refunds.ts';
import { createTradeCreate } from './trade-create.ts';
import { createTradeCancel, createTradeClose } from './trade-end.ts';
import { createTradePay } from './trade-pay.ts';
import { createTradePrecreate } from './trade-precreate.ts';
import { createTradeQuery } from './trade-query.ts';
import { type AlipayTrades, createAlipayTrades } from './trades.ts';

export type AlipaySettings = {
  readonly accounts: readonly AlipayAccount[];
  /** Alipay's own key: what answers and notifications are signed with. */
  readonly privateKey: KeyObject;
  /** The same for applications in certificate mode; undefined: there are none. */
  readonly signer: RotatingCertificate | undefined;
  /** Unpaid trades by payment code end by themselves after this long. */
  readonly codeTradeClosedAfterMs: number;
  readonly timestampToleranceMs: number;
  readonly ordersMax: number;
};

/** Alipay's open platform, as far as a till needs it: POST /gateway.do on a port of its own. */
export interface AlipaySimulator {
  readonly trades: AlipayTrades;
  handle(request: HttpRequest): Promise<HttpReply>;
  resume(): void;
}

export const createAlipaySimulator = (deps: {
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
  readonly settings: AlipaySettings;
}): AlipaySimulator => {
  const { clock, random, scripts, stats, settings, notifier, log } = deps;
  const { privateKey, signer } = settings;
  // Alipay knows an application's mode; here it is that of the last request.
  const byCertificate = new Set<string>();
  const keyFor = (appId: string): AlipaySigning =>
    signer === undefined || !byCertificate.has(appId)
      ? { privateKey, certSn: undefined }
      : { privateKey: signer.current.privateKey, certSn: certSnOf(signer.current.certificate) };
  notifier.register('alipay', alipayNotifying({ clock, keyFor }));
  const news = createAlipayNews(deps);
  const trades = createAlipayTrades({ ...deps, ...settings, onPaid: news.paid });
  const oauth = createAlipayOauth({ ...deps, accounts: settings.accounts });
  const bills = createAlipayBills(deps);
  const methods = new Map<string, AlipayMethod>(
    [
      oauth.method,
      ...(signer === undefined ? [] : [createCertificateDownload(signer)]),
      bills.method,
      createTradePay({ ...deps, trades }),
      createTradeCreate({ clock, trades }),
      createTradePrecreate({ ...deps, trades }),
      createTradeQuery(trades),
      createTradeCancel({ clock, trades }),
      createTradeClose(trades),
      ...createAlipayRefunds({ ...deps, trades, news }),
    ].map((method) => [method.name, method]),
  );
  const gate = createAlipayGate({ ...settings, clock, methods: new Set([...methods.keys(), ...PAGE_METHODS]) });
  const openPage = createPagePay({ ...deps, trades, gate });

  const handle = async (httpRequest: HttpRequest): Promise<HttpReply> => {
    const authorised = oauth.handle(httpRequest);
    if (authorised !== undefined) return authorised;
    const bill = await bills.download(httpRequest);
    if (bill !== undefined) return bill;
    if (httpRequest.path === '/gateway.do' && httpRequest.method === 'GET') return openPage(httpRequest);
    if (httpRequest.path !== '/gateway.do' || httpRequest.method !== 'POST') {
      return { kind: 'answer', status: 404, headers: {}, body: Buffer.alloc(0) };
    }
    const passed = gate(httpRequest);
    if (passed.kind === 'refused') {
      log.warn({ method: passed.method, reason: passed.reason }, 'a request was refused');
      if (passed.isAboutSignature) stats.refusedSignature('alipay', passed.reason);
      const { method, answer, isAnonymous } = passed;
      return renderAlipay(answer, isAnonymous ? 'none' : 'right', { method, privateKey, random });
    }
    const { request } = passed;
    const { appId } = request.account;
    if (request.byCertificate) byCertificate.add(appId);
    else byCertificate.delete(appId);
    const by = { method: request.method, ...keyFor(appId), random };
    const method = methods.get(request.method);
    const call = method?.read(request);
    stats.request('alipay', request.method);
    if (method === undefined || call === undefined) {
      log.warn({ method: request.method }, 'a request has wrong business content');
      return renderAlipay(failure('ACQ.INVALID_PARAMETER'), 'right', by);
    }
    const { outTradeNo, description, paymentCode } = call;
    const context = {
      channel: 'alipay',
      operation: method.operation,
      accountId: request.account.accountId,
      merchantId: request.account.appId,
      outTradeNo,
      description,
      paymentCode,
      host: httpRequest.host,
    } as const;
    const acts = [...scripts.take(context), ...call.codeActs];
    const over = stats.exchange(request.account.accountId, method.operation);
    return exchangeWithFaults<AlipayAnswer>({
      faults: wireFaultsOf(acts),
      clock,
      random: deps.random,
      signal: httpRequest.signal,
      durable: deps.state.durable,
      limited: deps.limits.begin(context),
      seen:
        method.operation === 'query' && outTradeNo !== undefined
          ? {
              createdAtMs: trades.find(request.account.appId, outTradeNo)?.createdAtMs,
              code: 'ACQ.TRADE_NOT_EXIST',
            }
          : undefined,
      isFailure: ({ code }) => code !== '10000' && code !== '10003',
      perform: () => call.perform(acts),
      decline: (code) => call.decline(code, acts),
      errorAnswer: (code) => failure(code === 'SYSTEM_ERROR' ? 'ACQ.SYSTEM_ERROR' : code),
      alter: (answer, alteration) =>
        alterFields(answer, alteration, ['trade_status', 'refund_status', 'code'], 'object'),
      render: (answer, signature) => renderAlipay(answer, signature, by),
    }).finally(over);
  };

  return { trades, handle, resume: trades.resume };
};
