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
import type { StoredPayment } from './stored-payment.ts';

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

/** A merchant's own number of an order: what may have one payable order at most. */
export type MerchantOrder = Pick<NewPayment, 'merchantId' | 'merchantOrderNo'>;

/**
 * What a write came to. `duplicate`: the merchant's number is there already. `number_taken`: our own number is. `fenced`: certainly
 * not written, because the group admits writers of another version of the group map.
 */
export type WriteResult =
  | { readonly kind: 'written' }
  | { readonly kind: 'duplicate' }
  | { readonly kind: 'number_taken' }
  | { readonly kind: 'fenced' }
  | { readonly kind: 'not_written'; readonly cause: string }
  | { readonly kind: 'ambiguous'; readonly cause: string };

/** A compare-and-set. `lost`: the row was not as expected. */
export type CasResult = 'won' | 'lost' | 'failed';

/** A merchant order number's claim at its buddy: made by a jump. */
export type Claim = {
  readonly orderNo: OrderNo;
  readonly state: 'open' | 'bound' | 'abandoned';
  /** The home that the order avoided. */
  readonly home: GroupTag;
};

/** A claim with what the sweep needs to bring it to its end. */
export type SweepableClaim = Claim & MerchantOrder & { readonly createdAtMs: number };

/** What a read came to. `unsure`: nobody could answer with certainty. */
export type Sure<T> = { readonly kind: 'sure'; readonly value: T } | { readonly kind: 'unsure' };

/** Everything that a group holds of a merchant's number, and whose writers it admits. */
export type Holding = {
  readonly order: StoredPayment | undefined;
  readonly claim: Claim | undefined;
  /** Writers that hold an older version of the map than this write nothing here any more. */
  readonly mapVersion: number;
};

/** What became of a stub. `in_doubt`: an INSERT of the number may still be waiting for its acknowledgement. */
export type StubResult = 'written' | 'exists' | 'in_doubt';

/**
 * What the bounce protocol needs of a group. libs/order-groups/src/sql-order-group.ts is the real one; the simulation brings
 * its own, made of nodes that crash, freeze and are replaced.
 */
export type OrderGroup = {
  readonly tag: GroupTag;
  admitsNewOrders(): boolean;
  /** One INSERT as `paying`, fenced by the version of the map that placed it. */
  insertPaying(orderNo: OrderNo, payment: NewPayment, mapVersion: number, deadline: Deadline): Promise<WriteResult>;
  /** In one transaction, fenced alike: the order as `unbound` and an open claim. */
  insertJumped(
    orderNo: OrderNo,
    payment: NewPayment,
    home: GroupTag,
    mapVersion: number,
    deadline: Deadline,
  ): Promise<WriteResult>;
  /**
   * An acknowledged write to a `paying` order that the payment's token wrote and whose channel was not called. It takes the version
   * on, so that whoever holds the one before can no longer take the order back.
   */
  touch(orderNo: OrderNo, payment: NewPayment, deadline: Deadline): Promise<CasResult>;
  /** `unbound` of this version to `paying`, acknowledged; the attempt is the payment's token's from then on. */
  activate(orderNo: OrderNo, version: number, payment: NewPayment, deadline: Deadline): Promise<CasResult>;
  /** `paying` of this version to `unbound`: nobody may pay it until somebody decides. */
  unbind(orderNo: OrderNo, version: number, source: string, deadline: Deadline): Promise<CasResult>;
  /**
   * `unbound`, or at home also `paying`, to `void`: it lost to another order. A jumped order that is `paying` is bound, and stays; one
   * that is void gives its merchant number free at its group.
   */
  voidOrder(orderNo: OrderNo, source: string, deadline: Deadline): Promise<CasResult>;
  bindClaim(orderNo: OrderNo, payment: NewPayment, deadline: Deadline): Promise<CasResult>;
  abandonClaim(of: MerchantOrder, deadline: Deadline): Promise<CasResult>;
  /** The claim, from a primary that an acknowledged write confirms; with the primary away, from two drained nodes that agree. */
  readClaim(of: MerchantOrder, deadline: Deadline): Promise<Sure<Claim | undefined>>;
  /** The merchant's order from two drained nodes: an acknowledged one is seen. */
  readByQuorum(of: MerchantOrder, deadline: Deadline): Promise<Sure<StoredPayment | undefined>>;
  /** Order and claim with the certainty of `readClaim`. */
  readHolding(of: MerchantOrder, deadline: Deadline): Promise<Sure<Holding>>;
  /** The merchant's order as the primary, or a replica, shows it. */
  readOrder(of: MerchantOrder, deadline: Deadline): Promise<StoredPayment | undefined>;
  /** An order by its number, in the same way. */
  readNumber(orderNo: OrderNo, deadline: Deadline): Promise<StoredPayment | undefined>;

  /** Claims here that nobody has brought to their end, the oldest first. */
  claimsToSweep(limit: number, deadline: Deadline): Promise<readonly SweepableClaim[]>;
  /** A `void` row under the merchant's number, which no INSERT of it can pass any more; it says where the order is. */
  insertStub(orderNo: OrderNo, of: MerchantOrder, jumpedTo: OrderNo, deadline: Deadline): Promise<StubResult>;
  /** The claim is at its end: the sweep need not see it again. */
  closeClaim(of: MerchantOrder, deadline: Deadline): Promise<CasResult>;
};
