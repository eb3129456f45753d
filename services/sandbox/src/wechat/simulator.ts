import type { Clock, Random } from '@tillmesh/clock';
import type { Log } from '@tillmesh/telemetry';
import type { BillBook } from '../bills/bill-book.ts';
import type { HttpReply, HttpRequest } from '../http-server.ts';
import type { Ledger } from '../ledger.ts';
import type { Limits } from '../limits.ts';
import type { Notifier } from '../notifier.ts';
import type { Payers } from '../payers.ts';
import type { Scripts } from '../scripts.ts';
import type { State } from '../state.ts';
import type { Stats } from '../stats.ts';
import type { WechatAccount } from './account.ts';
import { createCodeOrders } from './code-orders.ts';
import { createWechatNews, wechatNotifying } from './notifications.ts';
import { createWechatOauth } from './oauth.ts';
import { createWechatOrders, type WechatOrders } from './orders.ts';
import type { PlatformKeys } from './platform-keys.ts';
import { createWechatRefunds } from './refunds.ts';
import { createMicropay } from './v2-micropay.ts';
import { createOrderQuery, createReverse } from './v2-orders.ts';
import { createV2Refund, createV2RefundQuery } from './v2-refunds.ts';
import { createV2Simulator } from './v2-simulator.ts';
import { createV3Bills } from './v3-bills.ts';
import { createV3Refunds } from './v3-refunds.ts';
import { createV3Simulator } from './v3-simulator.ts';
import { createV3Transactions } from './v3-transactions.ts';

export type WechatSettings = {
  readonly accounts: readonly WechatAccount[];
  readonly platform: PlatformKeys;
  /** Unpaid orders by payment code end by themselves after this long. */
  readonly codeOrderRevokedAfterMs: number;
  readonly refundTakesMs: number;
  readonly refundGapMs: number;
  readonly ordersMax: number;
};

/** WeChat Pay: one port, v2 and v3 over the same orders. */
export interface WechatSimulator {
  readonly orders: WechatOrders;
  handle(request: HttpRequest): Promise<HttpReply>;
  resume(): void;
}

export const createWechatSimulator = (deps: {
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
  readonly settings: WechatSettings;
}): WechatSimulator => {
  const { settings, notifier } = deps;
  const { accounts, platform } = settings;
  notifier.register('wechat', wechatNotifying({ ...deps, platform, accounts }));
  const news = createWechatNews(deps);
  const orders = createWechatOrders({ ...deps, ordersMax: settings.ordersMax, onPaid: news.paid });
  const codeOrders = createCodeOrders({ ...deps, ...settings, orders });
  const refunds = createWechatRefunds({ ...deps, ...settings, orders, news });
  const v3 = createV3Simulator({
    ...deps,
    accounts,
    platform,
    orders,
    transactions: createV3Transactions({ ...deps, orders, codeOrders }),
    refunds: createV3Refunds({ orders, refunds }),
    bills: createV3Bills(deps),
  });
  const v2 = createV2Simulator({
    ...deps,
    accounts,
    operations: new Map([
      ['/pay/micropay', createMicropay({ ...deps, orders, codeOrders })],
      ['/pay/orderquery', createOrderQuery(orders)],
      ['/secapi/pay/reverse', createReverse({ orders, codeOrders })],
      ['/secapi/pay/refund', createV2Refund({ orders, refunds })],
      ['/pay/refundquery', createV2RefundQuery({ orders, refunds })],
    ]),
  });
  const oauth = createWechatOauth({ ...deps, accounts });
  return {
    orders,
    handle: async (request) => (request.path.startsWith('/v3/') ? v3(request) : (oauth.handle(request) ?? v2(request))),
    resume: () => {
      orders.resume();
      refunds.resume();
    },
  };
};
