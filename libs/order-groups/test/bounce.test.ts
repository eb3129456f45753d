import { ManualClock } from '@tillmesh/clock';
import { formatOrderNo, type GroupTag, groupTag, money, type OrderNo, type PaymentState } from '@tillmesh/domain';
import { createLog } from '@tillmesh/telemetry';
import { describe, expect, test } from 'vitest';
import { createBounce } from '../src/bounce.ts';
import { type GroupMap, placementOf, type StoredPayment } from '../src/index.ts';
import type { Claim, OrderGroup, Sure, WriteResult } from '../src/order-group.ts';
import type { OrderNumberSource } from '../src/order-number-source.ts';
import { storedAsWritten } from '../src/stored-payment.ts';
import { newPayment } from './new-payment.ts';

// Every branch of the protocol: what its groups answer, what comes of it, and what was asked in which order.

const PAYMENT = newPayment({ merchantOrderNo: 'the-number' as never });
const MAP: GroupMap = {
  version: 1,
  groups: [1, 2].map((tag) => ({ tag: groupTag(tag), state: 'open', endpoints: [] })),
};
const PLACE = placementOf(MAP, PAYMENT.merchantId, PAYMENT.merchantOrderNo);

const numberOf = (tag: GroupTag | undefined, sequence: number): OrderNo =>
  formatOrderNo({ day: 1, msOfDay: 1, groupTag: tag ?? groupTag(0), workerId: 1, sequence });
/** The numbers that this request draws, and those of orders that were written before. */
const OURS = { home: numberOf(PLACE.home, 0), buddy: numberOf(PLACE.buddy, 0) };
const SECOND_DRAW = numberOf(PLACE.home, 1);
const THEIRS = { home: numberOf(PLACE.home, 99), buddy: numberOf(PLACE.buddy, 99) };

type Change = {
  readonly state: PaymentState;
  readonly own?: boolean;
  readonly called?: boolean;
  readonly amount?: bigint;
};

const stored = (orderNo: OrderNo, { state, own = false, called = false, amount }: Change): StoredPayment => {
  const asIs = storedAsWritten(orderNo, PAYMENT, { version: 4, mapVersion: MAP.version });
  const attempts = asIs.payment.attempts.map((attempt) =>
    called ? { ...attempt, state: 'unknown' as const } : attempt,
  );
  return {
    ...asIs,
    payment: { ...asIs.payment, state, attempts, ...(amount === undefined ? {} : { amount: money('CNY', amount) }) },
    tokens: new Map([[1, own ? PAYMENT.attempt.token : 'somebody']]),
  };
};
const atHome = (change: Change) => stored(THEIRS.home, change);
const atBuddy = (change: Change) => stored(THEIRS.buddy, change);

const written: WriteResult = { kind: 'written' };
const duplicate: WriteResult = { kind: 'duplicate' };
const taken: WriteResult = { kind: 'number_taken' };
const notWritten: WriteResult = { kind: 'not_written', cause: 'x' };
const ambiguous: WriteResult = { kind: 'ambiguous', cause: 'x' };

const unsure = { kind: 'unsure' } as const;
const sure = <T>(value: T): Sure<T> => ({ kind: 'sure', value });
const none = sure(undefined);
const claimed = (state: Claim['state'], orderNo: OrderNo = THEIRS.buddy): Sure<Claim | undefined> =>
  sure({ orderNo, state, home: PLACE.home });

/** What a group answers, call by call. What is not listed is not to be asked. */
type Answers = {
  readonly [Method in keyof OrderGroup]?: OrderGroup[Method] extends (...question: never) => Promise<infer Answer>
    ? readonly Answer[]
    : never;
};

type Scene = {
  /** `avoided`: it does not admit new orders. */
  readonly home: Answers & { readonly avoided?: true };
  /** Undefined: there is only one group. */
  readonly buddy: Answers | undefined;
};

type Asked = { readonly calls: string[]; readonly numbers: OrderNo[] };

