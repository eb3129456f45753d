import type { Clock } from '@tillmesh/clock';
import {
  fromOrderKey,
  type MerchantEventKind,
  type MerchantId,
  type OrderKey,
  type OrderNo,
  toOrderKey,
} from '@tillmesh/domain';
import { createFollowerPlaces, createStoreConnections, type StoreConnections } from '@tillmesh/merchant-lists';
import {
  big,
  bigintParameter,
  type Connection,
  type Deadline,
  type FollowerPlaces,
  optionalText,
  optionalWhole,
  type Parameter,
  type Row,
  type Statement,
  text,
  transaction,
  whole,
} from '@tillmesh/order-groups';
import type { EventStoreConfig } from './store-config.ts';
import { EVENT_TABLES } from './store-schema.ts';
import * as sql from './store-statements.ts';

/** A payment or a refund that has come to its end. */
export type EventFacts = {
  readonly orderNo: OrderNo;
  /** The refund's number, or the payment's again. */
  readonly number: OrderNo;
  /** Of the payment or the refund, after the change. */
  readonly version: number;
  readonly kind: MerchantEventKind;
  readonly happenedAtMs: number;
};

/** An event as it is recorded, with who has to be told. */
export type NewEvent = EventFacts & { readonly merchantId: MerchantId; readonly endpointIds: readonly string[] };

/** An event of a merchant, in the order in which they were recorded. */
export type RecordedEvent = EventFacts & { readonly seq: bigint };

/** What belongs together: the events of one payment for one endpoint are told one after the other. */
export type Chain = { readonly merchantId: MerchantId; readonly endpointId: string; readonly orderNo: OrderNo };

/** One telling that has to be done. */
export type Due = Chain & { readonly seq: bigint; readonly attempts: number };

/** The first of a chain, claimed by who asked. */
export type Claimed = RecordedEvent & { readonly attempts: number; readonly givesUpAtMs: number };

export type ClaimAnswer =
  | { readonly kind: 'claimed'; readonly event: Claimed }
  /** Nothing to do now: nothing waits, it is not its time yet, or somebody else is at it. */
  | { readonly kind: 'nothing' };

/** What a telling came to. */
export type Told = { readonly status: number | undefined; readonly why: string };

export type DeadLetter = EventFacts & {
  readonly endpointId: string;
  readonly attempts: number;
  readonly lastStatus: number | undefined;
  readonly lastWhy: string;
  readonly diedAtMs: number;
};

export type MerchantDeliveries = {
  readonly waiting: number;
  readonly dead: number;
  /** When the oldest event happened that waits; undefined where none does. */
  readonly oldestWaitingMs: number | undefined;
  readonly pausedAtMs: number | undefined;
  readonly pauseReason: string;
  /** The oldest, at most 100. */
  readonly deadLetters: readonly DeadLetter[];
};

/** Who is told what: events of merchants, and how far their telling has come. */
export type EventStore = FollowerPlaces & {
  /** Makes schema and tables where they are missing. */
  prepare(): Promise<void>;
  /** Records events in this order, each once; what happened before the store began, or longer ago than it keeps events, is passed over. @returns what is to be told because of them. */
  record(events: readonly NewEvent[]): Promise<readonly Due[]>;
  /** @param forMs longer than any telling takes: a claimer that lives has settled before. */
  claim(chain: Chain, claimer: string, forMs: number): Promise<ClaimAnswer>;
  /** Ends a telling that was claimed. */
  settle(event: Due, claimer: string, state: 'delivered' | 'dead', told: Told): Promise<void>;
  /** Puts off a telling that was claimed. @param countsAs attempts that this was: 0 where nothing was sent. */
  postpone(event: Due, claimer: string, told: Told, untilMs: number, countsAs: 0 | 1): Promise<void>;
  /** What should have been told before `beforeMs` and is claimed by nobody, the longest overdue first. */
  overdue(beforeMs: number, limit: number): Promise<readonly Due[]>;
  pause(merchantId: MerchantId, reason: string): Promise<number>;
  /** @returns how many wait; undefined where the merchant was not paused. */
  resume(merchantId: MerchantId): Promise<number | undefined>;
  /** Tells again what happened in this time, at most `limit`. @returns how many. */
  replay(
    merchantId: MerchantId,
    what: 'dead' | 'delivered',
    fromMs: number,
    toMs: number,
    limit: number,
  ): Promise<number>;
  /** Tells one event again to these endpoints; false where there is no such event of this merchant. */
  resend(
    merchantId: MerchantId,
    event: Pick<EventFacts, 'number' | 'version'>,
    endpointIds: readonly string[],
  ): Promise<boolean>;
  deliveriesOf(merchantId: MerchantId): Promise<MerchantDeliveries>;
  /** A merchant's events behind a place; `isForgotten` where some behind it are kept no more. */
  after(
    merchantId: MerchantId,
    seq: bigint,
    limit: number,
  ): Promise<{ readonly events: readonly RecordedEvent[]; readonly isForgotten: boolean }>;
  /** The place of the latest event of all. */
  last(): Promise<bigint>;
  /** Forgets what is older than events are kept, some thousand at most. @returns whether there may be more. */
  forget(): Promise<boolean>;
  close(): void;
};

