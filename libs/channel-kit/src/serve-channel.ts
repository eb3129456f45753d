import { tmpdir } from 'node:os';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import type { Clock, Random } from '@tillmesh/clock';
import { Secret } from '@tillmesh/config';
import { createLane, type Lane } from '@tillmesh/lane';
import { ChannelService } from '@tillmesh/proto/tillmesh/channel/v1/channel_service_pb.ts';
import { type Binding, bind, type CallContext, remainingMs, rpcErrors } from '@tillmesh/rpc';
import type { Log } from '@tillmesh/telemetry';
import { kindMap, walletMap } from '@tillmesh/wire';
import type { AccountSettings } from './account-settings.ts';
import type { AccountBook } from './accounts/account-book.ts';
import { nothingSent, unanswered, unansweredPayment } from './attempt-report.ts';
import { BILL_LIMITS, type BillLimits, type BillReport } from './bills/bill.ts';
import { billDayOf } from './bills/bill-day.ts';
import { openBillSpool } from './bills/bill-spool.ts';
import { billKindFromWire, billKindToWire, streamBill } from './bills/bill-stream.ts';
import {
  attemptSummary,
  billSummary,
  closeSummary,
  notificationSummary,
  payerSummary,
  refundSummary,
  withoutSecrets,
} from './call-summary.ts';
import type {
  AttemptReport,
  CallFacts,
  Channel,
  ChannelCall,
  CloseReport,
  NotificationReport,
  PayerReport,
  RefundReport,
} from './channel.ts';
import type { ChannelHttp } from './channel-http.ts';
import { type ChannelLanes, LANE_NAMES, type LaneName } from './channel-lanes.ts';
import { notificationOf, orderOf, paymentRequestOf, refundRefOf, refundRequestOf } from './from-wire.ts';
import { type CallSummary, observeCall } from './observe-call.ts';
import type { HeldPlace, PlaceQueue } from './place-queue.ts';
import { refundReport } from './refund-report.ts';
import { runInLane } from './run-in-lane.ts';
import {
  attemptReportToWire,
  closeReportToWire,
  notificationToWire,
  pollPlanToWire,
  refundReportToWire,
} from './to-wire.ts';

/** A channel at work. */
export type ServedChannel = {
  readonly binding: Binding;
  /** Those that the channel declares. */
  readonly lanes: Readonly<Record<Exclude<LaneName, 'bill'>, Lane>> & { readonly bill?: Lane | undefined };
};

export type ServeChannelOptions<Account extends AccountSettings> = {
  readonly channel: Channel<Account>;
  readonly accounts: AccountBook<Account>;
  readonly lanes: ChannelLanes;
  /** What a call that moves money needs at least, ms, and more where such calls usually take longer; with less it is not sent. */
  readonly sendFloorMs: number;
  /** What a bill may cost, and where it lies; BILL_LIMITS and the system's folder for such files unless told. */
  readonly bills?: BillLimits & { readonly folder: string };
  /** The way to the hosts of the accounts as they are now. */
  readonly http: (accounts: ReadonlyMap<string, Account>) => ChannelHttp;
  /** Who waits for a place in what was agreed for an account; undefined where nothing was. */
  readonly contractOf?: (accountId: string) => PlaceQueue | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
};

/** A step that cannot be taken back is given at most so much for its usual time: a channel that has become slow is still called. */
const SEND_FLOOR_MS_MAX = 10_000;
const USUAL_SHARE = 0.99;
/** Calls without effect at the channel are worth a try as long as there is any time. */
const READ_FLOOR_MS = 50;
const LANE_FULL_RETRY_MS = 200;
/** A bill takes seconds to minutes. */
const BILLS_OPEN_RETRY_MS = 10_000;

/** A way to the channel that sends nothing beyond what was agreed, and whether it has held something back. */
const withinContract = (http: ChannelHttp, place: HeldPlace): { http: ChannelHttp; heldBack: () => boolean } => {
  let heldBack = false;
  const whyNotSend = (): string | undefined => {
    const refusal = place.whyNotSend();
    if (refusal !== undefined) heldBack = true;
    return refusal;
  };
  const send: ChannelHttp['send'] = async (request) => {
    if (await place.untilReady(request.signal)) return http.send({ ...request, whyNotSend });
    // Held back here it costs no socket.
    heldBack = true;
    return { kind: 'not_sent', host: new URL(request.baseUrl).host, cause: 'contract_rate', sends: 0 };
  };
  return { http: { ...http, send }, heldBack: () => heldBack };
};

