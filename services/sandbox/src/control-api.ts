import type { z } from '@tillmesh/config';
import { PLANTS_MAX, PlantRequest, type Plants } from './bills/plants.ts';
import { ListQuery, OutageRequest, PaymentCodesRequest, RotateRequest, ScanRequest } from './control-requests.ts';
import { fen } from './fen.ts';
import type { HttpAnswer, HttpListener, HttpReply, HttpRequest } from './http-server.ts';
import type { Ledger } from './ledger.ts';
import { checkLedger, shownMovement, shownSum } from './ledger-report.ts';
import { LIMITS_MAX, type Limits, NewLimit } from './limits.ts';
import type { Notifier } from './notifier.ts';
import { HOSTS, type HostName } from './outage.ts';
import type { Payers } from './payers.ts';
import type { RotatingCertificate } from './rotating-certificate.ts';
import type { Scan, Scanned } from './scan.ts';
import { type Act, CHANNELS, type ChannelName } from './script.ts';
import { NewScript, SCRIPTS_MAX, type Scripts } from './scripts.ts';
import type { State } from './state.ts';
import type { Stats } from './stats.ts';
import type { PlatformKeys } from './wechat/platform-keys.ts';
import { changeKeys, KeysRequest } from './wechat/platform-keys-control.ts';

type Result = { readonly status: number; readonly body: unknown };

const ok = (body: unknown): Result => ({ status: 200, body });
const problem = (status: number, error: string, problems: readonly string[] = []): Result => ({
  status,
  body: { error, problems },
});

const answer = ({ status, body }: Result): HttpAnswer => ({
  kind: 'answer',
  status,
  headers: { 'content-type': 'application/json; charset=utf-8' },
  body: Buffer.from(`${JSON.stringify(body)}\n`),
});

/** One page of an iterable, without copying what lies before it or behind it. */
const page = <Item, Shown>(
  items: Iterable<Item>,
  { after, limit }: ListQuery,
  fits: (item: Item) => boolean,
  show: (item: Item) => Shown,
) => {
  const shown: Shown[] = [];
  let position = 0;
  for (const item of items) {
    position += 1;
    if (position <= after || !fits(item)) continue;
    if (shown.length === limit) return { items: shown, nextAfter: position - 1 };
    shown.push(show(item));
  }
  return { items: shown, nextAfter: undefined };
};

/** A channel's addresses; what has one alone has no second. */
export type ChannelHosts = { readonly first: HttpListener; readonly second?: HttpListener };

