import type { Random } from '@tillmesh/clock';
import type { GroupTag, OrderNo, PaymentState } from '@tillmesh/domain';
import { OWN_CODES } from '../../src/database-error.ts';
import type {
  CasResult,
  Claim,
  Holding,
  MerchantOrder,
  NewPayment,
  OrderGroup,
  Sure,
  SweepableClaim,
  WriteResult,
} from '../../src/order-group.ts';
import { type StoredPayment, storedAsWritten } from '../../src/stored-payment.ts';
import { paymentOf } from './a-payment.ts';
import type { ModelledGroup } from './modelled-group.ts';
import { type ClaimRow, keyOf, type ModelledNode, type OrderRow, type Transaction, type View } from './node-log.ts';
import type { Turns } from './turns.ts';

/** How instances fare in one schedule: each stresses something else. */
export type Weather = {
  /** Answers that are lost though everything went well. */
  readonly lostShare: number;
  /** How often an instance avoids a group for no reason that the group gives. */
  readonly avoidedShare: number;
  /** How often an instance believes in a primary that was replaced. */
  readonly mistakenShare: number;
  /** Plain reads that a replica, or a replaced primary, answers. */
  readonly elsewhereShare: number;
  /** So many turns a caller waits for an acknowledgement, or for a node to be drained, before its time is up. */
  readonly waitsMax: number;
};

/** Nothing goes wrong between instances and groups. */
export const CALM: Weather = { lostShare: 0, avoidedShare: 0, mistakenShare: 0, elsewhereShare: 0, waitsMax: 100 };

type Ended = 'ok' | 'condition' | 'not' | 'ambiguous';

const storedOf = (row: OrderRow): StoredPayment => {
  // A stub has no payment: whoever reads it looks at its state alone.
  const { version, mapVersion } = row;
  const stored = storedAsWritten(row.orderNo, row.payment ?? paymentOf(row.of, '', false), { version, mapVersion });
  const attempts = stored.payment.attempts.map((attempt) => ({
    ...attempt,
    state: row.called ? ('pending_payer' as const) : attempt.state,
  }));
  return {
    ...stored,
    payment: { ...stored.payment, state: row.state, attempts },
    tokens: new Map([[1, row.token]]),
    jumpedFrom: row.jumpedFrom,
    jumpedTo: row.jumpedTo,
  };
};

const orderIn = (view: View, of: MerchantOrder): OrderRow | undefined => {
  const orderNo = view.keys.get(keyOf(of));
  return orderNo === undefined ? undefined : view.orders.get(orderNo);
};

const claimOf = (row: ClaimRow | undefined): Claim | undefined =>
  row === undefined ? undefined : { orderNo: row.orderNo, state: row.state, home: row.home };

const sure = <T>(value: T): Sure<T> => ({ kind: 'sure', value });
const UNSURE = { kind: 'unsure' } as const;

/** A group as one instance of the order store meets it: with its own belief of who is primary. */
export type InstanceGroup = OrderGroup & {
  /** Looks who is primary. */
  look(): void;
  /** The instance moves an order from one state to another, as news about its attempt does. */
  moveOrder(orderNo: OrderNo, from: readonly PaymentState[], to: PaymentState): Promise<CasResult>;
  /** Lets only writers of this map write new orders from now on. */
  bumpEpoch(mapVersion: number): Promise<CasResult>;

  // For mutants, which do what the protocol must not.
  readClaimUnconfirmed(of: MerchantOrder): Promise<Sure<Claim | undefined>>;
  epochAtPrimary(): number;
  newestMap(): number;
};