const MAYBE_SENT: CallFacts = { ...nothingSent, transport: 'maybe_sent', sends: 1 };

const undoneClose = (facts: CallFacts, cause: string): CloseReport => ({
  end: 'undecided',
  repeat: true,
  seen: unanswered(facts, cause),
});
const undoneRefund = (facts: CallFacts, cause: string): RefundReport =>
  refundReport(facts, 'unknown', { channelMessage: cause });

/** Turns a channel into the gRPC service that the mesh calls: account, lane, budget, metrics, spans and wire. */
export const serveChannel = <Account extends AccountSettings>(options: ServeChannelOptions<Account>): ServedChannel => {
  const { channel, accounts, sendFloorMs, contractOf = () => undefined, clock, random, log } = options;
  const { bills = { ...BILL_LIMITS, folder: tmpdir() } } = options;
  const lanes = Object.fromEntries(
    LANE_NAMES.flatMap((name): [LaneName, Lane][] => {
      const numbers = options.lanes[name];
      return numbers === undefined
        ? []
        : [[name, createLane({ ...numbers, name: `channel-${channel.id}.${name}` }, clock)]];
    }),
  ) as Record<LaneName, Lane>;
  let billsOpen = 0;

  const accountOf = (accountId: string): Account => {
    const account = accounts.accounts().get(accountId);
    if (account === undefined) {
      throw rpcErrors.accountUnknown(`channel ${channel.id} has no account ${accountId}`, {
        metadata: { account_id: accountId },
      });
    }
    return account;
  };

  const supported = <Method>(method: Method | undefined, operation: string): Method => {
    if (method === undefined) {
      throw rpcErrors.operationNotSupported(`channel ${channel.id} has no ${operation}`, {
        metadata: { channel_id: channel.id, operation },
      });
    }
    return method;
  };

  type Work<Report> = {
    readonly operation: string;
    readonly lane: LaneName;
    readonly context: CallContext;
    readonly account: Account;
    readonly channelOrderNo: string;
    readonly floorMs: number;
    readonly run: (call: ChannelCall<Account>) => Report | Promise<Report>;
    readonly summaryOf: (report: Report) => CallSummary;
    readonly onRefused: (cause: string, retryAfterMs: number) => Report;
    readonly onOutOfTime: () => Report;
  };

  const perform = <Report>(work: Work<Report>): Promise<Report> => {
    const { operation, context, account, channelOrderNo, summaryOf } = work;
    const about = { channelId: channel.id, operation, accountId: account.accountId, channelOrderNo, clock, log };
    return observeCall(about, summaryOf, async () => {
      // Notifications call nobody.
      const queue = work.lane === 'notify' ? undefined : contractOf(account.accountId);
      const lane = lanes[work.lane];
      const entered = await queue?.enter({
        lane: work.lane,
        merchant: context.merchant ?? '',
        limits: lane.limits,
        budgetMs: remainingMs(clock, context) - work.floorMs,
        signal: context.signal,
      });
      if (entered !== undefined && 'refusal' in entered) return work.onRefused(entered.refusal, entered.retryAfterMs);
      const http = options.http(accounts.accounts());
      const way = entered === undefined ? undefined : withinContract(http, entered);
      const result = await runInLane<Report>({
        lane,
        context,
        clock,
        floorMs: work.floorMs,
        work: async (signal) => work.run({ account, http: way?.http ?? http, clock, random, signal }),
        // What we hold back ourselves says nothing of the channel.
        factsOf: (report) => (way?.heldBack() === true ? undefined : summaryOf(report).facts),
      }).finally(() => entered?.release());
      switch (result.kind) {
        case 'done':
          return result.report;
        case 'refused':
          return work.onRefused(result.cause, LANE_FULL_RETRY_MS);
        case 'out_of_time':
          return work.onOutOfTime();
      }
    });
  };

  const movingFloorMs = (lane: LaneName): number =>
    Math.min(SEND_FLOOR_MS_MAX, Math.max(sendFloorMs, lanes[lane].usualMs(USUAL_SHARE) ?? 0));

  // Calls that move money tell that they were not sent in their result: the caller goes on with it.
  const moving = <Report>(lane: LaneName, undone: (facts: CallFacts, cause: string) => Report) => ({
    floorMs: movingFloorMs(lane),
    onRefused: (cause: string) => undone(nothingSent, cause),
    onOutOfTime: () => undone(MAYBE_SENT, 'out_of_time'),
  });

  // Calls that ask are refused as calls: nothing was learned.
  const asking = <Report>(lane: LaneName, undone: (facts: CallFacts, cause: string) => Report) => ({
    floorMs: READ_FLOOR_MS,
    onRefused: (cause: string, retryAfterMs: number): Report => {
      if (cause === 'no_time_left' || cause === 'lane_no_time_left') {
        throw rpcErrors.deadlineTooShort('too little time is left to ask the channel; nothing was done', {
          metadata: { needed_ms: String(READ_FLOOR_MS) },
        });
      }
      throw rpcErrors.laneFull(`the lane to the channel takes no more (${cause}); nothing was done`, {
        retryAfterMs,
        metadata: { lane: lanes[lane].name, cause },
      });
    },
    onOutOfTime: () => undone(MAYBE_SENT, 'out_of_time'),
  });

  const close =
    (operation: 'ClosePayment' | 'ReversePayment', method: Channel<Account>['closePayment']) =>
    async (wire: { readonly order?: Parameters<typeof orderOf>[0] }, context: CallContext) => {
      const order = orderOf(wire.order);
      const account = accountOf(order.accountId);
      const run = supported(method, operation);
      const report = await perform<CloseReport>({
        ...moving('query', undoneClose),
        operation,
        lane: 'query',
        context,
        account,
        channelOrderNo: order.channelOrderNo,
        run: (call) => run(order, call),
        summaryOf: closeSummary,
      });
      return { result: closeReportToWire(report) };
    };

  const binding = bind(ChannelService, {
    describeChannel: async () => ({
      channelId: channel.id,
      wallets: channel.wallets.map(walletMap.toWire),
      kinds: channel.kinds.map(kindMap.toWire),
      operations: operationsOf(channel),
      pollPlans: channel.pollPlans.map(pollPlanToWire),
      billPlans: (channel.bills?.kinds ?? []).map((kind) => ({
        kind: billKindToWire(kind),
        dayAheadOfUtc: durationFromMs(channel.bills?.dayAheadOfUtcMs ?? 0),
        readyAfter: durationFromMs(channel.bills?.readyAfterMs ?? 0),
      })),
      accountIds: [...accounts.accounts().keys()],
    }),

    createPayment: async (wire, context) => {
      const request = paymentRequestOf(wire);
      const { order } = request;
      const account = accountOf(order.accountId);
      supported(
        channel.kinds.find((kind) => kind === order.kind),
        `CreatePayment of kind ${order.kind}`,
      );
      const report = await perform<AttemptReport>({
        ...moving('pay', unansweredPayment),
        operation: 'CreatePayment',
        lane: 'pay',
        context,
        account,
        channelOrderNo: order.channelOrderNo,
        run: (call) => channel.createPayment(request, call),
        summaryOf: attemptSummary,
      });
      const secrets = [request.paymentCode, request.payerId, request.clientIp];
      return { result: attemptReportToWire(withoutSecrets(report, secrets), channel.queryTells) };
    },

    queryPayment: async (wire, context) => {
      const order = orderOf(wire.order);
      const account = accountOf(order.accountId);
      const report = await perform<AttemptReport>({
        ...asking('query', unanswered),
        operation: 'QueryPayment',
        lane: 'query',
        context,
        account,
        channelOrderNo: order.channelOrderNo,
        run: (call) => channel.queryPayment(order, call),
        summaryOf: attemptSummary,
      });
      return { result: attemptReportToWire(report) };
    },

    closePayment: close('ClosePayment', channel.closePayment),
    reversePayment: close('ReversePayment', channel.reversePayment),

    createRefund: async (wire, context) => {
      const request = refundRequestOf(wire);
      const account = accountOf(request.order.accountId);
      const run = supported(channel.createRefund, 'CreateRefund');
      const report = await perform<RefundReport>({
        ...moving('refund', undoneRefund),
        operation: 'CreateRefund',
        lane: 'refund',
        context,
        account,
        channelOrderNo: request.order.channelOrderNo,
        run: (call) => run(request, call),
        summaryOf: refundSummary,
      });
      return { result: refundReportToWire(report) };
    },

    queryRefund: async (wire, context) => {
      const refund = refundRefOf(wire);
      const account = accountOf(refund.order.accountId);
      const run = supported(channel.queryRefund, 'QueryRefund');
      const report = await perform<RefundReport>({
        ...asking('query', undoneRefund),
        operation: 'QueryRefund',
        lane: 'query',
        context,
        account,
        channelOrderNo: refund.order.channelOrderNo,
        run: (call) => run(refund, call),
        summaryOf: refundSummary,
      });
      return { result: refundReportToWire(report) };
    },

    parseNotification: async (wire, context) => {
      const account = accountOf(wire.accountId);
      const parse = supported(channel.parseNotification, 'ParseNotification');
      supported(account.acceptsNotifications ? parse : undefined, `ParseNotification for account ${account.accountId}`);
      const notification = notificationOf(wire);
      const report = await perform<NotificationReport>({
        ...asking('notify', () => {
          throw rpcErrors.deadlineTooShort('the notification was not read in time; nothing was done');
        }),
        operation: 'ParseNotification',
        lane: 'notify',
        context,
        account,
        channelOrderNo: '',
        run: (call) => parse(notification, call),
        summaryOf: notificationSummary,
      });
      return notificationToWire(report, channel.queryTells);
    },

    buildPayerAuth: async ({ accountId, returnUrl, state }) => {
      const account = accountOf(accountId);
      const build = supported(channel.buildPayerAuth, 'BuildPayerAuth');
      return { redirectUrl: build({ returnUrl, state }, account) };
    },

    resolvePayer: async (wire, context) => {
      const account = accountOf(wire.accountId);
      const resolve = supported(channel.resolvePayer, 'ResolvePayer');
      const report = await perform<PayerReport>({
        ...asking(
          'query',
          (facts, cause): PayerReport => ({
            facts,
            payerId: undefined,
            channelCode: '',
            channelMessage: cause,
          }),
        ),
        operation: 'ResolvePayer',
        lane: 'query',
        context,
        account,
        channelOrderNo: '',
        run: (call) => resolve(new Secret(wire.authorisationCode), call),
        summaryOf: payerSummary,
      });
      const { payerId, channelCode, channelMessage } = report;
      if (payerId === undefined) {
        throw rpcErrors.payerUnknown(
          `the wallet does not say who pays: ${channelMessage || channelCode || 'no answer'}`,
          {
            metadata: { channel_code: channelCode },
          },
        );
      }
      return { payerId: payerId.reveal() };
    },

    refreshAccounts: async () => {
      const problems = accounts.refresh();
      return { accountIds: [...accounts.accounts().keys()], problems: [...problems] };
    },

    fetchBill: async function* (wire, context) {
      const account = accountOf(wire.accountId);
      const declared = supported(channel.bills, 'FetchBill');
      const kind = supported(
        declared.kinds.find((one) => one === billKindFromWire(wire.kind)),
        `FetchBill of kind ${wire.kind}`,
      );
      const bounds = billDayOf(wire.day, declared.dayAheadOfUtcMs);
      if (bounds === undefined) {
        const violation = { field: 'day', description: 'is a day that no calendar has', reason: 'channel' };
        throw rpcErrors.requestInvalid('day is a day that no calendar has', { violations: [violation] });
      }
      const places = lanes.bill.limits.concurrentMax;
      if (billsOpen >= places) {
        throw rpcErrors.laneFull(`${billsOpen} bills are open already; nothing was done`, {
          retryAfterMs: BILLS_OPEN_RETRY_MS,
          metadata: { lane: lanes.bill.name },
        });
      }
      const request = { kind, day: wire.day };
      billsOpen += 1;
      const spool = openBillSpool(bills.folder, bills.rawBytesMax);
      try {
        yield* streamBill({
          asked: { channelId: channel.id, ...request, readyAtMs: bounds.endsMs + declared.readyAfterMs },
          spool,
          fetch: () =>
            perform<BillReport>({
              ...asking(
                'bill',
                (facts, cause): BillReport => ({
                  kind: 'unknown',
                  facts,
                  channelCode: '',
                  channelMessage: cause,
                }),
              ),
              operation: 'FetchBill',
              lane: 'bill',
              context,
              account,
              channelOrderNo: '',
              run: (call) => declared.fetch(request, spool, bills, call),
              summaryOf: billSummary,
            }),
          read: () => declared.read(request, spool, bills, account),
          signal: context.signal,
          clock,
        });
      } finally {
        billsOpen -= 1;
      }
    },
  });

  return { binding, lanes };
};

const OPERATIONS = [
  'createPayment',
  'queryPayment',
  'closePayment',
  'reversePayment',
  'createRefund',
  'queryRefund',
  'parseNotification',
  'buildPayerAuth',
  'resolvePayer',
] as const;

/** What a channel has, by RPC name. */
const operationsOf = <Account extends AccountSettings>(channel: Channel<Account>): string[] => [
  ...OPERATIONS.filter((operation) => channel[operation] !== undefined).map(
    (operation) => operation.charAt(0).toUpperCase() + operation.slice(1),
  ),
  ...(channel.bills === undefined ? [] : ['FetchBill']),
];
