import type { Clock } from '@tillmesh/clock';
import type { GroupTag, OrderNo, PaymentState } from '@tillmesh/domain';
import { counter, type Log } from '@tillmesh/telemetry';
import type { Deadline } from './connection.ts';
import { differingField } from './differing-field.ts';
import { type GroupMap, placementOf } from './group-map.ts';
import type { NewPayment, OrderGroup } from './order-group.ts';
import type { OrderNumberSource } from './order-number-source.ts';
import type { StoredPayment } from './payment-rows.ts';

/** What became of a request to write an order. */
export type Created =
  /** Its caller, and nobody else, has to call the channel. */
  | { readonly kind: 'payable'; readonly orderNo: OrderNo; readonly way: Way }
  /** The number was used before: this is its order. */
  | { readonly kind: 'existing'; readonly stored: StoredPayment }
  /** It cannot be decided now; the same number may be sent again. */
  | { readonly kind: 'repeat'; readonly why: string };

/**
 * Which way an order became payable: written at home or at the buddy by this request, or decided by it after an earlier one had
 * written it, whose rows hold what is to be paid.
 */
export type Way = 'home' | 'jump' | 'repeat';

export type BounceConfig = {
  /** The whole budget of writing a new order, ms. */
  readonly createMsMax: number;
  /** What of it the home group may use up before the order jumps, ms. */
  readonly homeMsMax: number;
};

const created = counter('tillmesh_orders_created_total', 'New orders, by where and how they were written.', [
  'group',
  'way',
]);
const refused = counter('tillmesh_orders_repeat_total', 'Orders whose caller was asked to repeat the number.', ['why']);

/** How often a number that is taken is drawn again; a second time means that two workers share an id. */
const DRAWS_MAX = 3;

type Group = (tag: GroupTag) => OrderGroup;

/** The home order after an acknowledged write of this try. */
type Written = {
  readonly orderNo: OrderNo;
  /**
   * Its version, where this try wrote or activated it: while it is the same, nobody else was allowed to pay it. Undefined where an
   * earlier or later try of the same caller did, which may have been allowed meanwhile.
   */
  readonly ownVersion: number | undefined;
};

/** What one request needs at every step. */
type Work = {
  readonly payment: NewPayment;
  readonly home: OrderGroup;
  readonly buddy: OrderGroup | undefined;
  readonly deadline: Deadline;
};

const repeat = (why: string): Created => {
  refused.add({ why });
  return { kind: 'repeat', why };
};

/** Whether the payment's only attempt is this caller's own and its channel was not called yet. */
const isUncalledAttemptOf = (stored: StoredPayment, { attempt }: NewPayment): boolean => {
  const [first, second] = stored.payment.attempts;
  return first?.state === 'started' && second === undefined && stored.tokens.get(1) === attempt.token;
};

/** An order of this number that callers may be shown; void ones lost to another. */
const isVisible = (state: PaymentState): boolean => state !== 'void' && state !== 'unbound';

/**
 * Writes new orders, around faulty groups, so that one merchant order number never yields two payable orders.
 *
 * A flag protocol over the number's home and buddy group: the home order and the jump claim at the buddy are written durably first
 * and the other side is read afterwards, with certainty; the claim's compare-and-set breaks ties. DESIGN.md, section 4.
 */
