import { create } from '@bufbuild/protobuf';
import type { Clock, Random } from '@tillmesh/clock';
import { type Currency, toDecimalText } from '@tillmesh/domain';
import { type Money, MoneySchema } from '@tillmesh/proto/tillmesh/money/v1/money_pb.ts';
import type { OneCodeService } from '@tillmesh/proto/tillmesh/onecode/v1/one_code_service_pb.ts';
import { PaymentState } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { type RpcClient, type RpcError, runAsCall, toRpcError } from '@tillmesh/rpc';
import { counter, type Log } from '@tillmesh/telemetry';
import { moneyFromWire, paymentStateMap } from '@tillmesh/wire';
import { type Bill, choicePage, type Page, payPage, wordsPage } from './pages.ts';
import { walletOfAgent } from './wallet-of-agent.ts';

const opened = counter('tillmesh_one_code_total', 'Pages of one-code QRs, by what was shown.', ['shown']);

/** A request of a payer's browser. */
export type PageRequest = {
  readonly path: string;
  readonly query: URLSearchParams;
  readonly agent: string;
  readonly cookie: string;
  /** The payer's address; empty where nobody says it. */
  readonly clientIp: string;
};

/** What the browser gets. */
export type PageAnswer = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
};

const PATH = /^\/([1-9A-HJ-NP-Za-km-z]{12})(?:\/(back|state))?$/;
const STATE = /^[0-9a-f]{32}$/;
/** The wallet comes back within this, or starts again. */
const STATE_SECONDS = 300;
const BUDGET_MS = 20_000;
const NONCE_BYTES = 16;
/** Under these names the wallets bring back their one-time codes: WeChat, Alipay, UnionPay. */
const CODE_NAMES = ['code', 'auth_code', 'userAuthCode'] as const;

const OVER: ReadonlySet<PaymentState> = new Set([PaymentState.SUCCEEDED, PaymentState.FAILED, PaymentState.CLOSED]);

