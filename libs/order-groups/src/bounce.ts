import type { Clock } from '@tillmesh/clock';
import { type GroupTag, groupTagOf, isVisible, type OrderNo } from '@tillmesh/domain';
import { counter, type Log } from '@tillmesh/telemetry';
import type { Deadline } from './connection.ts';
import { differingField } from './differing-field.ts';
import { earlierPlacementsOf, isSamePlacement, type Placement, placementOf } from './group-map.ts';
import type { GroupMaps, MapView } from './group-maps.ts';
import type { Holding, NewPayment, OrderGroup } from './order-group.ts';
import type { OrderNumberSource } from './order-number-source.ts';
import type { StoredPayment } from './stored-payment.ts';

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
  /** The map that is in force: what is written carries its version. */
  readonly view: MapView;
  /** Home and buddy, by this map or an earlier one. */
  readonly placement: Placement;
  readonly beganMs: number;
  readonly deadline: Deadline;
};

/** A group admits only writers of a newer map: nothing was written, and the request begins again under that map. */
const OUTDATED = 'outdated';

const repeat = (why: string): Created => {
  refused.add({ why });
  return { kind: 'repeat', why };
};

/** Whether the payment's only attempt is this caller's own and its channel was not called yet. */
const isUncalledAttemptOf = (stored: StoredPayment, { attempt }: NewPayment): boolean => {
  const [first, second] = stored.payment.attempts;
  return first?.state === 'started' && second === undefined && stored.tokens.get(1) === attempt.token;
};

/**
 * Whether an order at home was placed there with the buddy that this work has: only then is the claim at that buddy its own. What
 * another map placed, or what had jumped there, is decided at its own place.
 */
const isPlacedHere = ({ view, payment, placement }: Work, { mapVersion, jumpedFrom }: StoredPayment): boolean => {
  if (jumpedFrom !== undefined) return false;
  const map = [view.map, ...view.earlier].find(({ version }) => version === mapVersion);
  // What a forgotten map placed was decided long ago.
  return map === undefined || isSamePlacement(placementOf(map, payment.merchantId, payment.merchantOrderNo), placement);
};

/**
 * Writes new orders, around faulty groups, so that one merchant order number never yields two payable orders.
 *
 * A flag protocol over the number's home and buddy group: the home order and the jump claim at the buddy are written durably first
 * and the other side is read afterwards, with certainty; the claim's compare-and-set breaks ties. Where the group map has changed,
 * the places that a number had under earlier maps are asked first; their groups admit no writer of those maps any more.
 * DESIGN.md, section 4.
 */