const HOUR_MS = 3_600_000;
/** A telling is tried for so long. */
export const GIVES_UP_AFTER_MS = 24 * HOUR_MS;
/** Events are kept for so long after they were recorded. */
export const KEPT_MS = 30 * 24 * HOUR_MS;
/** `next_at` of what waits until its merchant is resumed: a time that never comes. */
const PAUSED_UNTIL_MS = 9_000_000_000_000;
const SIZES = [64, 16, 4, 1];
const HELD_AT_ONCE = 2_000;
const DEAD_LETTERS_SHOWN = 100;

const sized = (make: (count: number) => Statement): ReadonlyMap<number, Statement> =>
  new Map(SIZES.map((size) => [size, make(size)]));
const KNOWN = sized(sql.selectKnown);
const EVENTS = sized(sql.insertEvents);
const DELIVERIES = sized(sql.insertDeliveries);

const inPieces = async <T>(
  items: readonly T[],
  statements: ReadonlyMap<number, Statement>,
  run: (statement: Statement, piece: readonly T[]) => Promise<void>,
): Promise<void> => {
  let done = 0;
  while (done < items.length) {
    const size = SIZES.find((each) => each <= items.length - done) ?? 1;
    const statement = statements.get(size);
    if (statement === undefined) throw new RangeError(`no statement for ${size} rows`);
    await run(statement, items.slice(done, done + size));
    done += size;
  }
};

const orderNo = (row: Row | undefined, column: string): OrderNo => fromOrderKey(big(row, column) as OrderKey);
const keyOf = (number: OrderNo): Parameter => bigintParameter(toOrderKey(number));
const identity = (number: bigint | OrderKey, version: number): string => `${number}.${version}`;

const factsOf = (row: Row, of: OrderNo): EventFacts => ({
  orderNo: of,
  number: orderNo(row, 'number'),
  version: whole(row, 'version'),
  kind: text(row, 'kind') as MerchantEventKind,
  happenedAtMs: whole(row, 'happened_at'),
});