const secured = (nonce: string): Readonly<Record<string, string>> => ({
  'content-type': 'text/html; charset=utf-8',
  'cache-control': 'no-store',
  'content-security-policy': `default-src 'none'; script-src 'nonce-${nonce}'; style-src 'nonce-${nonce}'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
});

const ofPage = ({ status, nonce, html }: Page): PageAnswer => ({ status, headers: secured(nonce), body: html });

const amountText = (money: Money | undefined): string => {
  const amount = moneyFromWire(money ?? create(MoneySchema));
  if (amount === undefined) return '';
  const currency: Currency = amount.currency;
  return `${currency === 'CNY' ? '¥' : `${currency} `}${toDecimalText(amount)}`;
};

/** Answers `/{code}`, `/{code}/back` and `/{code}/state`, behind the path that codes begin with. */
export const createOneCodePages = (deps: {
  readonly oneCodes: RpcClient<typeof OneCodeService>;
  /** The address that codes begin with, as payers reach it. */
  readonly publicUrl: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}): ((request: PageRequest) => Promise<PageAnswer>) => {
  const { oneCodes, publicUrl, clock, random, log } = deps;
  // A cookie that names the way back; a browser that did not begin has none, and cannot be made to pay in somebody else's name.
  const cookieOf = (codeId: string) => `tillmesh-${codeId}`;
  const isSecure = publicUrl.startsWith('https:');

  const show = (page: Page, shown: string): PageAnswer => {
    opened.add({ shown });
    return ofPage(page);
  };
  const nonce = () => random.hex(NONCE_BYTES);

  const stateAnswer = async (codeId: string): Promise<PageAnswer> => {
    const { state } = await oneCodes.getOneCode({ codeId });
    const name = paymentStateMap.fromWire(state) ?? 'open';
    return {
      status: 200,
      headers: { 'content-type': 'application/json', 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' },
      body: JSON.stringify({ state: name }),
    };
  };

  const open = async (codeId: string, { agent }: PageRequest): Promise<PageAnswer> => {
    const code = await oneCodes.getOneCode({ codeId });
    const bill: Bill = { subject: code.subject, amount: amountText(code.amount) };
    if (code.state === PaymentState.SUCCEEDED)
      return show(wordsPage(200, nonce(), 'Paid', 'This is paid. Thank you.', bill), 'paid');
    if (OVER.has(code.state))
      return show(wordsPage(410, nonce(), 'Closed', 'This code is closed. Ask for a new one.', bill), 'closed');
    const wallet = walletOfAgent(agent);
    if (wallet === undefined) return show(choicePage(nonce(), bill, `${publicUrl}/${codeId}`), 'choice');
    const { redirectUrl, state } = await oneCodes.beginOneCode({
      codeId,
      wallet,
      returnUrl: `${publicUrl}/${codeId}/back`,
    });
    opened.add({ shown: 'authorisation' });
    const { pathname } = new URL(publicUrl);
    const cookie = `${cookieOf(codeId)}=${state}; Path=${pathname}/${codeId}; Max-Age=${STATE_SECONDS}; HttpOnly; SameSite=Lax${isSecure ? '; Secure' : ''}`;
    return {
      status: 302,
      headers: {
        location: redirectUrl,
        'set-cookie': cookie,
        'cache-control': 'no-store',
        'referrer-policy': 'no-referrer',
      },
      body: '',
    };
  };

  const back = async (codeId: string, { query, cookie, clientIp }: PageRequest): Promise<PageAnswer> => {
    const state = query.get('state') ?? '';
    const authorisationCode = CODE_NAMES.map((name) => query.get(name) ?? '').find((text) => text !== '') ?? '';
    const own = cookie.split(/; */).includes(`${cookieOf(codeId)}=${state}`);
    if (!STATE.test(state) || !own || authorisationCode === '' || authorisationCode.length > 512) {
      return show(
        wordsPage(400, nonce(), 'Again', 'This way back is not yours, or too old. Scan the code again.'),
        'not_begun',
      );
    }
    const { payment } = await oneCodes.payOneCode({ codeId, state, authorisationCode, clientIp });
    if (payment === undefined) throw new Error('the cashier answered without a payment');
    const bill: Bill = { subject: payment.subject, amount: amountText(payment.amount) };
    const { action } = payment.action ?? {};
    const page =
      payment.state === PaymentState.PAYING && action?.case === 'jsapi'
        ? payPage(nonce(), bill, payment.wallet, action.value.parameters)
        : undefined;
    if (page !== undefined) return show(page, 'bridge');
    const words =
      payment.state === PaymentState.SUCCEEDED
        ? 'This is paid. Thank you.'
        : 'The wallet did not take this. Scan the code again.';
    return show(wordsPage(200, nonce(), 'Pay', words, bill), 'no_action');
  };

  const refusalPage = (error: RpcError): Page => {
    switch (error.reason) {
      case 'ONE_CODE_UNKNOWN':
        return wordsPage(404, nonce(), 'No such code', 'This code does not count any more. Ask for a new one.');
      case 'ONE_CODE_STATE_USED':
      case 'PAYER_UNKNOWN':
        return wordsPage(400, nonce(), 'Again', 'Scan the code again.');
      case 'PAYMENT_STATE':
        return wordsPage(409, nonce(), 'Taken', 'Somebody else has begun to pay this.');
      case 'NO_ROUTE':
      case 'OPERATION_NOT_SUPPORTED':
        return wordsPage(409, nonce(), 'Another wallet', 'This wallet cannot pay here. Open the code in another one.');
      default:
        return wordsPage(503, nonce(), 'Not now', 'This does not work now. Scan the code again in a moment.');
    }
  };

  return async (request) => {
    const match = PATH.exec(request.path);
    if (match === null) return show(wordsPage(404, nonce(), 'No such code', 'Nothing is here.'), 'unknown');
    const [, codeId = '', what] = match;
    try {
      return await runAsCall(
        {
          name: 'edge/one-code',
          caller: 'edge',
          priority: what === 'state' ? 'query' : 'payment',
          budgetMs: BUDGET_MS,
          clock,
        },
        () => {
          if (what === 'state') return stateAnswer(codeId);
          return what === 'back' ? back(codeId, request) : open(codeId, request);
        },
      );
    } catch (error) {
      const known = toRpcError(error);
      log.warn({ err: known, what: what ?? 'open' }, 'a code could not be shown');
      return show(refusalPage(known), known.reason.toLowerCase());
    }
  };
};