/** The sandbox' own interface for tests, demos and drills: plain JSON, documented in docs/sandbox.md. */
export const createControlApi = (deps: {
  readonly state: State;
  readonly payers: Payers;
  readonly ledger: Ledger;
  readonly scripts: Scripts;
  readonly stats: Stats;
  readonly limits: Limits;
  readonly wechatKeys: PlatformKeys;
  readonly notifier: Notifier;
  readonly plants: Plants;
  readonly channels: Readonly<Record<ChannelName, ChannelHosts>>;
  /** What answers are signed with, by channels whose certificates an authority issues. */
  readonly signers: { readonly alipay: RotatingCertificate | undefined; readonly unionpay: RotatingCertificate };
  readonly scan: (scan: Scan) => Scanned;
  readonly accounts: readonly object[];
  readonly orderStates: (outTradeNo: string) => readonly object[];
}): ((request: HttpRequest) => Promise<HttpReply>) => {
  const { payers, ledger, scripts, stats, limits, notifier, plants, channels } = deps;

  const hostsOf = (channel: ChannelName): readonly (readonly [HostName, HttpListener])[] =>
    HOSTS.flatMap((name) => {
      const listener = channels[channel][name];
      return listener === undefined ? [] : [[name, listener] as const];
    });
  const outages = () =>
    Object.fromEntries(
      CHANNELS.map((channel) => [
        channel,
        Object.fromEntries(hostsOf(channel).map(([name, { outage }]) => [name, outage.mode])),
      ]),
    );

  /** Runs `work` on a body of the right form, or names what is wrong with it. */
  const withBody = async <Schema extends z.ZodType>(
    schema: Schema,
    request: HttpRequest,
    work: (body: z.output<Schema>) => Result | Promise<Result>,
  ): Promise<Result> => {
    let value: unknown;
    try {
      value = JSON.parse(request.body.toString());
    } catch {
      return problem(400, 'the body is no JSON');
    }
    const parsed = schema.safeParse(value);
    if (parsed.success) return work(parsed.data);
    const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
    return problem(400, 'the body has not the right form', problems);
  };
  const withQuery = (request: HttpRequest, work: (query: ListQuery) => Result): Result => {
    const parsed = ListQuery.safeParse(Object.fromEntries(request.query));
    if (parsed.success) return work(parsed.data);
    const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
    return problem(400, 'the query has not the right form', problems);
  };
  const fitsQuery =
    ({ prefix, outTradeNo, account }: ListQuery) =>
    (item: { readonly outTradeNo: string; readonly accountId?: string; readonly merchantId: string }): boolean =>
      item.outTradeNo.startsWith(prefix) &&
      (outTradeNo === undefined || item.outTradeNo === outTradeNo) &&
      (account === undefined || item.accountId === account || item.merchantId === account);

  const issueCodes = (wish: z.output<typeof PaymentCodesRequest>): Result => {
    const { wallet, payerId, script, balanceFen, validForSeconds } = wish;
    const codes = Array.from({ length: wish.count }, () =>
      payers.issueCode({
        wallet,
        payerId,
        acts: script,
        balance: balanceFen === undefined ? undefined : fen(balanceFen),
        validForMs: validForSeconds === undefined ? undefined : validForSeconds * 1_000,
      }),
    ).map((code) => ({
      paymentCode: code.code,
      payerId: code.payerId,
      validUntil: new Date(code.validUntilMs).toISOString(),
    }));
    return ok({ ...codes[0], codes });
  };

  const scan = ({ code, payerId, afterSeconds, script }: z.output<typeof ScanRequest>): Result => {
    const typing: readonly Act[] =
      afterSeconds === undefined ? [] : [{ do: 'payer_types_password', seconds: afterSeconds, then: 'pays' }];
    const scanned = deps.scan({ code, payerId, acts: [...typing, ...script] });
    switch (scanned.kind) {
      case 'scanned':
        return ok(scanned);
      case 'unknown':
        return problem(404, 'no order has this code');
      case 'refused':
        return problem(409, scanned.reason);
    }
  };

  const routes: Readonly<Record<string, (request: HttpRequest, name: string) => Result | Promise<Result>>> = {
    'GET /control/health': () => {
      const underWay = Object.fromEntries(
        CHANNELS.map((channel) => [
          channel,
          hostsOf(channel).reduce((sum, [, listener]) => sum + listener.underWay, 0),
        ]),
      );
      return ok({ status: 'ready', outages: outages(), underWay });
    },
    'GET /control/accounts': () => ok({ accounts: deps.accounts }),
    'POST /control/payment-codes': (request) => withBody(PaymentCodesRequest, request, issueCodes),
    'POST /control/scan': (request) => withBody(ScanRequest, request, scan),
    'GET /control/scripts': () => ok({ scripts: scripts.list() }),
    'POST /control/scripts': (request) =>
      withBody(NewScript, request, (wish) => {
        const script = scripts.add(wish);
        return script === undefined ? problem(409, `there are ${SCRIPTS_MAX} scripts already`) : ok(script);
      }),
    'DELETE /control/scripts': () => {
      const removed = scripts.list().filter(({ scriptId }) => scripts.remove(scriptId)).length;
      return ok({ removed });
    },
    'DELETE /control/scripts/*': (_request, scriptId) =>
      scripts.remove(scriptId) ? ok({ removed: 1 }) : problem(404, 'there is no such script'),
    'GET /control/limits': () => ok({ limits: limits.list() }),
    'POST /control/limits': (request) =>
      withBody(NewLimit, request, (wish) => {
        const limit = limits.add(wish);
        return limit === undefined ? problem(409, `there are ${LIMITS_MAX} limits already`) : ok(limit);
      }),
    'DELETE /control/limits': () =>
      ok({ removed: limits.list().filter(({ limitId }) => limits.remove(limitId)).length }),
    'DELETE /control/limits/*': (_request, limitId) =>
      limits.remove(limitId) ? ok({ removed: 1 }) : problem(404, 'there is no such limit'),
    'GET /control/wechat/keys': () => ok({ keys: deps.wechatKeys.list() }),
    'POST /control/wechat/keys': (request) =>
      withBody(KeysRequest, request, (wish) => {
        const { status, problem: text } = changeKeys(deps.wechatKeys, wish);
        return text === undefined ? ok({ keys: deps.wechatKeys.list() }) : problem(status, text);
      }),
    'GET /control/orders/*': (_request, outTradeNo) => ok({ orders: deps.orderStates(outTradeNo) }),
    'GET /control/ledger': (request) =>
      withQuery(request, (query) => {
        const { items, nextAfter } = page(ledger.movements(), query, fitsQuery(query), shownMovement);
        return ok({ movements: items, nextAfter });
      }),
    'GET /control/ledger/orders': (request) =>
      withQuery(request, (query) => {
        const { items, nextAfter } = page(ledger.sums(), query, fitsQuery(query), shownSum);
        return ok({ orders: items, nextAfter });
      }),
    'GET /control/ledger/check': (request) =>
      withQuery(request, ({ prefix }) => ok(checkLedger(ledger.sums(), prefix))),
    'GET /control/notifications': (request) =>
      withQuery(request, (query) => {
        const { items, nextAfter } = page(notifier.list(), query, fitsQuery(query), (notification) => notification);
        return ok({ notifications: items.map(({ content: _content, ...shown }) => shown), nextAfter });
      }),
    'POST /control/bills/plants': (request) =>
      withBody(PlantRequest, request, (wish) => {
        const planted = plants.add(wish);
        return planted === undefined ? problem(409, `there are ${PLANTS_MAX} at most`) : ok({ plants: planted });
      }),
    'GET /control/bills/plants': () => ok({ plants: plants.list() }),
    'DELETE /control/bills/plants': () => ok({ removed: plants.clear() }),
    'GET /control/stats': () => ok(stats.read()),
    'DELETE /control/stats/most': () => {
      stats.forgetMost();
      return ok(stats.read());
    },
    'POST /control/rotate': (request) =>
      withBody(RotateRequest, request, ({ channel }) => {
        const signer = deps.signers[channel];
        if (signer === undefined || !signer.rotate()) return problem(409, `${channel} has no authority's key here`);
        return ok({ channel, certificate: signer.current.certificate });
      }),
    'POST /control/outage': (request) =>
      withBody(OutageRequest, request, async ({ channel, host, outage }) => {
        const affected = hostsOf(channel).filter(([name]) => host === undefined || name === host);
        if (affected.length === 0) return problem(404, `${channel} has no ${host} address`);
        for (const [, listener] of affected) await listener.setOutage(outage);
        return ok({ outages: outages() });
      }),
  };

  return async (request) => {
    const [, named, last] = /^(\/control\/(?:scripts|limits|orders)\/)([^/]+)$/.exec(request.path) ?? [];
    const route = routes[`${request.method} ${named === undefined ? request.path : `${named}*`}`];
    if (route === undefined) return answer(problem(404, 'there is no such path', Object.keys(routes)));
    const result = await route(request, last ?? '');
    await deps.state.durable();
    return answer(result);
  };
};
