import type { GroupTag, OrderNo } from '@tillmesh/domain';
import { asWritten, type NewPayment, type StoredPayment } from '../src/index.ts';
import type { CasResult, Claim, OrderGroup, Sure, WriteResult } from '../src/order-group.ts';

/** What decides everything that chance decides in reality: 0 is always the usual, faultless way. */
export type Fate = {
  /** A turn of this caller: resolves when the schedule gets to it, and never again once its process has died. */
  turn(): Promise<void>;
  /** True with about this probability, in per cent. */
  happens(percent: number): boolean;
  below(limit: number): number;
  /** Runs something by itself at a later turn, whoever dies meanwhile. */
  later(work: () => void): void;
};

type Row = { readonly stored: StoredPayment; readonly called: boolean };
type Pending = { readonly row: Row | undefined; readonly claim: Claim | undefined };

/** The rows of one merchant order number in one group. */
export type MemoryGroup = {
  readonly tag: GroupTag;
  /** The group as one caller's requests meet it. */
  seenBy(fate: Fate): OrderGroup;
  /** The order's row as it is. */
  row(): StoredPayment | undefined;
  /** The channel of the order's attempt is called: from now on it is nobody's to take back. */
  callChannel(orderNo: OrderNo): void;
};

const withState = (row: Row, state: StoredPayment['payment']['state'], token?: string): Row => ({
  ...row,
  stored: {
    ...row.stored,
    payment: { ...row.stored.payment, state, version: row.stored.payment.version + 1 },
    tokens: token === undefined ? row.stored.tokens : new Map([[1, token]]),
  },
});

/**
 * A group at the level of the protocol's contract: writes are atomic, and may be refused, or be lost, or be carried out without an
 * answer, or be carried out later while their rows are locked; a claim is read as it is or not at all; a quorum shows everything
 * acknowledged; a plain read may show anything that ever was. What servers have to do for that is the stack test's business.
 */
