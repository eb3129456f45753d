import type { Clock, Random } from '@tillmesh/clock';
import type { Secret, z } from '@tillmesh/config';
import type {
  ClientAction,
  DetailField,
  Money,
  Outcome,
  PaymentKind,
  RefundState,
  SignatureState,
  Transport,
  Wallet,
} from '@tillmesh/domain';
import type { AccountSettings } from './account-settings.ts';
import type { BillKind, BillLimits, BillLine, BillRead, BillReport, BillRequest } from './bills/bill.ts';
import type { BillSpool } from './bills/bill-spool.ts';
import type { ChannelHttp, HttpHost } from './channel-http.ts';
import type { ChannelLanes } from './channel-lanes.ts';
import type { ReadDetails } from './payment-details.ts';

/** Names an attempt at the channel. */
export type OrderRef = {
  readonly accountId: string;
  /** 8 to 32 characters of 0-9 A-Z a-z. */
  readonly channelOrderNo: string;
  /** The channel's own number; empty where it is not known. */
  readonly channelTransactionId: string;
  readonly createdAtMs: number;
  /** When the payment expires; undefined where nobody said. */
  readonly expireAtMs: number | undefined;
  readonly kind: PaymentKind;
  /** Whose money is moved; undefined where nobody said, and the channel has only one way. */
  readonly wallet?: Wallet | undefined;
  /** What was to be paid. */
  readonly amount: Money;
};

/** An attempt to start. */
export type PaymentRequest = {
  readonly order: OrderRef;
  readonly subject: string;
  readonly expireAtMs: number;
  /** The payer's code, for payment codes. */
  readonly paymentCode: Secret;
  /** Who pays, where the wallet has to be told. */
  readonly payerId: Secret;
  readonly clientIp: Secret;
  /** Empty: no notification. */
  readonly notifyUrl: string;
  readonly terminalId: string;
  readonly storeId: string;
};

/** Money to give back. */
export type RefundRequest = {
  readonly order: OrderRef;
  /** A repeat carries the same. */
  readonly refundNo: string;
  readonly amount: Money;
  readonly reason: string;
  readonly notifyUrl: string;
};

/** Which refund. */
export type RefundRef = { readonly order: OrderRef; readonly refundNo: string; readonly amount: Money };

/** A notification as it came in. */
export type RawNotification = {
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
};

/** What is known of one exchange with the channel. */
export type CallFacts = {
  readonly transport: Transport;
  /** Undefined without an answer. */
  readonly signature: SignatureState | undefined;
  /** True where the channel signs no answers and the connection vouches for this one; see AnswerTrust. */
  readonly vouched?: boolean;
  readonly host: string;
  /** How often the request's bytes may have been sent. */
  readonly sends: 0 | 1 | 2;
  /** 0 without an answer. */
  readonly httpStatus: number;
};

/** What one call to the channel came to. */
export type AttemptReport = {
  readonly outcome: Outcome;
  readonly facts: CallFacts;
  /** The row of a code table that spoke; empty where none did. */
  readonly ruleId: string;
  readonly channelCode: string;
  readonly channelSubCode: string;
  readonly channelMessage: string;
  readonly channelState: string;
  readonly channelTransactionId: string;
  readonly action: ClientAction | undefined;
  /** The answer speaks of an earlier state of the same order: worth a query at once. */
  readonly queryNow: boolean;
  readonly configAlarm: boolean;
  readonly orderNotFound: boolean;
  /** What a success tells beyond itself; see readDetails. Undefined for any other outcome. */
  readonly details: ReadDetails | undefined;
};

/** How a close or a reverse ended. */
export type CloseEnd = 'undecided' | 'closed' | 'refunded' | 'already_paid' | 'payer_paying';

/** What a close or a reverse came to. */
export type CloseReport = {
  readonly end: CloseEnd;
  /** The channel asks for the same call again. */
  readonly repeat: boolean;
  readonly seen: AttemptReport;
};

/** What a call about a refund came to. */
export type RefundReport = {
  readonly state: Exclude<RefundState, 'requested'>;
  readonly facts: CallFacts;
  readonly ruleId: string;
  readonly channelRefundId: string;
  readonly channelCode: string;
  readonly channelMessage: string;
  readonly refunded: Money | undefined;
  readonly refundNotFound: boolean;
};

/** An answer to a notification, byte for byte. */
export type NotificationAnswer = { readonly status: number; readonly contentType: string; readonly body: Buffer };

/** Why a notification was refused. */
export type NotificationRefusal =
  | 'bad_signature'
  | 'no_signature'
  | 'stale'
  | 'unreadable'
  | 'foreign_account'
  | 'probe';

/** Asks a wallet who its owner is. */
export type PayerAuthRequest = {
  /** Where the wallet comes back to, with its one-time code and our state. */
  readonly returnUrl: string;
  /** Comes back untouched. */
  readonly state: string;
};

/** Who pays, or why nobody knows. */
export type PayerReport = {
  readonly facts: CallFacts;
  /** Undefined where the wallet does not say. */
  readonly payerId: Secret | undefined;
  readonly channelCode: string;
  readonly channelMessage: string;
};

