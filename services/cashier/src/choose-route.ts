import type { Random } from '@tillmesh/clock';
import {
  assertNever,
  chooseAccount,
  type NoRoute,
  type RerouteToken,
  type RouteDecision,
  type RoutedAccount,
  type RouteQuestion,
  type RoutingTable,
  rerouteAfter,
} from '@tillmesh/domain';
import { type RpcError, rpcErrors } from '@tillmesh/rpc';
import type { AccountHealths } from './account-health.ts';
import type { RoutingFeed } from './routing-feed.ts';

export type Route = { readonly account: RoutedAccount; readonly reason: string };

export type Routes = {
  /** @throws {RpcError} that says why no account can take the payment. */
  first(question: RouteQuestion): Route;
  /** Undefined where no other account can take it. Demands the token of a definite failure. */
  next(token: RerouteToken, question: RouteQuestion): Route | undefined;
};

const ROUTE_REASON_MAX = 255;

/** With these and the shares of health that the reason names, the choice can be repeated. */
const inputsOf = ({ version }: RoutingTable, fraction: number): string =>
  `table ${version}, chance ${fraction.toFixed(4)}`;

const toError = (
  why: NoRoute,
  decision: Extract<RouteDecision, { kind: 'no_route' }>,
  question: RouteQuestion,
): RpcError => {
  switch (why.kind) {
    case 'merchant_unknown':
      return rpcErrors.merchantUnknown(`there is no merchant ${question.merchantId}`, {
        metadata: { merchant_id: question.merchantId },
      });
    case 'amount_above_limit':
      return rpcErrors.amountAboveLimit(
        `${question.merchantId} takes at most ${why.limit} minor units at once by ${question.wallet} and ${question.kind}`,
        {
          metadata: { limit_minor_units: String(why.limit) },
        },
      );
    case 'currency_not_supported':
      return rpcErrors.currencyNotSupported(
        `no account of ${question.merchantId} takes ${question.amount.currency}; ${why.currencies.join(', ')} can be taken`,
        {
          metadata: { currencies: why.currencies.join(',') },
        },
      );
    case 'none_left': {
      const considered = decision.candidates.map(({ accountId, reason }) => `${accountId}: ${reason}`).join('; ');
      return rpcErrors.noRoute('no account of the merchant can take this payment now', { metadata: { considered } });
    }
    default:
      return assertNever(why);
  }
};

/** Routes by the table that is held; no call is made. */
export const createRoutes = (
  feed: Pick<RoutingFeed, 'table'>,
  health: Pick<AccountHealths, 'now'>,
  random: Random,
): Routes => {
  const tableNow = (): RoutingTable => {
    const table = feed.table();
    if (table === undefined) throw rpcErrors.notReady('no routing table was heard yet', { retryAfterMs: 500 });
    return table;
  };
  return {
    first: (question) => {
      const [table, fraction] = [tableNow(), random.fraction()];
      const decision = chooseAccount(table, question, fraction, health.now);
      if (decision.kind === 'no_route') throw toError(decision.why, decision, question);
      const reason = `${decision.reason}; ${inputsOf(table, fraction)}`;
      return { account: decision.account, reason: reason.slice(0, ROUTE_REASON_MAX) };
    },
    next: (token, question) => {
      const [table, fraction] = [tableNow(), random.fraction()];
      const decision = rerouteAfter(token, table, question, fraction, health.now);
      if (decision.kind === 'no_route') return undefined;
      const tried = question.excluded.join(', ');
      const reason = `rerouted after ${tried}: ${decision.reason}; ${inputsOf(table, fraction)}`;
      return { account: decision.account, reason: reason.slice(0, ROUTE_REASON_MAX) };
    },
  };
};
