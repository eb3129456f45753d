import { ManualClock } from '@tillmesh/clock';
import { type AccountId, groupTag, money, type OrderNo } from '@tillmesh/domain';
import { createLog } from '@tillmesh/telemetry';
import fc from 'fast-check';
import { createBounce } from '../src/bounce.ts';
import { type Created, differingField, type GroupMap, type NewPayment, placementOf } from '../src/index.ts';
import type { OrderGroup } from '../src/order-group.ts';
import { createOrderNumberSource } from '../src/order-number-source.ts';
import { createMemoryGroup, type Fate, type MemoryGroup } from './memory-groups.ts';
import { newPayment } from './new-payment.ts';

/** What came of a history of several callers who all want the same merchant order number. */
export type History = {
  /** Orders that a caller was allowed to pay. */
  readonly payable: ReadonlySet<OrderNo>;
  /** Orders that were allowed to be paid and taken back afterwards. */
  readonly takenBack: readonly OrderNo[];
  /** Orders that a caller would pay with another amount or through another account than is written down. */
  readonly paidOtherwise: readonly OrderNo[];
  /** Orders that a caller was shown as the number's, without being allowed to pay them, though another order had taken the number. */
  readonly wronglyShown: readonly OrderNo[];
};

/** Changes how one caller's requests meet a group: a mutant of the protocol, or nothing. */
export type Mutation = (group: OrderGroup, fate: Fate) => OrderGroup;

const CALLERS = 3;
const TRIES = 3;
const log = createLog('test', 'silent');
const MAP: GroupMap = {
  version: 1,
  groups: [1, 2, 3].map((tag) => ({ tag: groupTag(tag), state: 'open', endpoints: [] })),
};

/** Every step of every caller waits here until the tape lets it go on. */
const createSchedule = (tape: readonly number[]) => {
  let place = 0;
  const next = (): number => tape[place++] ?? 0;
  const waiting: (() => void)[] = [];
  const below = (limit: number): number => next() % limit;
  const happens = (percent: number): boolean => next() >= 100 - percent;
  const fateOf = (isDead: () => boolean): Fate => ({
    turn: () =>
      new Promise((resolve) => {
        waiting.push(() => {
          if (!isDead()) resolve();
        });
      }),
    happens,
    below,
    later: (work) => waiting.push(work),
  });
  /** Lets one after the other go on, until nothing waits. */
  const run = async (): Promise<void> => {
    for (;;) {
      // Whoever was let go runs as far as it can.
      await new Promise((resolve) => setImmediate(resolve));
      const [going] = waiting.splice(below(Math.max(1, waiting.length)), 1);
      if (going === undefined) return;
      going();
    }
  };
  return { fateOf, happens, run };
};

type World = {
  readonly groups: ReadonlyMap<number, MemoryGroup>;
  readonly payable: Set<OrderNo>;
  readonly shown: Set<OrderNo>;
  readonly paidOtherwise: OrderNo[];
};

/** What a caller does with the answer: it calls the channel through the account that it believes was written down. */
const hear = (world: World, created: Created, asked: NewPayment): void => {
  // An order of another request is only the reason of a refusal.
  const isShown = created.kind === 'existing' && differingField(asked, created.stored.payment) === undefined;
  if (isShown) world.shown.add(created.stored.payment.orderNo);
  if (created.kind !== 'payable') return;
  const { orderNo, way } = created;
  world.payable.add(orderNo);
  const group = [...world.groups.values()].find((candidate) => candidate.row()?.payment.orderNo === orderNo);
  const written = group?.row()?.payment;
  // What this request wrote itself is answered without reading it again.
  const account = way === 'repeat' ? written?.attempts[0]?.accountId : asked.attempt.accountId;
  const isSame =
    written !== undefined && account === written.attempts[0]?.accountId && differingField(asked, written) === undefined;
  if (!isSame) world.paidOtherwise.push(orderNo);
  group?.callChannel(orderNo);
};

/** Plays a history. Every number of the tape is a choice; where it ends, nothing goes wrong any more. */
export const playHistory = async (tape: readonly number[], mutate: Mutation = (group) => group): Promise<History> => {
  const { fateOf, happens, run } = createSchedule(tape);
  const clock = new ManualClock();
  const groups = new Map(MAP.groups.map(({ tag }) => [tag, createMemoryGroup(tag)]));
  const first = newPayment({ merchantOrderNo: 'one-number' as never, amount: money('CNY', 100n) });
  const world: World = { groups, payable: new Set(), shown: new Set(), paidOtherwise: [] };

  const caller = async (index: number): Promise<void> => {
    const accountId = `account-${index}` as AccountId;
    const payment = {
      ...first,
      attempt: { ...first.attempt, accountId, token: `token-${index}` },
      // Somebody uses the number for something else.
      ...(happens(15) ? { amount: money('CNY', 200n) } : {}),
    };
    for (let tries = 0; tries < TRIES; tries += 1) {
      // An instance of the order store that dies takes its work with it; another one serves the next try.
      let dead = false;
      const own = fateOf(() => dead);
      const bounce = createBounce({
        map: MAP,
        group: (tag) => {
          const group = groups.get(tag);
          if (group === undefined) throw new Error(`no group ${tag}`);
          return mutate(group.seenBy(own), own);
        },
        numbers: createOrderNumberSource({ clock, workerId: index * TRIES + tries }),
        config: { createMsMax: 1_000, homeMsMax: 450 },
        clock,
        log,
      });
      const created = bounce.create(payment);
      // The connection breaks: nobody hears the answer, and the caller asks again while the first try goes on.
      const lost = happens(15);
      dead = lost && happens(40);
      const answer = lost ? await fateOf(() => false).turn() : await created;
      if (answer === undefined || answer.kind === 'repeat') continue;
      hear(world, answer, payment);
      return;
    }
  };

  const callers = Array.from({ length: CALLERS }, (_, index) => caller(index));
  const all = Promise.all(callers);
  all.catch(() => undefined);
  await run();
  // A caller whose turn went down with its instance would wait for ever; what went wrong in another one is to be heard.
  await Promise.race([all, new Promise((resolve) => setImmediate(resolve))]);

  const { home, buddy } = placementOf(MAP, first.merchantId, first.merchantOrderNo);
  const stateOf = (orderNo: OrderNo) =>
    [home, buddy]
      .map((tag) => (tag === undefined ? undefined : groups.get(tag)?.row()?.payment))
      .find((row) => row?.orderNo === orderNo)?.state;
  return {
    payable: world.payable,
    takenBack: [...world.payable].filter((orderNo) => stateOf(orderNo) !== 'paying'),
    paidOtherwise: world.paidOtherwise,
    wronglyShown: [...world.shown].filter((orderNo) => stateOf(orderNo) === 'void'),
  };
};

/** Tapes of choices; they shrink to short and faultless ones. */
export const tapeOf = fc.noBias(fc.array(fc.nat(99), { minLength: 60, maxLength: 200 }));