export const createBounce = (options: {
  readonly maps: GroupMaps;
  readonly group: Group;
  readonly numbers: OrderNumberSource;
  readonly config: BounceConfig;
  readonly clock: Clock;
  readonly log: Log;
}): { readonly create: (payment: NewPayment) => Promise<Created> } => {
  const { maps, group, numbers, config, clock, log } = options;

  const create = async (payment: NewPayment): Promise<Created> => {
    const beganMs = clock.monotonicMs();
    const deadline = { atMs: beganMs + config.createMsMax };
    for (;;) {
      const view = maps.current();
      const end = await createUnder(view, payment, beganMs, deadline);
      if (end !== OUTDATED) return end;
      if (!(await maps.newerThan(view.map.version, deadline))) return repeat('map_changing');
    }
  };

  const createUnder = async (
    view: MapView,
    payment: NewPayment,
    beganMs: number,
    deadline: Deadline,
  ): Promise<Created | typeof OUTDATED> => {
    const workAt = (placement: Placement): Work => ({
      payment,
      home: group(placement.home),
      buddy: placement.buddy === undefined ? undefined : group(placement.buddy),
      view,
      placement,
      beganMs,
      deadline,
    });
    for (const earlier of earlierPlacementsOf(view, payment)) {
      const found = await consult(workAt(earlier));
      if (found !== undefined) return found;
    }
    return writeNew(workAt(placementOf(view.map, payment.merchantId, payment.merchantOrderNo)));
  };

  /**
   * Whether the number has an order at a place of an earlier map, and what becomes of it. An answer counts only from groups that no
   * longer admit writers of that map: what they hold then can change by compare-and-set alone.
   *
   * @returns undefined where there is none.
   */
  const consult = async (work: Work): Promise<Created | typeof OUTDATED | undefined> => {
    const { payment, home, buddy, deadline } = work;
    const mapVersion = work.view.map.version;
    const [atHome, atBuddy] = await Promise.all([
      home.readHolding(payment, deadline),
      buddy === undefined || buddy.tag === home.tag ? undefined : buddy.readHolding(payment, deadline),
    ]);
    if (atHome.kind === 'unsure' || atBuddy?.kind === 'unsure') return repeat('earlier_place_unsure');
    const versions = [atHome.value.mapVersion, atBuddy?.value.mapVersion ?? mapVersion];
    if (versions.some((version) => version > mapVersion)) return OUTDATED;
    if (versions.some((version) => version < mapVersion)) return repeat('map_changing');

    const { order } = atHome.value;
    if (order !== undefined && order.payment.state !== 'void' && isPlacedHere(work, order)) {
      return resolveExisting(work);
    }
    return consultClaim(work, buddy ?? home, atBuddy?.value ?? atHome.value);
  };

  const consultClaim = async (work: Work, at: OrderGroup, { claim }: Holding): Promise<Created | undefined> => {
    const { payment, placement, deadline } = work;
    if (claim?.state === 'bound') return adopted(work, claim.orderNo);
    // One that avoided another home is decided at its own place.
    if (claim === undefined || claim.home !== placement.home) return undefined;
    switch (claim.state) {
      case 'open':
        // Nobody but its own writer, who is late, may still bind it; who wins this decides.
        if ((await at.abandonClaim(payment, deadline)) !== 'won') return repeat('claim_lost');
        break;
      case 'abandoned':
        break;
    }
    // It would be in the way of a new order here.
    await at.voidOrder(claim.orderNo, payment.source, deadline);
    return undefined;
  };

  const writeNew = async (work: Work): Promise<Created | typeof OUTDATED> => {
    const { payment, home, buddy, view, beganMs } = work;
    if (!home.admitsNewOrders()) return jump(work);
    const homeDeadline = { atMs: beganMs + (buddy === undefined ? config.createMsMax : config.homeMsMax) };
    for (let draw = 0; draw < DRAWS_MAX; draw += 1) {
      const orderNo = await numbers.next(home.tag);
      if (orderNo === undefined) return jump(work);
      const written = await home.insertPaying(orderNo, payment, view.map.version, homeDeadline);
      switch (written.kind) {
        case 'written':
          return allow(work, { orderNo, ownVersion: 1 }, 'home');
        case 'duplicate':
          return resolveExisting(work);
        case 'fenced':
          return OUTDATED;
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
        return adopt(work, orderNo, claim.value.orderNo);
    }
  };

  const allowAfterTie = async (work: Work, written: Written, way: Way): Promise<Created> => {
    const claim = await work.buddy?.readClaim(work.payment, work.deadline);
    if (claim?.kind === 'sure' && claim.value?.state === 'abandoned') return payable(work.home, written.orderNo, way);
    if (claim?.kind === 'sure' && claim.value?.state === 'bound') {
      return adopt(work, written.orderNo, claim.value.orderNo);
    }
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
  const adopt = async (work: Work, orderNo: OrderNo, theirs: OrderNo): Promise<Created> => {
    await work.home.voidOrder(orderNo, work.payment.source, work.deadline);
    return adopted(work, theirs);
  };

  const adopted = async (work: Work, orderNo: OrderNo): Promise<Created> => {
    const at = group(groupTagOf(orderNo));
    const theirs = await at.readNumber(orderNo, work.deadline);
    if (theirs === undefined || !isVisible(theirs.payment.state)) return repeat('buddy_order_unread');
    if (!isUncalledAttemptOf(theirs, work.payment)) return { kind: 'existing', stored: theirs };
    // This caller bound it and did not hear of it: its claim is bound, so a write of now makes it this caller's to pay once more.
    const touched = await at.touch(orderNo, work.payment, work.deadline);
    return touched === 'won' ? payable(at, orderNo, 'repeat') : repeat('touch_lost');
  };

  /** The row at home lost to a jump: its stub says to which, or the claim does. */
  const followVoid = async (work: Work, { jumpedTo }: StoredPayment): Promise<Created> => {
    if (jumpedTo !== undefined) return adopted(work, jumpedTo);
    const claim = await work.buddy?.readClaim(work.payment, work.deadline);
    return claim?.kind === 'sure' && claim.value?.state === 'bound'
      ? adopted(work, claim.value.orderNo)
      : repeat('buddy_order_unread');
  };

  /** The merchant's number is at home already: a repeat, or a row that lost to a jump. */
  const resolveExisting = async (work: Work): Promise<Created | typeof OUTDATED> => {
    const { payment, home, deadline } = work;
    const stored = await home.readOrder(payment, deadline);
    if (stored === undefined) return repeat('home_row_unread');
    if (stored.mapVersion > work.view.map.version) return OUTDATED;
    const { orderNo, state, version } = stored.payment;
    // A copy, of an order that is on its way here from another group, which answers for it until it has moved.
    if (group(groupTagOf(orderNo)).tag !== home.tag) return adopted(work, stored.jumpedTo ?? orderNo);
    if (state !== 'void' && !isPlacedHere(work, stored)) return repeat('earlier_place_unsure');
    switch (state) {
      case 'void':
        return followVoid(work, stored);
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

  /** A repeat of an order that is on its way or ended unpaid; unless a jump took the number. */
  const existing = async (work: Work, stored: StoredPayment): Promise<Created> => {
    const { payment, buddy, deadline } = work;
    if (buddy === undefined) return { kind: 'existing', stored };
    const claim = await buddy.readClaim(payment, deadline);
    if (claim.kind === 'unsure') return repeat('buddy_unsure');
    if (claim.value?.state === 'bound') return adopt(work, stored.payment.orderNo, claim.value.orderNo);
    if (claim.value?.state !== 'open') return { kind: 'existing', stored };
    // Its writer, who may be gone, has not seen the order at home. Decided by whoever comes first: nobody else may ever come.
    const abandoned = await buddy.abandonClaim(payment, deadline);
    if (abandoned === 'won') return { kind: 'existing', stored };
    const decided = await buddy.readClaim(payment, deadline);
    if (decided.kind === 'unsure' || decided.value === undefined || decided.value.state === 'open') {
      return repeat('jump_undecided');
    }
    return decided.value.state === 'bound'
      ? adopt(work, stored.payment.orderNo, decided.value.orderNo)
      : { kind: 'existing', stored };
  };

  /** Home did not certainly write: the order goes to the buddy, and is payable once home certainly has none. */
  const jump = async (work: Work): Promise<Created | typeof OUTDATED> => {
    const { payment, buddy, view, placement, deadline } = work;
    if (buddy === undefined) return repeat('no_other_group');
    const orderNo = await numbers.next(buddy.tag);
    if (orderNo === undefined) return repeat('both_groups_failed');
    const written = await buddy.insertJumped(orderNo, payment, placement.home, view.map.version, deadline);
    switch (written.kind) {
      case 'written':
        return bind(work, orderNo, 'jump');
      case 'duplicate':
        return followClaim(work, true);
      case 'fenced':
        return OUTDATED;
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

  /** Somebody jumped with this number before, or decides it in this moment: then it cannot be open any more. */
  const followClaim = async (work: Work, mayBeOpen: boolean): Promise<Created> => {
    const claim = await work.buddy?.readClaim(work.payment, work.deadline);
    if (claim?.kind !== 'sure' || claim.value === undefined) return repeat('claim_unread');
    switch (claim.value.state) {
      case 'bound':
        return adopted(work, claim.value.orderNo);
      case 'open':
        return mayBeOpen ? bindOfAnother(work, claim.value.orderNo) : repeat('claim_lost');
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
      const abandoned = await buddy.abandonClaim(payment, deadline);
      // Lost: somebody has decided it in this moment, perhaps against the order at home.
      if (abandoned !== 'won') return abandoned === 'lost' ? followClaim(work, false) : repeat('claim_lost');
      await buddy.voidOrder(orderNo, payment.source, deadline);
      return foundAtHome(work, seen.value);
    }
    const bound = await buddy.bindClaim(orderNo, payment, deadline);
    if (bound === 'won') return payable(buddy, orderNo, way);
    return bound === 'lost' ? followClaim(work, false) : repeat('claim_lost');
  };

  return { create };
};