const groupOf = (side: 'home' | 'buddy', tag: GroupTag, given: Answers, admits: boolean, asked: Asked): OrderGroup => {
  const left = new Map(Object.entries(given).map(([method, list]) => [method, [...list] as unknown[]]));
  const ask =
    (method: string) =>
    async (...question: readonly unknown[]) => {
      asked.calls.push(`${side}.${method}`);
      const [first] = question;
      if (typeof first === 'string') asked.numbers.push(first as OrderNo);
      const answers = left.get(method) ?? [];
      if (answers.length === 0) throw new Error(`${side} is not to be asked to ${method}`);
      const answer = answers.shift();
      return answer;
    };
  const methods = [
    'insertPaying',
    'insertJumped',
    'touch',
    'activate',
    'unbind',
    'voidOrder',
    'bindClaim',
    'abandonClaim',
    'readClaim',
    'readByQuorum',
    'readOrder',
    'readNumber',
  ] as const satisfies readonly Exclude<keyof OrderGroup, 'tag' | 'admitsNewOrders'>[];
  return {
    tag,
    admitsNewOrders: () => admits,
    ...Object.fromEntries(methods.map((method) => [method, ask(method)])),
  } as OrderGroup;
};

const play = async ({ home, buddy }: Scene) => {
  const asked: Asked = { calls: [], numbers: [] };
  const { avoided = false, ...homeAnswers } = home;
  const groups = new Map([
    [PLACE.home, groupOf('home', PLACE.home, homeAnswers, !avoided, asked)],
    ...(PLACE.buddy === undefined || buddy === undefined
      ? []
      : ([[PLACE.buddy, groupOf('buddy', PLACE.buddy, buddy, true, asked)]] as const)),
  ]);
  const drawn = new Map<GroupTag, number>();
  const numbers: OrderNumberSource = {
    next: async (tag) => {
      const sequence = drawn.get(tag) ?? 0;
      drawn.set(tag, sequence + 1);
      return numberOf(tag, sequence);
    },
  };
  const onlyHome = { ...MAP, groups: MAP.groups.filter(({ tag }) => tag === PLACE.home) };
  const bounce = createBounce({
    maps: {
      current: () => ({ map: buddy === undefined ? onlyHome : MAP, earlier: [] }),
      newerThan: async () => false,
    },
    group: (tag) => {
      const group = groups.get(tag);
      if (group === undefined) throw new Error(`no group ${tag}`);
      return group;
    },
    numbers,
    config: { createMsMax: 1_000, homeMsMax: 450 },
    clock: new ManualClock(),
    log: createLog('test', 'silent'),
  });
  const created = await bounce.create(PAYMENT);
  const { kind } = created;
  const end =
    kind === 'payable'
      ? `payable ${created.way} ${created.orderNo}`
      : kind === 'existing'
        ? `existing ${created.stored.payment.orderNo}`
        : `repeat ${created.why}`;
  return { end, calls: asked.calls.join(' '), numbers: asked.numbers };
};

type Branch = readonly [what: string, scene: Scene, end: string, calls: string];

const payableAtHome = `payable home ${OURS.home}`;
const payableJumped = `payable jump ${OURS.buddy}`;
const existingHome = `existing ${THEIRS.home}`;
const existingBuddy = `existing ${THEIRS.buddy}`;

