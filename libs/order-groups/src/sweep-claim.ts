import { assertNever, type OrderNo } from '@tillmesh/domain';
import { counter, type Log } from '@tillmesh/telemetry';
import type { Deadline } from './connection.ts';
import type { OrderGroup, SweepableClaim } from './order-group.ts';
import type { OrderNumberSource } from './order-number-source.ts';
import type { GiveBack } from './second-order.ts';

/** What a look at one claim came to. `later`: its groups could not answer, or it is too young. */
export type Swept = 'done' | 'later' | 'two_orders';

/** A caller that repeats comes within seconds; after this nobody is expected to bring a jump to its end any more. */
export const OPEN_CLAIM_KEPT_MS = 120_000;

const doubles = counter(
  'tillmesh_two_orders_total',
  'Merchant order numbers with two orders that may both have been paid: the gravest alarm.',
);

type SweepOptions = {
  /** Where the claim is. */
  readonly at: OrderGroup;
  /** The home that its order avoided. */
  readonly home: OrderGroup;
  readonly numbers: OrderNumberSource;
  readonly giveBack: GiveBack;
  readonly nowMs: number;
  readonly deadline: Deadline;
  readonly log: Log;
};

/**
 * Brings the claim of a jump to its end, long after its request: a bound one gets its stub at home, so that no late INSERT can pass
 * and repeats find the order; one that nobody bound is abandoned, and its order is void. Every step is a compare-and-set: any number
 * of sweepers at once do no harm.
 */
export const sweepClaim = async (claim: SweepableClaim, options: SweepOptions): Promise<Swept> => {
  const { at, home, nowMs, deadline } = options;
  // The list may come from a node that was replaced; what an order is taken back for has to be certain.
  const known = await at.readClaim(claim, deadline);
  if (known.kind === 'unsure' || known.value?.orderNo !== claim.orderNo) return 'later';
  switch (known.value.state) {
    case 'open':
      if (nowMs - claim.createdAtMs < OPEN_CLAIM_KEPT_MS) return 'later';
      if ((await at.abandonClaim(claim, deadline)) !== 'won') return 'later';
      return endAbandoned(claim, at, deadline);
    case 'abandoned':
      return endAbandoned(claim, at, deadline);
    case 'bound':
      return at.tag === home.tag ? close(claim, at, deadline) : writeHome(claim, options);
    default:
      return assertNever(known.value.state);
  }
};

const SOURCE = 'sweep';

const close = async (claim: SweepableClaim, at: OrderGroup, deadline: Deadline): Promise<Swept> =>
  (await at.closeClaim(claim, deadline)) === 'failed' ? 'later' : 'done';

const endAbandoned = async (claim: SweepableClaim, at: OrderGroup, deadline: Deadline): Promise<Swept> => {
  // Lost: it is void already.
  if ((await at.voidOrder(claim.orderNo, SOURCE, deadline)) === 'failed') return 'later';
  return close(claim, at, deadline);
};

const writeHome = async (claim: SweepableClaim, options: SweepOptions): Promise<Swept> => {
  const { at, home, numbers, deadline } = options;
  const number = await numbers.next(home.tag);
  if (number === undefined) return 'later';
  const stub = await home.insertStub(number, claim, claim.orderNo, deadline);
  switch (stub) {
    case 'written':
      return close(claim, at, deadline);
    case 'in_doubt':
      return 'later';
    case 'exists':
      break;
  }
  const found = await home.readOrder(claim, deadline);
  if (found === undefined) return 'later';
  const { orderNo, state } = found.payment;
  if (orderNo === claim.orderNo) return close(claim, at, deadline);
  switch (state) {
    case 'void':
    case 'failed':
    case 'closed':
      return close(claim, at, deadline);
    case 'paying':
    case 'unbound':
      // A late INSERT that lost to the jump. Lost: it has moved in this moment; the next look sees where to.
      return (await home.voidOrder(orderNo, SOURCE, deadline)) === 'won' ? close(claim, at, deadline) : 'later';
    case 'declined':
      // Nobody knows its number; it closes by itself.
      return 'later';
    case 'succeeded':
      return endTwo(claim, orderNo, options);
    default:
      return assertNever(state);
  }
};

/**
 * The order at home was paid although a jump took its number: every read and every repeat of the number leads to the jumped order. Where
 * that was paid as well, the one at home is the second and its money goes back. Where it was not, or not yet, nobody but a person can
 * tell what the merchant was told: the alarm comes with every look until somebody has decided.
 */
const endTwo = async (claim: SweepableClaim, second: OrderNo, options: SweepOptions): Promise<Swept> => {
  const { at, deadline, giveBack, log } = options;
  const kept = await at.readNumber(claim.orderNo, deadline);
  if (kept === undefined) return 'later';
  const about = { orderNo: claim.orderNo, second, home: claim.home, state: kept.payment.state };
  const isGivenBack = kept.payment.state === 'succeeded' && (await giveBack(second, claim.orderNo));
  doubles.add();
  if (!isGivenBack) {
    log.fatal(about, 'one merchant order number has two orders, and a person has to decide about them');
    return 'two_orders';
  }
  log.fatal(about, 'one merchant order number had two paid orders; the second is refunded');
  return (await close(claim, at, deadline)) === 'done' ? 'two_orders' : 'later';
};
