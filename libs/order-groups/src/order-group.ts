import type {
  AccountId,
  ChannelId,
  GroupTag,
  MerchantId,
  MerchantOrderNo,
  Money,
  OrderNo,
  PaymentKind,
  Wallet,
} from '@tillmesh/domain';
import type { Deadline } from './connection.ts';
import type { StoredPayment } from './payment-rows.ts';

/** Where an attempt goes, and who wrote it. */
export type AttemptPlan = {
  readonly accountId: AccountId;
  readonly channelId: ChannelId;
  readonly routeReason: string;
  /** Random text of the caller: it recognises its own attempt after a lost answer. */
  readonly token: string;
};

/** What a caller wants written. */
export type NewPayment = {
  readonly merchantId: MerchantId;
  readonly merchantOrderNo: MerchantOrderNo;
  readonly amount: Money;
  readonly kind: PaymentKind;
  readonly wallet: Wallet;
  readonly subject: string;
  readonly terminalId: string;
  readonly storeId: string;
  readonly traceparent: string;
  /** Wall clock, ms. */
  readonly createdAtMs: number;
  readonly expireAtMs: number;
  readonly attempt: AttemptPlan;
  readonly firstCheckAfterMs: number;
  /** Who writes, for the trajectory. */
  readonly source: string;
};

/** What a write came to. `duplicate`: the merchant's number is there already. `number_taken`: our own number is. */
export type WriteResult =
  | { readonly kind: 'written' }
  | { readonly kind: 'duplicate' }
  | { readonly kind: 'number_taken' }
  | { readonly kind: 'not_written'; readonly cause: string }
  | { readonly kind: 'ambiguous'; readonly cause: string };

/** A compare-and-set. `lost`: the row was not as expected. */
export type CasResult = 'won' | 'lost' | 'failed';

/** A merchant order number's claim at its buddy: made by a jump. */
export type Claim = { readonly orderNo: OrderNo; readonly state: 'open' | 'bound' | 'abandoned' };

/** What a read came to. `unsure`: nobody could answer with certainty. */
export type Sure<T> = { readonly kind: 'sure'; readonly value: T } | { readonly kind: 'unsure' };

/**
 * What the bounce protocol needs of a group. libs/order-groups/src/sql-order-group.ts is the real one; a simulation brings
 * its own.
 */
export type OrderGroup = {
  readonly tag: GroupTag;
  admitsNewOrders(): boolean;
  /** One fenced INSERT as `paying`. */
  insertPaying(orderNo: OrderNo, payment: NewPayment, deadline: Deadline): Promise<WriteResult>;
  /** In one transaction: the order as `unbound` and an open claim. */
  insertJumped(orderNo: OrderNo, payment: NewPayment, home: GroupTag, deadline: Deadline): Promise<WriteResult>;
  /**
   * An acknowledged write to a `paying` order that the payment's token wrote and whose channel was not called. It takes the version
   * on, so that whoever holds the one before can no longer take the order back.
   */
  touch(orderNo: OrderNo, payment: NewPayment, deadline: Deadline): Promise<CasResult>;
  /** `unbound` of this version to `paying`, acknowledged; the attempt is the payment's token's from then on. */
  activate(orderNo: OrderNo, version: number, payment: NewPayment, deadline: Deadline): Promise<CasResult>;
  /** `paying` of this version to `unbound`: nobody may pay it until somebody decides. */
  unbind(orderNo: OrderNo, version: number, source: string, deadline: Deadline): Promise<CasResult>;
  /** `paying` or `unbound` to `void`: it lost to another order. */
  voidOrder(orderNo: OrderNo, source: string, deadline: Deadline): Promise<CasResult>;
  bindClaim(orderNo: OrderNo, payment: NewPayment, deadline: Deadline): Promise<CasResult>;
  abandonClaim(payment: NewPayment, deadline: Deadline): Promise<CasResult>;
  /** The claim, from a primary that an acknowledged write confirms; with the primary away, from two drained nodes that agree. */
  readClaim(payment: NewPayment, deadline: Deadline): Promise<Sure<Claim | undefined>>;
  /** The merchant's order from two drained nodes: an acknowledged one is seen. */
  readByQuorum(payment: NewPayment, deadline: Deadline): Promise<Sure<StoredPayment | undefined>>;
  /** The merchant's order as the primary, or a replica, shows it. */
  readOrder(payment: NewPayment, deadline: Deadline): Promise<StoredPayment | undefined>;
};