const WRITTEN_AT_HOME: readonly Branch[] = [
  [
    'nobody has jumped',
    { home: { insertPaying: [written] }, buddy: { readClaim: [none] } },
    payableAtHome,
    'home.insertPaying buddy.readClaim',
  ],
  [
    'a jump was given up',
    { home: { insertPaying: [written] }, buddy: { readClaim: [claimed('abandoned')] } },
    payableAtHome,
    'home.insertPaying buddy.readClaim',
  ],
  [
    'an open jump is made to give up',
    { home: { insertPaying: [written] }, buddy: { readClaim: [claimed('open')], abandonClaim: ['won'] } },
    payableAtHome,
    'home.insertPaying buddy.readClaim buddy.abandonClaim',
  ],
  [
    'an open jump gave up by itself in that moment',
    {
      home: { insertPaying: [written] },
      buddy: { readClaim: [claimed('open'), claimed('abandoned')], abandonClaim: ['lost'] },
    },
    payableAtHome,
    'home.insertPaying buddy.readClaim buddy.abandonClaim buddy.readClaim',
  ],
  [
    'an open jump was bound in that moment',
    {
      home: { insertPaying: [written], voidOrder: ['won'] },
      buddy: {
        readClaim: [claimed('open'), claimed('bound')],
        abandonClaim: ['lost'],
        readNumber: [atBuddy({ state: 'paying' })],
      },
    },
    existingBuddy,
    'home.insertPaying buddy.readClaim buddy.abandonClaim buddy.readClaim home.voidOrder buddy.readNumber',
  ],
  [
    'what became of an open jump cannot be found out',
    {
      home: { insertPaying: [written], unbind: ['won'] },
      buddy: { readClaim: [claimed('open'), unsure], abandonClaim: ['lost'] },
    },
    'repeat buddy_unsure',
    'home.insertPaying buddy.readClaim buddy.abandonClaim buddy.readClaim home.unbind',
  ],
  [
    'whether an open jump gave up was not answered',
    {
      home: { insertPaying: [written], unbind: ['won'] },
      buddy: { readClaim: [claimed('open')], abandonClaim: ['failed'] },
    },
    'repeat buddy_unsure',
    'home.insertPaying buddy.readClaim buddy.abandonClaim home.unbind',
  ],
  [
    'a jump is bound: the order at home gives way',
    {
      home: { insertPaying: [written], voidOrder: ['won'] },
      buddy: { readClaim: [claimed('bound')], readNumber: [atBuddy({ state: 'succeeded' })] },
    },
    existingBuddy,
    'home.insertPaying buddy.readClaim home.voidOrder buddy.readNumber',
  ],
  [
    'a jump is bound and cannot be read',
    {
      home: { insertPaying: [written], voidOrder: ['failed'] },
      buddy: { readClaim: [claimed('bound')], readNumber: [undefined] },
    },
    'repeat buddy_order_unread',
    'home.insertPaying buddy.readClaim home.voidOrder buddy.readNumber',
  ],
  [
    'a jump is bound and a replica does not show it yet',
    {
      home: { insertPaying: [written], voidOrder: ['won'] },
      buddy: { readClaim: [claimed('bound')], readNumber: [atBuddy({ state: 'unbound' })] },
    },
    'repeat buddy_order_unread',
    'home.insertPaying buddy.readClaim home.voidOrder buddy.readNumber',
  ],
  [
    'nobody knows of a jump: nobody may pay it until somebody decides',
    { home: { insertPaying: [written], unbind: ['won'] }, buddy: { readClaim: [unsure] } },
    'repeat buddy_unsure',
    'home.insertPaying buddy.readClaim home.unbind',
  ],
  [
    'there is no other group to jump to',
    { home: { insertPaying: [written] }, buddy: undefined },
    payableAtHome,
    'home.insertPaying',
  ],
  [
    'its number was taken, and the next one is drawn',
    { home: { insertPaying: [taken, written] }, buddy: { readClaim: [none] } },
    `payable home ${SECOND_DRAW}`,
    'home.insertPaying home.insertPaying buddy.readClaim',
  ],
  [
    'every number is taken: two order stores have one worker id',
    { home: { insertPaying: [taken, taken, taken] }, buddy: {} },
    'repeat order_number_taken',
    'home.insertPaying home.insertPaying home.insertPaying',
  ],
];

