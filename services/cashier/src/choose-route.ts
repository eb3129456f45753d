import type { Random } from '@tillmesh/clock';
import {
  assertNever,
  chooseAccount,
  type NoRoute,
  type RerouteToken,
  type RouteDecision,
  type RoutedAccount,
  type RouteHealth,
  type RouteQuestion,
  type RoutingTable,
  rerouteAfter,
} from '@tillmesh/domain';
import { type RpcError, rpcErrors } from '@tillmesh/rpc';
import type { AccountHealths } from './account-health.ts';
import type { RoutingFeed } from './routing-feed.ts';

/** An account that takes a payment. */
export type ChosenAccount = Pick<RoutedAccount, 'accountId' | 'channelId'>;

export type Route = { readonly account: ChosenAccount; readonly reason: string };

export type Routes = {
  /** @throws {RpcError} that says why no account can take the payment. */
  first(question: RouteQuestion): Route;
  /** Undefined where no other account can take it. Demands the token of a definite failure. */
  next(token: RerouteToken, question: RouteQuestion): Route | undefined;
};

const ROUTE_REASON_MAX = 255;
/** Chance in so many steps, so that the reason can name it whole. */
const CHANCE_STEPS = 1_000_000;

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

/** Routes by the table that is held and the health that is known; no call is made. */
export const createRoutes = (
  feed: Pick<RoutingFeed, 'table'>,
  health: Pick<AccountHealths, 'of'>,
  random: Random,
): Routes => {
  const decide = (
    question: RouteQuestion,
    choose: (table: RoutingTable, now: RouteHealth, fraction: number) => RouteDecision,
  ) => {
    const table = feed.table();
    if (table === undefined) throw rpcErrors.notReady('no routing table was heard yet', { retryAfterMs: 500 });
    const now = health.of(table.merchants.get(question.merchantId)?.accountIds ?? []);
    const step = random.below(CHANCE_STEPS);
    const decision = choose(table, now, step / CHANCE_STEPS);
    // What the choice depended on, in front: what is too long for the database is cut behind.
    return { decision, basis: `table ${table.version}, health ${now.version}, chance ${step}` };
  };
  return {
    first: (question) => {
      const { decision, basis } = decide(question, (table, now, fraction) =>
        chooseAccount(table, now, question, fraction),
      );
      if (decision.kind === 'no_route') throw toError(decision.why, decision, question);
      return { account: decision.account, reason: `${basis}; ${decision.reason}`.slice(0, ROUTE_REASON_MAX) };
    },
    next: (token, question) => {
      const { decision, basis } = decide(question, (table, now, fraction) =>
        rerouteAfter(token, table, now, question, fraction),
      );
      if (decision.kind === 'no_route') return undefined;
      const tried = question.excluded.join(', ');
      return {
        account: decision.account,
        reason: `rerouted after ${tried}: ${basis}; ${decision.reason}`.slice(0, ROUTE_REASON_MAX),
      };
    },
  };
};