export const createBounce = (options: {
  readonly map: GroupMap;
  readonly group: Group;
  readonly numbers: OrderNumberSource;
  readonly config: BounceConfig;
  readonly clock: Clock;
  readonly log: Log;
}): { readonly create: (payment: NewPayment) => Promise<Created> } => {
  const { map, group, numbers, config, clock, log } = options;

  const create = async (payment: NewPayment): Promise<Created> => {
    const placement = placementOf(map, payment.merchantId, payment.merchantOrderNo);
    const beganMs = clock.monotonicMs();
    const work: Work = {
      payment,
      home: group(placement.home),
      buddy: placement.buddy === undefined ? undefined : group(placement.buddy),
      deadline: { atMs: beganMs + config.createMsMax },
    };
    if (!work.home.admitsNewOrders()) return jump(work);
    const homeDeadline = {
      atMs: beganMs + (work.buddy === undefined ? config.createMsMax : config.homeMsMax),
    };
    for (let draw = 0; draw < DRAWS_MAX; draw += 1) {
      const orderNo = await numbers.next(work.home.tag);
      const written = await work.home.insertPaying(orderNo, payment, homeDeadline);
      switch (written.kind) {
        case 'written':
          return allow(work, { orderNo, ownVersion: 1 }, 'home');
        case 'duplicate':
          return resolveExisting(work);
        case 'number_taken':
          log.error({ orderNo }, 'an order number was taken: do two order stores have the same worker id?');
          break;
        case 'not_written':
        case 'ambiguous':
          // An ambiguous row may appear later: it is unpaid, and the claim at the buddy keeps it so.
          return jump(work);
      }
    }
    return repeat('order_number_taken');
  };

  /** The home order is written and acknowledged: may it be paid? Only if no jump was bound meanwhile. */
  const allow = async (work: Work, written: Written, way: Way): Promise<Created> => {
    const { payment, home, buddy, deadline } = work;
    const { orderNo } = written;
    if (buddy === undefined) return payable(home, orderNo, way);
    const claim = await buddy.readClaim(payment, deadline);
    if (claim.kind === 'unsure') return defer(work, written);
    switch (claim.value?.state) {
      case undefined:
      case 'abandoned':
        return payable(home, orderNo, way);
      case 'open': {
        const abandoned = await buddy.abandonClaim(payment, deadline);
        if (abandoned === 'won') return payable(home, orderNo, way);
        // Lost: it was bound or abandoned in this moment. What it was, a further look tells.
        return abandoned === 'lost' ? allowAfterTie(work, written, way) : defer(work, written);
      }
      case 'bound':
        return adopt(work, orderNo);
    }
  };

  const allowAfterTie = async (work: Work, written: Written, way: Way): Promise<Created> => {
    const claim = await work.buddy?.readClaim(work.payment, work.deadline);
    if (claim?.kind === 'sure' && claim.value?.state === 'abandoned') return payable(work.home, written.orderNo, way);
    if (claim?.kind === 'sure' && claim.value?.state === 'bound') return adopt(work, written.orderNo);
    return defer(work, written);
  };

  const payable = (at: OrderGroup, orderNo: OrderNo, way: Way): Created => {
    created.add({ group: String(at.tag), way });
    return { kind: 'payable', orderNo, way };
  };

  /** Nobody knows whether a jump was bound: the order stays, unpayable, and a repeat decides. */
  const defer = async (work: Work, { orderNo, ownVersion }: Written): Promise<Created> => {
    if (ownVersion !== undefined) await work.home.unbind(orderNo, ownVersion, work.payment.source, work.deadline);
    return repeat('buddy_unsure');
  };

  /** A jump won: ours is void, theirs is the number's order. */
  const adopt = async (work: Work, orderNo: OrderNo): Promise<Created> => {
    await work.home.voidOrder(orderNo, work.payment.source, work.deadline);
    return adopted(work);
  };

  const adopted = async (work: Work): Promise<Created> => {
    const theirs = await work.buddy?.readOrder(work.payment, work.deadline);
    return theirs === undefined || !isVisible(theirs.payment.state)
      ? repeat('buddy_order_unread')
      : { kind: 'existing', stored: theirs };
  };

  /** The merchant's number is at home already: a repeat, or a row that lost to a jump. */
  const resolveExisting = async (work: Work): Promise<Created> => {
    const { payment, home, deadline } = work;
    const stored = await home.readOrder(payment, deadline);
    if (stored === undefined) return repeat('home_row_unread');
    const { orderNo, state, version } = stored.payment;
    switch (state) {
      case 'void':
        return adopted(work);
      case 'unbound': {
        // Another request under the same number: its caller is told so, and nothing is decided for it.
        if (differingField(payment, stored.payment) !== undefined) return { kind: 'existing', stored };
        // Left undecided before: this request decides, if nobody else does first.
        const activated = await home.activate(orderNo, version, payment, deadline);
        return activated === 'won'
          ? allow(work, { orderNo, ownVersion: version + 1 }, 'repeat')
          : repeat('activation_lost');
      }
      case 'paying': {
        if (!isUncalledAttemptOf(stored, payment)) return existing(work, stored);
        // This caller wrote it and did not hear of it. That the row is visible proves nothing; a write of now does.
        const touched = await home.touch(orderNo, payment, deadline);
        // Lost: it moved since it was read. Failed: its group is away. A repeat reads it again.
        return touched === 'won' ? allow(work, { orderNo, ownVersion: undefined }, 'repeat') : repeat('touch_lost');
      }
      case 'succeeded':
        // It was paid, so it was allowed to be: no jump of this number is bound.
        return { kind: 'existing', stored };
      case 'declined':
      case 'failed':
      case 'closed':
        return existing(work, stored);
    }
  };

  /** A repeat of an order that is on its way or ended unpaid; unless a jump took the number or may have. */
  const existing = async (work: Work, stored: StoredPayment): Promise<Created> => {
    if (work.buddy === undefined) return { kind: 'existing', stored };
    const claim = await work.buddy.readClaim(work.payment, work.deadline);
    if (claim.kind === 'unsure') return repeat('buddy_unsure');
    if (claim.value?.state === 'bound') return adopt(work, stored.payment.orderNo);
    return claim.value?.state === 'open' ? repeat('jump_undecided') : { kind: 'existing', stored };
  };

  /** Home did not certainly write: the order goes to the buddy, and is payable once home certainly has none. */
  const jump = async (work: Work): Promise<Created> => {
    const { payment, home, buddy, deadline } = work;
    if (buddy === undefined) return repeat('no_other_group');
    const orderNo = await numbers.next(buddy.tag);
    const written = await buddy.insertJumped(orderNo, payment, home.tag, deadline);
    switch (written.kind) {
      case 'written':
        return bind(work, orderNo, 'jump');
      case 'duplicate':
        return followClaim(work);
      case 'number_taken':
      case 'not_written':
      case 'ambiguous':
        return repeat('both_groups_failed');
    }
  };

  /** Home has the number's order, and this request came another way. */
  const foundAtHome = ({ payment }: Work, stored: StoredPayment): Created => {
    if (!isVisible(stored.payment.state)) return repeat('home_undecided');
    // It is this caller's own, whose answer was lost: told that it exists, nobody would call the channel. A repeat finds home again.
    return stored.tokens.get(1) === payment.attempt.token && stored.payment.attempts[0]?.state === 'started'
      ? repeat('own_order_at_home')
      : { kind: 'existing', stored };
  };

  /** Somebody jumped with this number before. */
  const followClaim = async (work: Work): Promise<Created> => {
    const claim = await work.buddy?.readClaim(work.payment, work.deadline);
    if (claim?.kind !== 'sure' || claim.value === undefined) return repeat('claim_unread');
    switch (claim.value.state) {
      case 'bound':
        return adopted(work);
      case 'open':
        return bindOfAnother(work, claim.value.orderNo);
      case 'abandoned': {
        const seen = await work.home.readByQuorum(work.payment, work.deadline);
        if (seen.kind === 'unsure' || seen.value === undefined) return repeat('home_unread');
        return foundAtHome(work, seen.value);
      }
    }
  };

  /** A jump that nobody brought to its end, perhaps another caller's: only the same request may bind it. */
  const bindOfAnother = async (work: Work, orderNo: OrderNo): Promise<Created> => {
    const theirs = await work.buddy?.readOrder(work.payment, work.deadline);
    if (theirs?.payment.orderNo !== orderNo) return repeat('buddy_order_unread');
    if (differingField(work.payment, theirs.payment) !== undefined) return { kind: 'existing', stored: theirs };
    // What was written is that caller's, its account included: the answer has to be read.
    return bind(work, orderNo, 'repeat');
  };

  const bind = async (work: Work, orderNo: OrderNo, way: Way): Promise<Created> => {
    const { payment, home, buddy, deadline } = work;
    if (buddy === undefined) return repeat('no_other_group');
    const seen = await home.readByQuorum(payment, deadline);
    if (seen.kind === 'unsure') return repeat('home_unsure');
    if (seen.value !== undefined && seen.value.payment.state !== 'void') {
      // Lost: somebody has decided it in this moment, perhaps against the order at home; a repeat sees which.
      if ((await buddy.abandonClaim(payment, deadline)) !== 'won') return repeat('claim_lost');
      await buddy.voidOrder(orderNo, payment.source, deadline);
      return foundAtHome(work, seen.value);
    }
    const bound = await buddy.bindClaim(orderNo, payment, deadline);
    return bound === 'won' ? payable(buddy, orderNo, way) : repeat('claim_lost');
  };

  return { create };
};