/** Opens the store. Its tables are made by `prepare`, which whoever tells merchants calls. */
export const createEventStore = (options: { readonly config: EventStoreConfig; readonly clock: Clock }): EventStore => {
  const { config, clock } = options;
  const connections: StoreConnections = createStoreConnections(config, EVENT_TABLES, clock);
  const run = (statement: Statement, parameters: readonly Parameter[]) =>
    connections.use((connection, deadline) => connection.run(statement, parameters, deadline));

  /** Where the events of these payments stand. */
  const known = async (connection: Connection, deadline: Deadline, events: readonly EventFacts[]) => {
    const seqs = new Map<string, bigint>();
    await inPieces([...new Set(events.map((event) => event.orderNo))], KNOWN, async (statement, piece) => {
      for (const row of (await connection.run(statement, piece.map(keyOf), deadline)).rows)
        seqs.set(identity(big(row, 'number'), whole(row, 'version')), big(row, 'seq'));
    });
    return seqs;
  };
  const identityOf = ({ number, version }: EventFacts): string => identity(toOrderKey(number), version);

  const recordNew = async (
    connection: Connection,
    deadline: Deadline,
    events: readonly NewEvent[],
  ): Promise<readonly Due[]> => {
    const nowMs = clock.nowMs();
    await inPieces(events, EVENTS, async (statement, piece) => {
      const values = piece.flatMap((event) => [
        event.merchantId,
        keyOf(event.orderNo),
        keyOf(event.number),
        event.version,
        event.kind,
        event.happenedAtMs,
        nowMs,
      ]);
      await connection.run(statement, values, deadline);
    });
    const seqs = await known(connection, deadline, events);
    const { rows: pauses } = await connection.run(sql.SELECT_PAUSES, [], deadline);
    const paused = new Set(pauses.map((row) => text(row, 'merchant_id')));
    const deliveries = events.flatMap((event) =>
      event.endpointIds.map((endpointId) => ({ event, endpointId, seq: seqs.get(identityOf(event)) ?? 0n })),
    );
    await inPieces(deliveries, DELIVERIES, async (statement, piece) => {
      const values = piece.flatMap(({ event, endpointId, seq }) => [
        bigintParameter(seq),
        endpointId,
        event.merchantId,
        keyOf(event.orderNo),
        event.happenedAtMs,
        'waiting',
        paused.has(event.merchantId) ? PAUSED_UNTIL_MS : nowMs,
        nowMs + GIVES_UP_AFTER_MS,
      ]);
      await connection.run(statement, values, deadline);
    });
    return deliveries
      .filter(({ event }) => !paused.has(event.merchantId))
      .map(({ event, endpointId, seq }) => ({
        merchantId: event.merchantId,
        endpointId,
        orderNo: event.orderNo,
        seq,
        attempts: 0,
      }));
  };

  /** Changes whatever waits, piece by piece: one statement over all of it would hold up the others. */
  const changeWaiting = async (statement: Statement, parameters: readonly Parameter[]): Promise<number> => {
    for (let changed = 0; ; ) {
      const { affectedRows } = await run(statement, parameters);
      changed += affectedRows;
      if (affectedRows < HELD_AT_ONCE) return changed;
    }
  };

  const pausesOf = async (merchantId: MerchantId): Promise<Row | undefined> =>
    (await run(sql.SELECT_PAUSES, [])).rows.find((row) => text(row, 'merchant_id') === merchantId);

  return {
    prepare: connections.prepare,
    record: (events) =>
      connections.use((connection, deadline) =>
        transaction(connection, deadline, async () => {
          // Places are drawn under the lock: whoever reads behind a place misses nothing that is committed later.
          const beganAtMs = whole((await connection.run(sql.LOCK_STATE, [], deadline)).rows[0], 'began_at');
          const floorMs = Math.max(beganAtMs, clock.nowMs() - KEPT_MS);
          const before = await known(connection, deadline, events);
          const seen = new Set(before.keys());
          const fresh = events.filter((event) => {
            const isNew = event.happenedAtMs >= floorMs && !seen.has(identityOf(event));
            if (isNew) seen.add(identityOf(event));
            return isNew;
          });
          return { commit: true, value: fresh.length === 0 ? [] : await recordNew(connection, deadline, fresh) };
        }),
      ),
    claim: (chain, claimer, forMs) =>
      connections.use(async (connection, deadline): Promise<ClaimAnswer> => {
        const { merchantId, endpointId } = chain;
        const [row] = (await connection.run(sql.SELECT_HEAD, [merchantId, endpointId, keyOf(chain.orderNo)], deadline))
          .rows;
        const nowMs = clock.nowMs();
        if (row === undefined || whole(row, 'next_at') > nowMs || whole(row, 'claimed_until') > nowMs)
          return { kind: 'nothing' };
        const seq = big(row, 'seq');
        const { affectedRows } = await connection.run(
          sql.CLAIM,
          [nowMs + forMs, claimer, bigintParameter(seq), endpointId, nowMs, nowMs],
          deadline,
        );
        if (affectedRows === 0) return { kind: 'nothing' };
        return {
          kind: 'claimed',
          event: {
            ...factsOf(row, chain.orderNo),
            seq,
            attempts: whole(row, 'attempts'),
            givesUpAtMs: whole(row, 'gives_up_at'),
          },
        };
      }),
    settle: async ({ seq, endpointId }, claimer, state, { status, why }) => {
      const values = [
        state,
        status ?? null,
        why.slice(0, 64),
        clock.nowMs(),
        bigintParameter(seq),
        endpointId,
        claimer,
      ];
      await run(sql.SETTLE, values);
    },
    postpone: async ({ seq, endpointId }, claimer, { status, why }, untilMs, countsAs) => {
      await run(sql.POSTPONE, [
        countsAs,
        status ?? null,
        why.slice(0, 64),
        PAUSED_UNTIL_MS,
        untilMs,
        bigintParameter(seq),
        endpointId,
        claimer,
      ]);
    },
    overdue: async (beforeMs, limit) => {
      const { rows } = await run(sql.SELECT_OVERDUE, [beforeMs, clock.nowMs(), bigintParameter(BigInt(limit))]);
      return rows.map((row) => ({
        merchantId: text(row, 'merchant_id') as MerchantId,
        endpointId: text(row, 'endpoint_id'),
        orderNo: orderNo(row, 'order_no'),
        seq: big(row, 'seq'),
        attempts: whole(row, 'attempts'),
      }));
    },
    pause: async (merchantId, reason) => {
      await connections.use((connection, deadline) =>
        transaction(connection, deadline, async () => {
          // Whoever records now has committed before, or sees the pause.
          await connection.run(sql.LOCK_STATE, [], deadline);
          await connection.run(sql.INSERT_PAUSE, [merchantId, clock.nowMs(), reason], deadline);
          return { commit: true, value: undefined };
        }),
      );
      return changeWaiting(sql.HOLD_WAITING, [PAUSED_UNTIL_MS, merchantId, PAUSED_UNTIL_MS]);
    },
    resume: async (merchantId) => {
      const pause = await pausesOf(merchantId);
      if (pause === undefined) return undefined;
      const nowMs = clock.nowMs();
      await connections.use((connection, deadline) =>
        transaction(connection, deadline, async () => {
          await connection.run(sql.LOCK_STATE, [], deadline);
          await connection.run(sql.DELETE_PAUSE, [merchantId], deadline);
          return { commit: true, value: undefined };
        }),
      );
      const pausedMs = Math.max(0, nowMs - whole(pause, 'paused_at'));
      return changeWaiting(sql.FREE_WAITING, [nowMs, pausedMs, merchantId, PAUSED_UNTIL_MS]);
    },
    replay: async (merchantId, what, fromMs, toMs, limit) => {
      const nextAtMs = (await pausesOf(merchantId)) === undefined ? clock.nowMs() : PAUSED_UNTIL_MS;
      const statement = what === 'dead' ? sql.REPLAY_DEAD : sql.REPLAY_DELIVERED;
      const { affectedRows } = await run(statement, [
        nextAtMs,
        clock.nowMs() + GIVES_UP_AFTER_MS,
        merchantId,
        fromMs,
        toMs,
        bigintParameter(BigInt(limit)),
      ]);
      return affectedRows;
    },
    resend: async (merchantId, { number, version }, endpointIds) => {
      const [row] = (await run(sql.SELECT_EVENT, [keyOf(number), version])).rows;
      if (row === undefined || text(row, 'merchant_id') !== merchantId) return false;
      const nextAtMs = (await pausesOf(merchantId)) === undefined ? clock.nowMs() : PAUSED_UNTIL_MS;
      for (const endpointId of endpointIds) {
        await run(sql.RESEND, [
          bigintParameter(big(row, 'seq')),
          endpointId,
          merchantId,
          bigintParameter(big(row, 'order_no')),
          whole(row, 'happened_at'),
          nextAtMs,
          clock.nowMs() + GIVES_UP_AFTER_MS,
        ]);
      }
      return true;
    },
    deliveriesOf: (merchantId) =>
      connections.use(async (connection, deadline) => {
        const counts = (await connection.run(sql.COUNT_DELIVERIES, [merchantId], deadline)).rows;
        const ofState = (state: string) => counts.find((row) => text(row, 'state') === state);
        const countOf = (row: Row | undefined) => (row === undefined ? 0 : whole(row, 'deliveries'));
        const dead = await connection.run(
          sql.SELECT_DEAD,
          [merchantId, bigintParameter(BigInt(DEAD_LETTERS_SHOWN))],
          deadline,
        );
        const pauses = (await connection.run(sql.SELECT_PAUSES, [], deadline)).rows;
        const pause = pauses.find((row) => text(row, 'merchant_id') === merchantId);
        const waiting = ofState('waiting');
        return {
          waiting: countOf(waiting),
          dead: countOf(ofState('dead')),
          oldestWaitingMs: waiting === undefined ? undefined : optionalWhole(waiting, 'oldest'),
          pausedAtMs: pause === undefined ? undefined : whole(pause, 'paused_at'),
          pauseReason: optionalText(pause, 'reason') ?? '',
          deadLetters: dead.rows.map((row) => ({
            ...factsOf(row, orderNo(row, 'number')),
            endpointId: text(row, 'endpoint_id'),
            attempts: whole(row, 'attempts'),
            lastStatus: optionalWhole(row, 'last_status'),
            lastWhy: text(row, 'last_why'),
            diedAtMs: optionalWhole(row, 'settled_at') ?? 0,
          })),
        };
      }),
    after: (merchantId, seq, limit) =>
      connections.use(async (connection, deadline) => {
        const asked = [merchantId, bigintParameter(seq), bigintParameter(BigInt(limit))];
        const { rows } = await connection.run(sql.SELECT_EVENTS_AFTER, asked, deadline);
        const { rows: ends } = await connection.run(sql.SELECT_ENDS, [], deadline);
        return {
          events: rows.map((row) => ({ ...factsOf(row, orderNo(row, 'order_no')), seq: big(row, 'seq') })),
          isForgotten: seq < big(ends[0], 'forgotten_to'),
        };
      }),
    last: async () => BigInt(optionalText((await run(sql.SELECT_ENDS, [])).rows[0], 'last_seq') ?? '0'),
    forget: async () => {
      const old = optionalText((await run(sql.SELECT_OLD, [clock.nowMs() - KEPT_MS])).rows[0], 'seq');
      if (old === undefined) return false;
      const seq = bigintParameter(BigInt(old));
      await run(sql.NOTE_FORGOTTEN, [seq]);
      const deliveries = await run(sql.DELETE_DELIVERIES, [seq]);
      const events = await run(sql.DELETE_EVENTS, [seq]);
      return deliveries.affectedRows + events.affectedRows > 0;
    },
    ...createFollowerPlaces(run),
    close: connections.close,
  };
};