export const createMemoryGroup = (tag: GroupTag): MemoryGroup => {
  let row: Row | undefined;
  let claim: Claim | undefined;
  const rowsBefore: (Row | undefined)[] = [undefined];
  /** Executed, locked and not acknowledged. */
  let pending: Pending | undefined;
  /** What a replaced primary has and nobody else: it was never acknowledged, and its server shows it all the same. */
  let orphaned: Pending | undefined;

  const commit = (next: Pending) => {
    if (next.row !== row) rowsBefore.push(next.row);
    ({ row, claim } = next);
  };

  /** Nothing is acknowledged there any more, but what its rows refuse it refuses. */
  const writeAtReplacedPrimary = (at: Pending, change: () => Pending | undefined): 'condition' | 'ambiguous' => {
    const truth = { row, claim };
    ({ row, claim } = at);
    const next = change();
    ({ row, claim } = truth);
    return next === undefined ? 'condition' : 'ambiguous';
  };

  /** Carries out a write whose condition holds; `change` gives undefined where it does not. */
  const write = async (
    fate: Fate,
    change: () => Pending | undefined,
  ): Promise<'ok' | 'condition' | 'not' | 'ambiguous'> => {
    await fate.turn();
    if (fate.happens(12)) return 'not';
    if (orphaned !== undefined && fate.happens(30)) return writeAtReplacedPrimary(orphaned, change);
    // Locked rows are waited for until the time is up.
    if (pending !== undefined) return fate.happens(50) ? 'not' : 'ambiguous';
    const next = change();
    if (next === undefined) return 'condition';
    if (fate.happens(12)) {
      const how = fate.below(3);
      if (how === 1) commit(next);
      if (how === 2) {
        pending = next;
        fate.later(() => {
          if (pending !== next) return;
          pending = undefined;
          if (fate.happens(40)) orphaned = next;
          else commit(next);
        });
      }
      return 'ambiguous';
    }
    commit(next);
    await fate.turn();
    return 'ok';
  };

  const insert = async (fate: Fate, next: () => Pending | undefined): Promise<WriteResult> => {
    const end = await write(fate, next);
    if (end === 'ok') return { kind: 'written' };
    if (end === 'condition') return { kind: 'duplicate' };
    return { kind: end === 'not' ? 'not_written' : 'ambiguous', cause: 'a test' };
  };

  const cas = async (fate: Fate, next: () => Pending | undefined): Promise<CasResult> => {
    const end = await write(fate, next);
    if (end === 'ok') return 'won';
    return end === 'condition' ? 'lost' : 'failed';
  };

  const sure = <T>(value: T): Sure<T> => ({ kind: 'sure', value });
  const newRow = (orderNo: OrderNo, payment: NewPayment, state: 'paying' | 'unbound'): Row => {
    const stored = asWritten(orderNo, payment, 1);
    return { stored: { ...stored, payment: { ...stored.payment, state } }, called: false };
  };
  const isState = (found: Row | undefined, orderNo: OrderNo, ...states: readonly string[]): found is Row =>
    found?.stored.payment.orderNo === orderNo && states.includes(found.stored.payment.state);

  const seenBy = (fate: Fate): OrderGroup => ({
    tag,
    admitsNewOrders: () => !fate.happens(25),
    insertPaying: (orderNo, payment) =>
      insert(fate, () => (row === undefined ? { claim, row: newRow(orderNo, payment, 'paying') } : undefined)),
    insertJumped: (orderNo, payment) =>
      insert(fate, () =>
        row === undefined && claim === undefined
          ? { claim: { orderNo, state: 'open' }, row: newRow(orderNo, payment, 'unbound') }
          : undefined,
      ),
    touch: (orderNo, { attempt }) =>
      cas(fate, () =>
        isState(row, orderNo, 'paying') && row.stored.tokens.get(1) === attempt.token && !row.called
          ? { claim, row: withState(row, 'paying') }
          : undefined,
      ),
    activate: (orderNo, version, { attempt }) =>
      cas(fate, () =>
        isState(row, orderNo, 'unbound') && row.stored.payment.version === version
          ? { claim, row: withState(row, 'paying', attempt.token) }
          : undefined,
      ),
    unbind: (orderNo, version) =>
      cas(fate, () =>
        isState(row, orderNo, 'paying') && row.stored.payment.version === version
          ? { claim, row: withState(row, 'unbound') }
          : undefined,
      ),
    voidOrder: (orderNo) =>
      cas(fate, () =>
        isState(row, orderNo, 'paying', 'unbound') ? { claim, row: withState(row, 'void') } : undefined,
      ),
    bindClaim: (orderNo, { attempt }) =>
      cas(fate, () =>
        claim?.state === 'open' && claim.orderNo === orderNo && isState(row, orderNo, 'unbound')
          ? { claim: { orderNo, state: 'bound' }, row: withState(row, 'paying', attempt.token) }
          : undefined,
      ),
    abandonClaim: () =>
      cas(fate, () => (claim?.state === 'open' ? { row, claim: { ...claim, state: 'abandoned' } } : undefined)),
    readClaim: async () => {
      await fate.turn();
      if (fate.happens(12)) return { kind: 'unsure' };
      const seen = claim;
      await fate.turn();
      return sure(seen);
    },
    readByQuorum: async () => {
      await fate.turn();
      if (fate.happens(12)) return { kind: 'unsure' };
      // What is not acknowledged is on one node; it may be among those that answer.
      const onOneNode = pending ?? orphaned;
      const seen = onOneNode?.row !== undefined && fate.happens(50) ? onOneNode.row : row;
      await fate.turn();
      return sure(seen?.stored);
    },
    readOrder: async () => {
      await fate.turn();
      if (!fate.happens(25)) return row?.stored;
      // A replica that lags behind, or a node that has what was never acknowledged.
      const onOneNode = pending ?? orphaned;
      if (onOneNode !== undefined) return onOneNode.row?.stored;
      return rowsBefore[fate.below(rowsBefore.length)]?.stored;
    },
  });

  return {
    tag,
    seenBy,
    row: () => row?.stored,
    callChannel: (orderNo) => {
      if (row?.stored.payment.orderNo !== orderNo) return;
      const { payment } = row.stored;
      const attempts = payment.attempts.map((attempt) => ({ ...attempt, state: 'pending_payer' as const }));
      row = {
        called: true,
        stored: { ...row.stored, payment: { ...payment, attempts, version: payment.version + 1 } },
      };
      rowsBefore.push(row);
    },
  };
};