const JUMPED: readonly Branch[] = [
  [
    'home is avoided and has no such order',
    { home: { avoided: true, readByQuorum: [none] }, buddy: { insertJumped: [written], bindClaim: ['won'] } },
    payableJumped,
    'buddy.insertJumped home.readByQuorum buddy.bindClaim',
  ],
  [
    'home certainly did not write',
    {
      home: { insertPaying: [notWritten], readByQuorum: [none] },
      buddy: { insertJumped: [written], bindClaim: ['won'] },
    },
    payableJumped,
    'home.insertPaying buddy.insertJumped home.readByQuorum buddy.bindClaim',
  ],
  [
    'home did not answer',
    {
      home: { insertPaying: [ambiguous], readByQuorum: [none] },
      buddy: { insertJumped: [written], bindClaim: ['won'] },
    },
    payableJumped,
    'home.insertPaying buddy.insertJumped home.readByQuorum buddy.bindClaim',
  ],
  [
    'the order at home had lost to an earlier jump',
    {
      home: { avoided: true, readByQuorum: [sure(atHome({ state: 'void' }))] },
      buddy: { insertJumped: [written], bindClaim: ['won'] },
    },
    payableJumped,
    'buddy.insertJumped home.readByQuorum buddy.bindClaim',
  ],
  [
    'home cannot be read with certainty: the claim stays open',
    { home: { avoided: true, readByQuorum: [unsure] }, buddy: { insertJumped: [written] } },
    'repeat home_unsure',
    'buddy.insertJumped home.readByQuorum',
  ],
  [
    'home has the order: the jump gives up',
    {
      home: { avoided: true, readByQuorum: [sure(atHome({ state: 'paying' }))] },
      buddy: { insertJumped: [written], abandonClaim: ['won'], voidOrder: ['won'] },
    },
    existingHome,
    'buddy.insertJumped home.readByQuorum buddy.abandonClaim buddy.voidOrder',
  ],
  [
    'home has an order that nobody may pay yet',
    {
      home: { avoided: true, readByQuorum: [sure(atHome({ state: 'unbound' }))] },
      buddy: { insertJumped: [written], abandonClaim: ['won'], voidOrder: ['won'] },
    },
    'repeat home_undecided',
    'buddy.insertJumped home.readByQuorum buddy.abandonClaim buddy.voidOrder',
  ],
  [
    'home has the order and the claim was bound by somebody else: the order at home has lost',
    {
      home: { avoided: true, readByQuorum: [sure(atHome({ state: 'paying' }))] },
      buddy: {
        insertJumped: [written],
        abandonClaim: ['lost'],
        readClaim: [claimed('bound')],
        readNumber: [atBuddy({ state: 'paying' })],
      },
    },
    existingBuddy,
    'buddy.insertJumped home.readByQuorum buddy.abandonClaim buddy.readClaim buddy.readNumber',
  ],
  [
    'home has the order and somebody else gave the claim up as well',
    {
      home: { avoided: true, readByQuorum: [sure(atHome({ state: 'paying' })), sure(atHome({ state: 'paying' }))] },
      buddy: { insertJumped: [written], abandonClaim: ['lost'], readClaim: [claimed('abandoned')] },
    },
    existingHome,
    'buddy.insertJumped home.readByQuorum buddy.abandonClaim buddy.readClaim home.readByQuorum',
  ],
  [
    'the claim was lost and is seen open all the same: nothing is believed',
    {
      home: { avoided: true, readByQuorum: [none] },
      buddy: { insertJumped: [written], bindClaim: ['lost'], readClaim: [claimed('open')] },
    },
    'repeat claim_lost',
    'buddy.insertJumped home.readByQuorum buddy.bindClaim buddy.readClaim',
  ],
  [
    'home has the order and the claim does not answer',
    {
      home: { avoided: true, readByQuorum: [sure(atHome({ state: 'paying' }))] },
      buddy: { insertJumped: [written], abandonClaim: ['failed'] },
    },
    'repeat claim_lost',
    'buddy.insertJumped home.readByQuorum buddy.abandonClaim',
  ],
  [
    'somebody made it give up before it was bound: the order is the one that home has now',
    {
      home: { avoided: true, readByQuorum: [none, sure(atHome({ state: 'paying' }))] },
      buddy: { insertJumped: [written], bindClaim: ['lost'], readClaim: [claimed('abandoned')] },
    },
    existingHome,
    'buddy.insertJumped home.readByQuorum buddy.bindClaim buddy.readClaim home.readByQuorum',
  ],
  [
    'whether it was bound was not answered',
    { home: { avoided: true, readByQuorum: [none] }, buddy: { insertJumped: [written], bindClaim: ['failed'] } },
    'repeat claim_lost',
    'buddy.insertJumped home.readByQuorum buddy.bindClaim',
  ],
  ['there is nowhere to jump to', { home: { avoided: true }, buddy: undefined }, 'repeat no_other_group', ''],
  [
    'the buddy does not write either',
    { home: { avoided: true }, buddy: { insertJumped: [notWritten] } },
    'repeat both_groups_failed',
    'buddy.insertJumped',
  ],
  [
    'the buddy does not answer either',
    { home: { avoided: true }, buddy: { insertJumped: [ambiguous] } },
    'repeat both_groups_failed',
    'buddy.insertJumped',
  ],
  [
    'its number was taken there',
    { home: { avoided: true }, buddy: { insertJumped: [taken] } },
    'repeat both_groups_failed',
    'buddy.insertJumped',
  ],
];

