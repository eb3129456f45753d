import type { GroupTag, OrderNo, PaymentState } from '@tillmesh/domain';
import type { Claim, MerchantOrder, NewPayment } from '../../src/order-group.ts';

/** An order's row. */
export type OrderRow = {
  readonly orderNo: OrderNo;
  readonly of: MerchantOrder;
  /** Undefined for a stub. */
  readonly payment: NewPayment | undefined;
  readonly state: PaymentState;
  readonly version: number;
  readonly token: string;
  /** Its channel was called: it is nobody's to take back. */
  readonly called: boolean;
  readonly jumpedFrom: GroupTag | undefined;
  readonly jumpedTo: OrderNo | undefined;
  readonly mapVersion: number;
};

export type ClaimRow = Claim & { readonly of: MerchantOrder; readonly closed: boolean };

/** One transaction in a binary log: the rows as they are afterwards, as row-based replication carries them. */
export type Transaction = {
  /** Rows that it locks until it is acknowledged; `~` in front: shared. */
  readonly locks: readonly string[];
  readonly order?: OrderRow;
  /** Takes the merchant's number, or gives it free. */
  readonly key?: { readonly of: MerchantOrder; readonly orderNo: OrderNo | undefined };
  readonly claim?: ClaimRow;
  readonly epoch?: number;
};

/** What a server shows: the rows after a prefix of its log. */
export type View = {
  epoch: number;
  readonly orders: Map<OrderNo, OrderRow>;
  readonly keys: Map<string, OrderNo>;
  readonly claims: Map<string, ClaimRow>;
};

/** The key that a merchant's number has in views and locks. */
export const keyOf = ({ merchantId, merchantOrderNo }: MerchantOrder): string => `${merchantId}/${merchantOrderNo}`;

const apply = (view: View, { order, key, claim, epoch }: Transaction): void => {
  if (order !== undefined) view.orders.set(order.orderNo, order);
  if (key?.orderNo !== undefined) view.keys.set(keyOf(key.of), key.orderNo);
  else if (key !== undefined) view.keys.delete(keyOf(key.of));
  if (claim !== undefined) view.claims.set(keyOf(claim.of), claim);
  if (epoch !== undefined) view.epoch = epoch;
};

const conflicts = (a: readonly string[], b: readonly string[]): boolean =>
  a.some((lock) => {
    const row = lock.replace('~', '');
    // Two shared locks of one row agree with each other; every other pair does not.
    return b.some((other) => other.replace('~', '') === row && !(lock.startsWith('~') && other.startsWith('~')));
  });

/** A statement that reached a frozen server before its connection was cut: it is carried out when the server wakes. */
export type LateStatement = () => void;

/** One database server: its log, how much of it is executed, and whether it lives, answers and receives. */
export class ModelledNode {
  log: Transaction[] = [];
  /** As a replica: how many transactions are executed. */
  executed = 0;
  isUp = true;
  isFrozen = false;
  /** Clients cannot reach it, though it lives and replicates. */
  isCut = false;
  /** Its thread that receives from the primary runs. */
  receives = true;
  /** Replaced: it is not counted before it is built anew. */
  isFenced = false;
  /** It is, or has been, primary: it does not execute what it receives but shows what is acknowledged. */
  wasPrimary = false;
  /** A restart commits everything that is in the log, acknowledged or not. */
  recovered = 0;
  boots = 0;
  late: LateStatement[] = [];
  #view: View = ModelledNode.#emptyView();
  #viewOf: Transaction[] = this.log;
  #viewLength = 0;

  static #emptyView(): View {
    return { epoch: 1, orders: new Map(), keys: new Map(), claims: new Map() };
  }

  get answers(): boolean {
    return this.isUp && !this.isFrozen && !this.isCut;
  }

  /** The rows after the first `length` transactions. */
  view(length: number): View {
    if (this.#viewOf !== this.log || this.#viewLength > length) {
      this.#view = ModelledNode.#emptyView();
      this.#viewOf = this.log;
      this.#viewLength = 0;
    }
    for (; this.#viewLength < length; this.#viewLength += 1) {
      const transaction = this.log[this.#viewLength];
      if (transaction !== undefined) apply(this.#view, transaction);
    }
    return this.#view;
  }

  /** Whether a transaction would have to wait for one that is not acknowledged yet. */
  hasToWait(locks: readonly string[], committed: number): boolean {
    for (let place = committed; place < this.log.length; place += 1) {
      if (conflicts(locks, this.log[place]?.locks ?? [])) return true;
    }
    return false;
  }

  /** Whether this log begins with everything in the other one. */
  includes(other: ModelledNode): boolean {
    const { length } = other.log;
    // Logs grow from a common beginning: where one transaction is the same, everything before it is.
    return length === 0 || (length <= this.log.length && this.log[length - 1] === other.log[length - 1]);
  }
}
