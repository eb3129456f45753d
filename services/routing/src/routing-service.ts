import type { Clock } from '@tillmesh/clock';
import { type AccountId, chooseAccount, type MerchantId, parseOrderNo } from '@tillmesh/domain';
import type { OrderStoreService } from '@tillmesh/proto/tillmesh/orderstore/v1/order_store_service_pb.ts';
import type { HypotheticalPayment, RoutingService } from '@tillmesh/proto/tillmesh/routing/v1/routing_service_pb.ts';
import { AccountState } from '@tillmesh/proto/tillmesh/routing/v1/routing_table_pb.ts';
import { type Implementation, type RpcClient, rpcErrors } from '@tillmesh/rpc';
import type { Log } from '@tillmesh/telemetry';
import {
  accountReportFromWire,
  accountToWire,
  hearsayToWire,
  kindMap,
  moneyFromWire,
  routingTableToWire,
  walletMap,
} from '@tillmesh/wire';
import type { HealthReports } from './health-reports.ts';
import type { News } from './news.ts';
import type { RoutingSource } from './routing-source.ts';

/** Chance plays no part in an explanation: the first of equals is shown as chosen. */
const FIRST_OF_EQUALS = 0;
const REASON_MAX = 255;
/** Who watches hears something so often, so that silence means that routing is away. */
const TELL_EVERY_MS = 1_000;
/** Many cashiers that see the same at the same time make one message, not many. */
const GATHER_MS = 50;

/** The wire's side of routing. */
export const createRoutingService = (deps: {
  readonly source: RoutingSource;
  readonly health: HealthReports;
  readonly news: News;
  readonly orderStore: Pick<RpcClient<typeof OrderStoreService>, 'getOrder'>;
  readonly clock: Clock;
  readonly log: Log;
}): Implementation<typeof RoutingService> => {
  const { source, health, news, orderStore, clock, log } = deps;

  const explainHypothetical = (payment: HypotheticalPayment) => {
    const table = source.table();
    const amount = moneyFromWire(payment.amount);
    const wallet = walletMap.fromWire(payment.wallet);
    const kind = kindMap.fromWire(payment.kind);
    if (amount === undefined || wallet === undefined || kind === undefined) {
      throw rpcErrors.requestInvalid('amount, wallet and kind have to be set');
    }
    const merchantId = payment.merchantId as MerchantId;
    const excluded = payment.excludedAccountIds as AccountId[];
    const { merchantOrderNo } = payment;
    const question = { merchantId, merchantOrderNo, amount, wallet, kind, excluded };
    const decision = chooseAccount(table, health.present(), question, FIRST_OF_EQUALS);
    if (decision.kind === 'no_route' && decision.why.kind === 'merchant_unknown') {
      throw rpcErrors.merchantUnknown(`there is no merchant ${merchantId} in the routing table`, {
        metadata: { merchant_id: merchantId },
      });
    }
    return {
      tableVersion: table.version,
      candidates: decision.candidates.map((candidate) => ({
        ...candidate,
        reason: candidate.reason.slice(0, REASON_MAX),
      })),
    };
  };

  const explainStored = async (orderNo: string) => {
    if (parseOrderNo(orderNo) === undefined) throw rpcErrors.orderNoMalformed('the check digit does not fit');
    const { payment } = await orderStore.getOrder({ payment: { ref: { case: 'orderNo', value: orderNo } } });
    const attempts = payment?.attempts ?? [];
    return {
      tableVersion: 0n,
      candidates: attempts.map(({ accountId, routeReason, attemptNo }) => ({
        accountId,
        chosen: attemptNo === attempts.length,
        reason: `attempt ${attemptNo}: ${routeReason}`.slice(0, REASON_MAX),
      })),
    };
  };

  return {
    watchRoutingTable: async function* ({ knownVersion, reporter }, { signal }) {
      let sent = knownVersion;
      while (!signal.aborted) {
        // Read before the table is: what is told meanwhile is not missed.
        const known = news.count();
        const table = source.table();
        const accounts = [...health.heardBy(reporter)].map(([accountId, hearsay]) => hearsayToWire(accountId, hearsay));
        yield { ...(table.version === sent ? {} : { table: routingTableToWire(table) }), health: { accounts } };
        sent = table.version;
        await news.next(known, TELL_EVERY_MS, signal);
        if (!signal.aborted) await clock.sleep(GATHER_MS, signal).catch(() => undefined);
      }
    },
    reportHealth: async ({ reporter, accounts }) => {
      health.take(reporter, accounts.map(accountReportFromWire));
      return {};
    },
    explainRoute: async ({ subject }) => {
      if (subject.case === 'hypothetical') return explainHypothetical(subject.value);
      return explainStored(subject.case === 'orderNo' ? subject.value : '');
    },
    setAccountState: async ({ accountId, state, note }, call) => {
      const enabled = state === AccountState.ENABLED;
      const account = source.setSwitch(accountId as AccountId, { enabled, note });
      if (account === undefined) {
        throw rpcErrors.accountUnknown(`there is no account ${accountId} in the routing table`, {
          metadata: { account_id: accountId },
        });
      }
      log.warn({ accountId, enabled, note, caller: call.caller }, 'an operator switched an account');
      return { account: accountToWire(account), tableVersion: source.table().version };
    },
  };
};