const JUMPED_BEFORE: readonly Branch[] = [
  [
    'bound: theirs is the order',
    {
      home: { avoided: true },
      buddy: { insertJumped: [duplicate], readClaim: [claimed('bound')], readNumber: [atBuddy({ state: 'paying' })] },
    },
    existingBuddy,
    'buddy.insertJumped buddy.readClaim buddy.readNumber',
  ],
  [
    'left open: it is brought to its end, and paid as it was written',
    {
      home: { avoided: true, readByQuorum: [none] },
      buddy: {
        insertJumped: [duplicate],
        readClaim: [claimed('open')],
        readOrder: [atBuddy({ state: 'unbound' })],
        bindClaim: ['won'],
      },
    },
    `payable repeat ${THEIRS.buddy}`,
    'buddy.insertJumped buddy.readClaim buddy.readOrder home.readByQuorum buddy.bindClaim',
  ],
  [
    'left open by another request: that one is not paid in its name',
    {
      home: { avoided: true },
      buddy: {
        insertJumped: [duplicate],
        readClaim: [claimed('open')],
        readOrder: [atBuddy({ state: 'unbound', amount: 7n })],
      },
    },
    existingBuddy,
    'buddy.insertJumped buddy.readClaim buddy.readOrder',
  ],
  [
    'left open, and its order cannot be read',
    {
      home: { avoided: true },
      buddy: { insertJumped: [duplicate], readClaim: [claimed('open')], readOrder: [undefined] },
    },
    'repeat buddy_order_unread',
    'buddy.insertJumped buddy.readClaim buddy.readOrder',
  ],
  [
    'given up, and home has the order',
    {
      home: { avoided: true, readByQuorum: [sure(atHome({ state: 'paying' }))] },
      buddy: { insertJumped: [duplicate], readClaim: [claimed('abandoned')] },
    },
    existingHome,
    'buddy.insertJumped buddy.readClaim home.readByQuorum',
  ],
  [
    'given up, and nobody may pay the order at home yet',
    {
      home: { avoided: true, readByQuorum: [sure(atHome({ state: 'unbound' }))] },
      buddy: { insertJumped: [duplicate], readClaim: [claimed('abandoned')] },
    },
    'repeat home_undecided',
    'buddy.insertJumped buddy.readClaim home.readByQuorum',
  ],
  [
    'given up, and home has none any more',
    {
      home: { avoided: true, readByQuorum: [none] },
      buddy: { insertJumped: [duplicate], readClaim: [claimed('abandoned')] },
    },
    'repeat home_unread',
    'buddy.insertJumped buddy.readClaim home.readByQuorum',
  ],
  [
    'given up, and home cannot be read',
    {
      home: { avoided: true, readByQuorum: [unsure] },
      buddy: { insertJumped: [duplicate], readClaim: [claimed('abandoned')] },
    },
    'repeat home_unread',
    'buddy.insertJumped buddy.readClaim home.readByQuorum',
  ],
  [
    'and nobody can say how it ended',
    { home: { avoided: true }, buddy: { insertJumped: [duplicate], readClaim: [unsure] } },
    'repeat claim_unread',
    'buddy.insertJumped buddy.readClaim',
  ],
  [
    'and its claim is not there',
    { home: { avoided: true }, buddy: { insertJumped: [duplicate], readClaim: [none] } },
    'repeat claim_unread',
    'buddy.insertJumped buddy.readClaim',
  ],
];