/** Connects an instance to a group. */
export const groupOfInstance = (
  group: ModelledGroup,
  options: {
    readonly turns: Pick<Turns, 'turn'>;
    readonly chance: Random;
    readonly newestMap: () => number;
    readonly weather: Weather;
  },
): InstanceGroup => {
  const { turns, chance, newestMap, weather } = options;
  const { turn } = turns;
  const duplicatesFirst = weather !== CALM && chance.fraction() < 0.5;
  // What it has heard may be old: any node may have been primary once, or be taken for it.
  let believed: ModelledNode = group.primary;
  if (chance.fraction() < weather.mistakenShare) believed = group.anyPrimary();

  const write = async (build: (view: View) => Transaction | undefined): Promise<Ended> => {
    await turn();
    const node = believed;
    if (!node.isUp) return 'not';
    if (!node.wasPrimary && node !== group.primary) return node.answers ? 'not' : 'ambiguous';
    if (node.isCut) return chance.fraction() < 0.5 ? 'not' : 'ambiguous';
    if (node.isFrozen) {
      // A connection that was open already takes the statement, and the server finds it when it wakes.
      if (chance.fraction() < 0.5) return 'not';
      if (chance.fraction() < 0.5) node.late.push(() => void group.execute(node, build));
      return 'ambiguous';
    }
    const executed = group.execute(node, build);
    if (executed === 'condition') return 'condition';
    if (executed === 'waits') return chance.fraction() < 0.5 ? 'not' : 'ambiguous';
    const { boots, log } = node;
    const place = log.length - 1;
    for (let waits = 0; waits < weather.waitsMax; waits += 1) {
      if (!node.answers || node.boots !== boots || node.log[place] !== executed) return 'ambiguous';
      if (group.visible(node) > place) return chance.fraction() < weather.lostShare ? 'ambiguous' : 'ok';
      await turn();
    }
    return 'ambiguous';
  };

  const insert = async (
    build: (view: View) => Transaction | 'duplicate' | 'fenced' | 'behind',
  ): Promise<WriteResult> => {
    const reasons: ('duplicate' | 'fenced' | 'behind')[] = [];
    const ended = await write((view) => {
      const built = build(view);
      if (typeof built === 'object') return built;
      reasons.push(built);
      return undefined;
    });
    switch (ended) {
      case 'ok':
        return { kind: 'written' };
      case 'condition':
        return failed(reasons.at(-1) ?? 'duplicate');
      case 'not':
        return { kind: 'not_written', cause: 'model' };
      case 'ambiguous':
        return { kind: 'ambiguous', cause: 'model' };
    }
  };

  const failed = (why: 'duplicate' | 'fenced' | 'behind'): WriteResult =>
    why === 'behind' ? { kind: 'not_written', cause: OWN_CODES.fenced } : { kind: why };

  const fence = ({ epoch }: View, mapVersion: number): 'fenced' | 'behind' | undefined => {
    if (epoch === mapVersion) return undefined;
    return epoch > mapVersion ? 'fenced' : 'behind';
  };

  const cas = async (build: (view: View) => Transaction | undefined): Promise<CasResult> => {
    const ended = await write(build);
    if (ended === 'ok') return 'won';
    return ended === 'condition' ? 'lost' : 'failed';
  };

  const changed = (row: OrderRow, changes: Partial<OrderRow>): Transaction => ({
    locks: [row.orderNo],
    order: { ...row, ...changes, version: row.version + 1 },
  });

  const casOrder = (orderNo: OrderNo, change: (row: OrderRow) => Transaction | undefined): Promise<CasResult> =>
    cas((view) => {
      const row = view.orders.get(orderNo);
      return row === undefined ? undefined : change(row);
    });

  let beats = 0;
  const heartbeat = () => {
    beats += 1;
    const lock = `beat-${beats}`;
    return write(() => ({ locks: [lock] }));
  };

  /** A read at the primary that an acknowledged write at the same node confirms, both begun now, in either order. */
  const confirmed = async <T>(pick: (view: View) => T): Promise<Sure<T>> => {
    const node = believed;
    const read = async () => {
      for (let waits = chance.below(3); waits >= 0; waits -= 1) await turn();
      return node.answers ? sure(pick(group.view(node))) : UNSURE;
    };
    const [value, beat] = await Promise.all([read(), heartbeat()]);
    return beat === 'ok' ? value : UNSURE;
  };

  const drained = async (node: ModelledNode): Promise<View | undefined> => {
    if (!node.answers) return undefined;
    const received = node.log.length;
    for (let waits = 0; group.rules.drains && !node.wasPrimary && node.executed < received; waits += 1) {
      if (waits >= weather.waitsMax) return undefined;
      await turn();
      if (!node.answers) return undefined;
    }
    return group.view(node);
  };

  const quorum = async <T>(pick: (view: View) => T): Promise<readonly T[] | undefined> => {
    await turn();
    const seen: T[] = [];
    const first = chance.below(3);
    for (const offset of [0, 1, 2]) {
      const view = await drained(group.nodes[(first + offset) % 3] as ModelledNode);
      if (view !== undefined) seen.push(pick(view));
      if (seen.length === group.rules.quorum) return seen;
    }
    return undefined;
  };

  /** What all nodes of a quorum agree about. */
  const agreed = async <T>(pick: (view: View) => T, same: (a: T, b: T) => boolean): Promise<Sure<T>> => {
    const seen = await quorum(pick);
    const [first] = seen ?? [];
    return seen !== undefined && first !== undefined && seen.every((other) => same(first, other))
      ? sure(first)
      : UNSURE;
  };

  const sameClaim = (a: ClaimRow | undefined, b: ClaimRow | undefined) =>
    a?.state === b?.state && a?.orderNo === b?.orderNo;

  const plain = async <T>(pick: (view: View) => T): Promise<T | undefined> => {
    await turn();
    const node =
      chance.fraction() >= weather.elsewhereShare ? believed : (group.nodes[chance.below(3)] as ModelledNode);
    return node.answers ? pick(group.view(node)) : undefined;
  };

  const newRow = (
    orderNo: OrderNo,
    payment: NewPayment,
    mapVersion: number,
    { state, jumpedFrom }: { readonly state: PaymentState; readonly jumpedFrom?: GroupTag },
  ): OrderRow => ({
    orderNo,
    of: payment,
    payment,
    state,
    version: 1,
    token: payment.attempt.token,
    called: false,
    jumpedFrom,
    jumpedTo: undefined,
    mapVersion,
  });

  const holdingOf = (of: MerchantOrder) => (view: View) => ({
    order: orderIn(view, of),
    claim: view.claims.get(keyOf(of)),
    epoch: view.epoch,
  });
  type Seen = ReturnType<ReturnType<typeof holdingOf>>;
  const toHolding = ({ order, claim, epoch }: Seen): Holding => ({
    order: order && storedOf(order),
    claim: claimOf(claim),
    mapVersion: epoch,
  });

  return {
    tag: group.tag,
    look: () => {
      believed = group.primary;
    },
    admitsNewOrders: () => chance.fraction() >= weather.avoidedShare,
    insertPaying: (orderNo, payment, mapVersion) =>
      insert(
        (view) =>
          // Which of the two a server tells first is no promise of it.
          (duplicatesFirst && orderIn(view, payment) !== undefined ? 'duplicate' : undefined) ??
          fence(view, mapVersion) ??
          (orderIn(view, payment) !== undefined
            ? 'duplicate'
            : {
                locks: ['~epoch', `key ${keyOf(payment)}`],
                order: newRow(orderNo, payment, mapVersion, { state: 'paying' }),
                key: { of: payment, orderNo },
              }),
      ),
    insertJumped: (orderNo, payment, home, mapVersion) =>
      insert(
        (view) =>
          fence(view, mapVersion) ??
          (view.claims.has(keyOf(payment)) || orderIn(view, payment) !== undefined
            ? 'duplicate'
            : {
                locks: ['~epoch', `key ${keyOf(payment)}`, `claim ${keyOf(payment)}`],
                order: newRow(orderNo, payment, mapVersion, { state: 'unbound', jumpedFrom: home }),
                key: { of: payment, orderNo },
                claim: { orderNo, state: 'open', of: payment, home, closed: false },
              }),
      ),
    touch: (orderNo, { attempt }) =>
      casOrder(orderNo, (row) =>
        row.state === 'paying' && row.token === attempt.token && !row.called ? changed(row, {}) : undefined,
      ),
    activate: (orderNo, version, { attempt }) =>
      casOrder(orderNo, (row) =>
        row.state === 'unbound' && row.version === version
          ? changed(row, { state: 'paying', token: attempt.token })
          : undefined,
      ),
    unbind: (orderNo, version) =>
      casOrder(orderNo, (row) =>
        row.state === 'paying' && row.version === version ? changed(row, { state: 'unbound' }) : undefined,
      ),
    voidOrder: (orderNo) =>
      casOrder(orderNo, (row) => {
        const mayGo = row.state === 'unbound' || (row.state === 'paying' && row.jumpedFrom === undefined);
        if (!mayGo) return undefined;
        const voided = changed(row, { state: 'void' });
        return row.jumpedFrom === undefined
          ? voided
          : {
              ...voided,
              locks: [...voided.locks, `key ${keyOf(row.of)}`],
              key: { of: row.of, orderNo: undefined },
            };
      }),
    bindClaim: (orderNo, payment) =>
      cas((view) => {
        const claim = view.claims.get(keyOf(payment));
        const row = view.orders.get(orderNo);
        if (claim?.state !== 'open' || claim.orderNo !== orderNo || row?.state !== 'unbound') return undefined;
        const bound = changed(row, { state: 'paying', token: payment.attempt.token });
        return {
          ...bound,
          locks: [...bound.locks, `claim ${keyOf(payment)}`],
          claim: { ...claim, state: 'bound' },
        };
      }),
    abandonClaim: (of) =>
      cas((view) => {
        const claim = view.claims.get(keyOf(of));
        return claim?.state === 'open'
          ? { locks: [`claim ${keyOf(of)}`], claim: { ...claim, state: 'abandoned' } }
          : undefined;
      }),
    readClaim: async (of) => {
      const pick = (view: View) => view.claims.get(keyOf(of));
      const atPrimary = await confirmed(pick);
      const seen = atPrimary.kind === 'sure' ? atPrimary : await agreedOrNone(quorum, pick, sameClaim);
      return seen.kind === 'sure' ? sure(claimOf(seen.value)) : UNSURE;
    },
    readByQuorum: async (of) => {
      const seen = await quorum((view) => orderIn(view, of));
      if (seen === undefined) return UNSURE;
      const found = seen.find((row) => row !== undefined);
      return sure(found && storedOf(found));
    },
    readHolding: async (of) => {
      const atPrimary = await confirmed(holdingOf(of));
      const seen =
        atPrimary.kind === 'sure'
          ? atPrimary
          : await agreed(
              holdingOf(of),
              (a, b) => sameClaim(a.claim, b.claim) && a.epoch === b.epoch && a.order?.version === b.order?.version,
            );
      return seen.kind === 'sure' ? sure(toHolding(seen.value)) : UNSURE;
    },
    readOrder: async (of) => {
      const row = await plain((view) => orderIn(view, of));
      return row && storedOf(row);
    },
    readNumber: async (orderNo) => {
      const row = await plain((view) => view.orders.get(orderNo));
      return row && storedOf(row);
    },
    claimsToSweep: async (limit) => {
      const rows = (await plain((view) => [...view.claims.values()])) ?? [];
      return rows
        .filter(({ closed }) => !closed)
        .slice(0, limit)
        .map(
          ({ of, orderNo, state, home }): SweepableClaim => ({
            merchantId: of.merchantId,
            merchantOrderNo: of.merchantOrderNo,
            orderNo,
            state,
            home,
            createdAtMs: 0,
          }),
        );
    },
    insertStub: async (orderNo, of, jumpedTo) => {
      const ended = await write((view) =>
        orderIn(view, of) === undefined
          ? {
              locks: [`key ${keyOf(of)}`],
              order: {
                orderNo,
                of,
                payment: undefined,
                state: 'void',
                version: 1,
                token: '',
                called: false,
                jumpedFrom: undefined,
                jumpedTo,
                mapVersion: view.epoch,
              },
              key: { of, orderNo },
            }
          : undefined,
      );
      if (ended === 'ok') return 'written';
      return ended === 'condition' ? 'exists' : 'in_doubt';
    },
    closeClaim: (of) =>
      cas((view) => {
        const claim = view.claims.get(keyOf(of));
        return claim === undefined ? undefined : { locks: [`claim ${keyOf(of)}`], claim: { ...claim, closed: true } };
      }),
    moveOrder: (orderNo, from, to) =>
      casOrder(orderNo, (row) => (from.includes(row.state) ? changed(row, { state: to, called: true }) : undefined)),
    bumpEpoch: (mapVersion) =>
      cas((view) => (view.epoch < mapVersion ? { locks: ['epoch'], epoch: mapVersion } : undefined)),
    readClaimUnconfirmed: async (of) => {
      await turn();
      return believed.answers ? sure(claimOf(group.view(believed).claims.get(keyOf(of)))) : UNSURE;
    },
    epochAtPrimary: () => group.view(believed).epoch,
    newestMap,
  };
};

/** As `agreed`, where nothing is an answer as well. */
const agreedOrNone = async <T>(
  quorum: (pick: (view: View) => T | undefined) => Promise<readonly (T | undefined)[] | undefined>,
  pick: (view: View) => T | undefined,
  same: (a: T | undefined, b: T | undefined) => boolean,
): Promise<Sure<T | undefined>> => {
  const seen = await quorum(pick);
  if (seen === undefined) return UNSURE;
  const [first] = seen;
  return seen.every((other) => same(first, other)) ? sure(first) : UNSURE;
};