/** What a notification is. */
export type NotificationReport =
  | { readonly kind: 'refused'; readonly refusal: NotificationRefusal; readonly answerRetry: NotificationAnswer }
  | {
      readonly kind: 'news';
      /** Stable over the channel's repeats. */
      readonly dedupeKey: string;
      readonly payments: readonly { readonly channelOrderNo: string; readonly report: AttemptReport }[];
      readonly refunds: readonly { readonly refundNo: string; readonly report: RefundReport }[];
      readonly answerOk: NotificationAnswer;
      readonly answerRetry: NotificationAnswer;
    };

/** When the syncer asks about an attempt of one kind, and what it does at the end; all ms from the attempt. */
export type PollPlan = {
  readonly kind: PaymentKind;
  readonly firstAfterMs: number;
  /** Doubled after each ten queries, up to stepMaxMs. */
  readonly stepMs: number;
  readonly stepMaxMs: number;
  /** For QR kinds the payment's expiry counts instead. */
  readonly giveUpAfterMs: number;
  readonly endByReverse: boolean;
  /** From then on "no such order" proves that nothing can be taken any more. */
  readonly notFoundFinalAfterMs: number;
};

/** What an adapter works with in one call. */
export type ChannelCall<Account> = {
  readonly account: Account;
  readonly http: ChannelHttp;
  readonly clock: Clock;
  readonly random: Random;
  /** Aborted when the call's time is up or its caller is gone. */
  readonly signal: AbortSignal;
};

/** The bills that a channel has. */
export type ChannelBills<Account> = {
  readonly kinds: readonly BillKind[];
  /** How far the zone of its days is ahead of UTC, without summer time: 8 h for China, 0 for UTC. */
  readonly dayAheadOfUtcMs: number;
  /** From the end of the day until the channel promises the bill. */
  readonly readyAfterMs: number;
  /** Brings the bill into the spool, and checks the digest that the channel tells. Resolves for everything that a channel can do to it; @throws {BrokenBill} */
  readonly fetch: (
    request: BillRequest,
    spool: BillSpool,
    limits: BillLimits,
    call: ChannelCall<Account>,
  ) => Promise<BillReport>;
  /**
   * Reads what lies in the spool, in batches and in the file's order, without the channel. It returns when it has seen the whole file and everything in
   * it agrees. @throws {BrokenBill}
   */
  readonly read: (
    request: BillRequest,
    spool: Pick<BillSpool, 'path' | 'read'>,
    limits: BillLimits,
    account: Account,
  ) => AsyncGenerator<readonly BillLine[], BillRead>;
};

type Operation<Account, Request, Report> = (request: Request, call: ChannelCall<Account>) => Promise<Report>;

/**
 * A channel: everything that the mesh knows of it. A method that is left out is an operation that the channel does not have.
 *
 * Methods resolve for everything that a channel can do to them; they reject only for a bug, or with
 * rpcErrors.operationNotSupported where a kind of payment lacks the operation.
 */
export type Channel<Account extends AccountSettings> = {
  /** Such as `wechat`. */
  readonly id: string;
  readonly wallets: readonly Wallet[];
  readonly kinds: readonly PaymentKind[];
  /** The schema of one account's settings. */
  readonly account: z.ZodType<Account>;
  readonly lanes: ChannelLanes;
  /** One for each kind. */
  readonly pollPlans: readonly PollPlan[];
  /** What of a payment's details a query tells: where other news lacks one of them, one later query completes it. None unless told. */
  readonly queryTells?: readonly DetailField[];
  /** What a probe of a domain asks for, by GET: anything that it answers while it is well. `/` unless told. */
  readonly probePath?: string;
  /** The hosts of an account beyond its base addresses: those that ask for its client certificate, or where payers are asked for. */
  readonly furtherHosts?: (account: Account) => readonly HttpHost[];

  /**
   * Starts an attempt. `not_sent` becomes a definite failure of this call; whoever has called for the same attempt before
   * knows that an earlier call may have arrived.
   */
  readonly createPayment: Operation<Account, PaymentRequest, AttemptReport>;
  readonly queryPayment: Operation<Account, OrderRef, AttemptReport>;
  readonly closePayment?: Operation<Account, OrderRef, CloseReport>;
  readonly reversePayment?: Operation<Account, OrderRef, CloseReport>;
  readonly createRefund?: Operation<Account, RefundRequest, RefundReport>;
  readonly queryRefund?: Operation<Account, RefundRef, RefundReport>;
  /** Where the wallet says who pays; works without the channel. Needs `resolvePayer`. */
  readonly buildPayerAuth?: (request: PayerAuthRequest, account: Account) => string;
  /** Turns the wallet's one-time code into the payer's id, as CreatePayment of kind jsapi wants it. */
  readonly resolvePayer?: Operation<Account, Secret, PayerReport>;
  /** Left out where the channel has no bills; with it `lanes.bill` is needed. */
  readonly bills?: ChannelBills<Account>;
  /** What is kept fresh for each account besides calls, such as keys of the channel that change; mostly there is nothing to do. */
  readonly upkeep?: {
    /** From the end of one round to the next, ms. */
    readonly everyMs: number;
    readonly run: (call: ChannelCall<Account>) => Promise<void>;
  };
  /** Works without the channel; synchronous. */
  readonly parseNotification?: (notification: RawNotification, call: ChannelCall<Account>) => NotificationReport;
};

/** Declares a channel; its account type follows from its schema. */
export const defineChannel = <Account extends AccountSettings>(channel: Channel<Account>): Channel<Account> => channel;