const at = (found: StoredPayment | undefined, more: Answers = {}): Answers => ({
  insertPaying: [duplicate],
  readOrder: [found],
  ...more,
});
const READ = 'home.insertPaying home.readOrder';

const THERE_ALREADY: readonly Branch[] = [
  [
    'what home has is a copy of an order on its way from another group, and that group says what it is',
    {
      home: at(atBuddy({ state: 'paying', own: true })),
      buddy: { readNumber: [atBuddy({ state: 'succeeded', own: true, called: true })] },
    },
    existingBuddy,
    `${READ} buddy.readNumber`,
  ],
  ['and cannot be read', { home: at(undefined), buddy: {} }, 'repeat home_row_unread', READ],
  [
    'void: the jump that won is the order',
    {
      home: at(atHome({ state: 'void' })),
      buddy: { readClaim: [claimed('bound')], readNumber: [atBuddy({ state: 'paying' })] },
    },
    existingBuddy,
    `${READ} buddy.readClaim buddy.readNumber`,
  ],
  [
    'void, and its stub says which order won',
    {
      home: at({ ...atHome({ state: 'void' }), jumpedTo: THEIRS.buddy }),
      buddy: { readNumber: [atBuddy({ state: 'succeeded' })] },
    },
    existingBuddy,
    `${READ} buddy.readNumber`,
  ],
  [
    'void, and whether a jump won cannot be found out',
    { home: at(atHome({ state: 'void' })), buddy: { readClaim: [unsure] } },
    'repeat buddy_order_unread',
    `${READ} buddy.readClaim`,
  ],
  [
    'void, and the jump that won cannot be read',
    { home: at(atHome({ state: 'void' })), buddy: { readClaim: [claimed('bound')], readNumber: [undefined] } },
    'repeat buddy_order_unread',
    `${READ} buddy.readClaim buddy.readNumber`,
  ],
  [
    'void for a jump of this caller’s own, whose answer was lost: it is written again and paid',
    {
      home: at(atHome({ state: 'void' })),
      buddy: {
        readClaim: [claimed('bound')],
        readNumber: [atBuddy({ state: 'paying', own: true })],
        touch: ['won'],
      },
    },
    `payable repeat ${THEIRS.buddy}`,
    `${READ} buddy.readClaim buddy.readNumber buddy.touch`,
  ],
  [
    'void for a jump of this caller’s own, which has moved since it was read',
    {
      home: at(atHome({ state: 'void' })),
      buddy: {
        readClaim: [claimed('bound')],
        readNumber: [atBuddy({ state: 'paying', own: true })],
        touch: ['lost'],
      },
    },
    'repeat touch_lost',
    `${READ} buddy.readClaim buddy.readNumber buddy.touch`,
  ],
  [
    'an order that had jumped there under an earlier map: it is decided at its own place',
    { home: at({ ...atHome({ state: 'unbound' }), jumpedFrom: groupTag(7) }), buddy: {} },
    'repeat earlier_place_unsure',
    READ,
  ],
  [
    'left undecided: this request decides',
    { home: at(atHome({ state: 'unbound' }), { activate: ['won'] }), buddy: { readClaim: [none] } },
    `payable repeat ${THEIRS.home}`,
    `${READ} home.activate buddy.readClaim`,
  ],
  [
    'left undecided by another request: that one is not paid in its name',
    { home: at(atHome({ state: 'unbound', amount: 7n })), buddy: {} },
    existingHome,
    READ,
  ],
  [
    'left undecided, and somebody else decides first',
    { home: at(atHome({ state: 'unbound' }), { activate: ['lost'] }), buddy: {} },
    'repeat activation_lost',
    `${READ} home.activate`,
  ],
  [
    'left undecided, and it is undecided again: as this try left it, it is taken back',
    { home: at(atHome({ state: 'unbound' }), { activate: ['won'], unbind: ['won'] }), buddy: { readClaim: [unsure] } },
    'repeat buddy_unsure',
    `${READ} home.activate buddy.readClaim home.unbind`,
  ],
  [
    'left undecided, and a jump was bound meanwhile',
    {
      home: at(atHome({ state: 'unbound' }), { activate: ['won'], voidOrder: ['won'] }),
      buddy: { readClaim: [claimed('bound')], readNumber: [atBuddy({ state: 'paying' })] },
    },
    existingBuddy,
    `${READ} home.activate buddy.readClaim home.voidOrder buddy.readNumber`,
  ],
  [
    'somebody else’s, on its way',
    { home: at(atHome({ state: 'paying' })), buddy: { readClaim: [none] } },
    existingHome,
    `${READ} buddy.readClaim`,
  ],
  [
    'somebody else’s, after a jump that was given up',
    { home: at(atHome({ state: 'paying' })), buddy: { readClaim: [claimed('abandoned')] } },
    existingHome,
    `${READ} buddy.readClaim`,
  ],
  [
    'somebody else’s, while a jump is undecided: the jump is given up',
    { home: at(atHome({ state: 'paying' })), buddy: { readClaim: [claimed('open')], abandonClaim: ['won'] } },
    existingHome,
    `${READ} buddy.readClaim buddy.abandonClaim`,
  ],
  [
    'somebody else’s, and the jump was bound before it could be given up',
    {
      home: at(atHome({ state: 'paying' }), { voidOrder: ['won'] }),
      buddy: {
        readClaim: [claimed('open'), claimed('bound')],
        abandonClaim: ['lost'],
        readNumber: [atBuddy({ state: 'paying' })],
      },
    },
    existingBuddy,
    `${READ} buddy.readClaim buddy.abandonClaim buddy.readClaim home.voidOrder buddy.readNumber`,
  ],
  [
    'somebody else’s, and whether the jump was given up is not answered',
    {
      home: at(atHome({ state: 'paying' })),
      buddy: { readClaim: [claimed('open'), unsure], abandonClaim: ['failed'] },
    },
    'repeat jump_undecided',
    `${READ} buddy.readClaim buddy.abandonClaim buddy.readClaim`,
  ],
  [
    'somebody else’s, and it lost to a jump',
    {
      home: at(atHome({ state: 'paying' }), { voidOrder: ['won'] }),
      buddy: { readClaim: [claimed('bound')], readNumber: [atBuddy({ state: 'paying' })] },
    },
    existingBuddy,
    `${READ} buddy.readClaim home.voidOrder buddy.readNumber`,
  ],
  [
    'somebody else’s, and nobody knows of a jump',
    { home: at(atHome({ state: 'paying' })), buddy: { readClaim: [unsure] } },
    'repeat buddy_unsure',
    `${READ} buddy.readClaim`,
  ],
  [
    'somebody else’s, with one group alone',
    { home: at(atHome({ state: 'paying' })), buddy: undefined },
    existingHome,
    READ,
  ],
  [
    'this caller’s own, whose answer was lost: it is written once more and paid',
    { home: at(atHome({ state: 'paying', own: true }), { touch: ['won'] }), buddy: { readClaim: [none] } },
    `payable repeat ${THEIRS.home}`,
    `${READ} home.touch buddy.readClaim`,
  ],
  [
    'this caller’s own, and undecided: an earlier try may have been allowed, so nothing is taken back',
    { home: at(atHome({ state: 'paying', own: true }), { touch: ['won'] }), buddy: { readClaim: [unsure] } },
    'repeat buddy_unsure',
    `${READ} home.touch buddy.readClaim`,
  ],
  [
    'this caller’s own, and it lost to a jump',
    {
      home: at(atHome({ state: 'paying', own: true }), { touch: ['won'], voidOrder: ['won'] }),
      buddy: { readClaim: [claimed('bound')], readNumber: [atBuddy({ state: 'paying' })] },
    },
    existingBuddy,
    `${READ} home.touch buddy.readClaim home.voidOrder buddy.readNumber`,
  ],
  [
    'this caller’s own, and it moved since it was read',
    { home: at(atHome({ state: 'paying', own: true }), { touch: ['lost'] }), buddy: {} },
    'repeat touch_lost',
    `${READ} home.touch`,
  ],
  [
    'this caller’s own, and its group does not answer',
    { home: at(atHome({ state: 'paying', own: true }), { touch: ['failed'] }), buddy: {} },
    'repeat touch_lost',
    `${READ} home.touch`,
  ],
  [
    'this caller’s own, and its channel was called: it is not called again',
    { home: at(atHome({ state: 'paying', own: true, called: true })), buddy: { readClaim: [none] } },
    existingHome,
    `${READ} buddy.readClaim`,
  ],
  ['paid: it was allowed to be', { home: at(atHome({ state: 'succeeded' })), buddy: {} }, existingHome, READ],
  ...(['declined', 'failed', 'closed'] as const).map(
    (state): Branch => [
      state,
      { home: at(atHome({ state })), buddy: { readClaim: [none] } },
      existingHome,
      `${READ} buddy.readClaim`,
    ],
  ),
];

const TABLES: readonly (readonly [about: string, branches: readonly Branch[]])[] = [
  ['an order that is written at home, where', WRITTEN_AT_HOME],
  ['an order that jumps, where', JUMPED],
  ['a number that somebody jumped with before,', JUMPED_BEFORE],
  ['a number that is at home already,', THERE_ALREADY],
];

for (const [about, branches] of TABLES) {
  describe(about, () => {
    for (const [what, scene, end, calls] of branches) {
      test(`${what}: ${end.replaceAll(/[0-9]{20,}/g, '').trim()}`, async () => {
        expect(await play(scene)).toMatchObject({ end, calls });
      });
    }
  });
}

test('the order that is bound, voided or written again is the one that was read, not the one that was drawn', async () => {
  const readBefore: readonly (readonly [Scene, readonly OrderNo[]])[] = [
    [
      {
        home: { avoided: true, readByQuorum: [none] },
        buddy: {
          insertJumped: [duplicate],
          readClaim: [claimed('open')],
          readOrder: [atBuddy({ state: 'unbound' })],
          bindClaim: ['won'],
        },
      },
      [OURS.buddy, THEIRS.buddy],
    ],
    [
      {
        home: at(atHome({ state: 'unbound' }), { activate: ['won'], voidOrder: ['won'] }),
        buddy: { readClaim: [claimed('bound')], readNumber: [atBuddy({ state: 'paying' })] },
      },
      [OURS.home, THEIRS.home, THEIRS.home, THEIRS.buddy],
    ],
    [
      { home: at(atHome({ state: 'paying', own: true }), { touch: ['won'] }), buddy: { readClaim: [none] } },
      [OURS.home, THEIRS.home],
    ],
  ];
  for (const [scene, numbers] of readBefore) expect((await play(scene)).numbers).toEqual(numbers);
});
