import { type Clock, repeat, systemRandom } from '@tillmesh/clock';
import { secretFile, z } from '@tillmesh/config';
import type { GroupTag } from '@tillmesh/domain';
import { type Log, withoutSpans } from '@tillmesh/telemetry';
import { createAcrossSwitch } from './across-switch.ts';
import { type Books, createBooks } from './books.ts';
import { type Created, createBounce } from './bounce.ts';
import { type ChangeFeed, createChangeFeed } from './change-feed.ts';
import { createMapChanger, type MapChange, type MapChanged } from './change-map.ts';
import { ConnectionBudgetConfig, checkBudget } from './connection-budget.ts';
import { claimDue, type DueWork } from './due-work.ts';
import { createGroupClients, type GroupClients } from './group-clients.ts';
import { type GroupMap, GroupMapConfig } from './group-map.ts';
import type { MapView } from './group-maps.ts';
import type { GroupStatus } from './group-watch.ts';
import { keepPaymentNews, keepRefundNews } from './keep-news.ts';
import { keepRowKeys } from './keep-row-keys.ts';
import { createMapKeeper, type MapKeeper } from './map-keeper.ts';
import {
  countOpenWork,
  listOpenWork,
  type OpenWorkCount,
  type OpenWorkFilter,
  type OpenWorkPage,
  type OpenWorkPlace,
} from './open-work.ts';
import { untilOrdersAreTaken } from './opening.ts';
import type { NewPayment, OrderGroup } from './order-group.ts';
import { createOrderNumberSource } from './order-number-source.ts';
import { createPaymentLists, type PaymentLists } from './payment-lists.ts';
import { createPaymentReader, type PaymentReader } from './payment-reader.ts';
import { createRowCodec } from './payment-rows.ts';
import { createPaymentStore, type PaymentStore } from './payment-store.ts';
import { createPendingEvents } from './pending-events.ts';
import { createRefundStore, type RefundStore } from './refund-store.ts';
import { openRowKeys, RowKeysConfig } from './row-keys.ts';
import { type NodeFinding, watchSafety } from './safety-watch.ts';
import { type GroupSchema, readSchemas } from './schema-version.ts';
import { createSqlOrderGroup } from './sql-order-group.ts';
import { createStatementStore, type StatementStore } from './statement-store.ts';
import { createSweeper, type SweepRound } from './sweeper.ts';
import { createWorkerSeats } from './worker-seats.ts';

const access = {
  map: GroupMapConfig,
  user: z
    .string()
    .min(1)
    .describe('Database account; SELECT for readers, INSERT, UPDATE and DELETE as well for the order store.'),
  password: secretFile("the database account's password"),
  database: z.string().min(1).default('tillmesh').describe('Name of the schema in every group.'),
};

/** How a program that changes the schema reaches the order groups; part of its configuration. */
export const GroupAdministrationConfig = z
  .strictObject(access)
  .describe('The order groups and the account that may change their schema.');

const reading = {
  ...access,
  rowKeys: RowKeysConfig,
  connectionsMax: z.int().min(1).max(200).default(24).describe('Connections of this instance to one database server.'),
  connectionBudget: ConnectionBudgetConfig,
  waitersMax: z.int().min(0).max(10_000).default(200).describe('Callers that may wait for a connection of one server.'),
  waitMsMax: z.int().min(1).max(1_000).default(200).describe('The longest wait for a connection.'),
  idleMin: z.int().min(0).max(50).default(3).describe('Idle connections kept open to each server.'),
  statementMsMax: z
    .int()
    .min(50)
    .max(1_000)
    .default(1_000)
    .describe('The budget of a database call, at most 1 s (W11).'),
  monitorEveryMs: z.int().min(100).max(10_000).default(500).describe('Between looks at every database server.'),
  idempotencyHours: z
    .int()
    .min(1)
    .max(2_400)
    .default(72)
    .describe('So long after a change of the group map a number is looked for where the map before placed it.'),
};

/** How a service that only reads reaches the order groups; part of its configuration. */
export const OrderReadersConfig = z
  .strictObject(reading)
  .superRefine(checkBudget)
  .describe('The order groups and the account to read with.');
export type OrderReadersConfig = Omit<z.output<typeof OrderReadersConfig>, 'map'> & { readonly map: GroupMap };

/** How the order store reaches the order groups; part of its configuration. */
export const OrderGroupsConfig = z
  .strictObject({
    ...reading,
    homeMsMax: z
      .int()
      .min(20)
      .max(900)
      .default(450)
      .describe('What of the 1 s of a new order its home group may use up before the order avoids it.'),
    failuresToOpen: z
      .int()
      .min(1)
      .max(1_000)
      .default(3)
      .describe('So many failures within a minute make new orders avoid a group.'),
    batchRowsMax: z
      .int()
      .min(1)
      .max(32)
      .default(1)
      .describe('New orders that one statement may write together under load; 1 writes each by itself.'),
    sweepEveryMs: z
      .int()
      .min(100)
      .max(600_000)
      .default(3_000)
      .describe('Between looks for what a failure of a group has left.'),
  })
  .superRefine(checkBudget)
  .describe('The order groups and the account to use there.');
export type OrderGroupsConfig = Omit<z.output<typeof OrderGroupsConfig>, 'map'> & { readonly map: GroupMap };

/** The failure counter's period of the published design (W11). */
const CIRCUIT_WINDOW_MS = 60_000;
const HOUR_MS = 3_600_000;
/** Between looks for changes of the map that somebody has begun and not ended. */
const GO_ON_EVERY_MS = 2_000;

/** Payments and refunds in all groups. */
export type OrderGroups = {
  readonly payments: PaymentStore;
  readonly refunds: RefundStore;
  readonly statements: StatementStore;
  /** Writes a new payment, around faulty groups. */
  create(payment: NewPayment): Promise<Created>;
  claimDue(work: {
    readonly limit: number;
    readonly visibilityMs: number;
    readonly overdueByMs: number;
  }): Promise<DueWork>;
  /** A page of the payments and refunds that are not at their end. */
  listOpenWork(filter: OpenWorkFilter, place: OpenWorkPlace | undefined, limit: number): Promise<OpenWorkPage>;
  countOpenWork(till: { readonly tillMs: number; readonly warnMs: number }): Promise<OpenWorkCount>;
  status(): readonly GroupStatus[];
  /** Why no payment can even be read: no database server of any group has answered when it was looked at last. */
  whyUnreachable(): string | undefined;
  /** The map in force, and those that are still consulted. */
  map(): MapView;
  changeMap(change: MapChange): Promise<MapChanged>;
  /** Brings to their end what failures have left; happens by itself as well. */
  sweep(): Promise<SweepRound>;
  /**
   * Resolves when new orders can be written: in every open group, or after 5 s in at least one.
   *
   * @param waitsFor told of what is waited for.
   */
  open(waitsFor?: (what: string) => void): Promise<void>;
  /** What of the database servers' settings and grants is not as it has to be. Told by itself in logs and metrics as well. */
  findings(): Promise<readonly NodeFinding[]>;
  /** The version of every group's schema. */
  schemas(): Promise<readonly GroupSchema[]>;
  /** Looks at every database server once, and takes a worker id in every group that answers. */
  look(): Promise<void>;
  close(): Promise<void>;
};

/** What a reader may do. */
export type OrderReader = Pick<OrderGroups, 'look' | 'close' | 'map' | 'findings' | 'whyUnreachable'> & {
  readonly payments: PaymentReader;
  readonly lists: PaymentLists;
  readonly changes: ChangeFeed;
  readonly books: Books;
};

/** Watches the servers' settings and grants, with the account that the service itself uses. */
const watch = (
  config: OrderReadersConfig,
  options: {
    readonly keeper: MapKeeper;
    readonly isWriter: boolean;
    readonly signal: AbortSignal;
    readonly clock: Clock;
    readonly log: Log;
  },
) => {
  const { user, password, database, statementMsMax } = config;
  const { keeper, ...rest } = options;
  const account = { user, password: password.reveal(), database };
  return watchSafety({ ...rest, map: () => keeper.current().map, account, statementMsMax });
};

const whyUnreachable = (groups: GroupClients): string | undefined => {
  const silent = groups.all().map((client) => client.status());
  if (silent.some(({ primary, replicas }) => primary !== '' || replicas.length > 0)) return undefined;
  return `no database server answers: look at the servers of group ${silent.map(({ tag }) => tag).join(', ')} and at the way there`;
};

type Opened = { readonly groups: GroupClients; readonly keeper: MapKeeper };

const openGroups = (
  config: OrderReadersConfig,
  writer: { readonly instanceId: number; readonly failuresToOpen: number } | undefined,
  clock: Clock,
  log: Log,
): Opened => {
  const { map, statementMsMax } = config;
  const groups = createGroupClients({
    map,
    account: { user: config.user, password: config.password.reveal(), database: config.database },
    config: {
      pool: {
        connectionsMax: config.connectionsMax,
        waitersMax: config.waitersMax,
        waitMsMax: config.waitMsMax,
        idleMin: config.idleMin,
      },
      circuit: { failuresToOpen: writer?.failuresToOpen ?? 1, windowMs: CIRCUIT_WINDOW_MS },
      monitorEveryMs: config.monitorEveryMs,
      statementMsMax,
    },
    instanceId: writer?.instanceId,
    clock,
    log,
  });
  const idempotencyMs = config.idempotencyHours * HOUR_MS;
  const keeper = createMapKeeper({ seed: map, groups, idempotencyMs, statementMsMax, clock, log });
  return { groups, keeper };
};

/**
 * Opens the order groups for reading alone.
 *
 * @param options.listMsMax what a group may take for a statement of a list, ms; as for all others unless told.
 */
export const createOrderReader = (options: {
  readonly config: OrderReadersConfig;
  readonly listMsMax?: number;
  readonly clock: Clock;
  readonly log: Log;
}): OrderReader => {
  const { config, clock, log } = options;
  const { groups, keeper } = openGroups(config, undefined, clock, log);
  const rowKeys = openRowKeys(config.rowKeys);
  const rows = createRowCodec(rowKeys);
  const stop = new AbortController();
  keepRowKeys(rowKeys, { signal: stop.signal, clock, log });
  const safety = watch(config, { keeper, isWriter: false, signal: stop.signal, clock, log });
  const { statementMsMax } = config;
  return {
    payments: createPaymentReader({ maps: keeper, groups, rows, statementMsMax, clock }),
    lists: createPaymentLists({ groups, rows, groupMsMax: options.listMsMax ?? statementMsMax, clock }),
    changes: createChangeFeed({ groups, rows, statementMsMax, clock, log }),
    books: createBooks({
      groups,
      rows,
      statementMsMax,
      clock,
      onTampered: (error) => log.error({ err: error }, 'a row was tampered with; the books are told without it'),
    }),
    whyUnreachable: () => whyUnreachable(groups),
    map: keeper.current,
    findings: safety.look,
    look: async () => {
      await groups.look();
      await keeper.refresh();
    },
    close: async () => {
      stop.abort(new Error('the order groups were closed'));
      keeper.close();
      groups.close();
    },
  };
};

/** Opens the order groups and starts to watch them. */
export const createOrderGroups = (options: {
  readonly config: OrderGroupsConfig;
  readonly clock: Clock;
  readonly log: Log;
}): OrderGroups => {
  const { config, clock, log } = options;
  const { statementMsMax, batchRowsMax } = config;
  const instance = systemRandom.hex(8);
  const { groups, keeper } = openGroups(
    config,
    { instanceId: systemRandom.below(2 ** 32), failuresToOpen: config.failuresToOpen },
    clock,
    log,
  );
  const rowKeys = openRowKeys(config.rowKeys);
  const rows = createRowCodec(rowKeys);
  const seats = createWorkerSeats({ groups, holder: instance, statementMsMax, clock, random: systemRandom, log });
  const numbers = createOrderNumberSource({ clock, seatOf: seats.of });
  const orderGroups = new Map<GroupTag, OrderGroup>();
  const groupOf = (tag: GroupTag): OrderGroup => {
    const client = groups.of(tag);
    const known = orderGroups.get(client.tag);
    if (known !== undefined) return known;
    const group = createSqlOrderGroup({ client, rows, batchRowsMax, clock });
    orderGroups.set(client.tag, group);
    return group;
  };
  const payments = createPaymentStore({ maps: keeper, groups, rows, numbers, statementMsMax, clock, log });
  const refunds = createRefundStore({ groups, payments, rows, numbers, statementMsMax, clock, log });
  const statements = createStatementStore({ groups, statementMsMax, clock });
  const pending = createPendingEvents({ groups, rows, statementMsMax, clock, log });
  const bounce = createBounce({
    maps: keeper,
    group: groupOf,
    numbers,
    config: { createMsMax: statementMsMax, homeMsMax: config.homeMsMax },
    clock,
    log,
  });
  const sweeper = createSweeper({
    groups: () => groups.all().map(({ tag }) => groupOf(tag)),
    group: groupOf,
    numbers,
    pending,
    payments,
    refunds,
    everyMs: config.sweepEveryMs,
    statementMsMax,
    clock,
    log,
  });
  const acrossSwitch = createAcrossSwitch({ maps: keeper, waitMsMax: statementMsMax, clock });
  const changer = createMapChanger({ keeper, groups, statementMsMax, clock, log });
  const stop = new AbortController();
  keepRowKeys(rowKeys, { signal: stop.signal, clock, log });
  const safety = watch(config, { keeper, isWriter: true, signal: stop.signal, clock, log });
  repeat({
    clock,
    everyMs: GO_ON_EVERY_MS,
    signal: stop.signal,
    task: () => withoutSpans(() => changer.goOn()),
    onError: (error) => log.error({ err: error }, 'a change of the group map does not go on'),
  }).catch((error: unknown) => log.error({ err: error }, 'changes of the group map go on no more'));

  const look = async (): Promise<void> => {
    await groups.look();
    await keeper.refresh();
    await seats.take();
  };

  return {
    payments: {
      ...payments,
      apply: keepPaymentNews(
        { apply: (...of) => acrossSwitch(() => payments.apply(...of)), read: payments.read },
        pending,
      ),
      continueWith: (...of) => acrossSwitch(() => payments.continueWith(...of)),
      close: (...of) => acrossSwitch(() => payments.close(...of)),
      schedule: (...of) => acrossSwitch(() => payments.schedule(...of)),
      stopChecks: (...of) => acrossSwitch(() => payments.stopChecks(...of)),
    },
    refunds: {
      ...refunds,
      create: (refund) => acrossSwitch(() => refunds.create(refund)),
      apply: keepRefundNews(
        { apply: (...of) => acrossSwitch(() => refunds.apply(...of)), read: refunds.read },
        pending,
      ),
      schedule: (...of) => acrossSwitch(() => refunds.schedule(...of)),
    },
    create: bounce.create,
    statements: { state: (...of) => acrossSwitch(() => statements.state(...of)) },
    listOpenWork: (...of) => listOpenWork({ groups, statementMsMax, clock }, ...of),
    countOpenWork: (till) => countOpenWork({ groups, statementMsMax, clock }, till),
    claimDue: (work) => claimDue({ groups, statementMsMax, clock, ...work }),
    status: () => groups.all().map((client) => client.status()),
    whyUnreachable: () => whyUnreachable(groups),
    map: keeper.current,
    changeMap: changer.change,
    sweep: sweeper.sweep,
    open: (waitsFor = () => undefined) =>
      untilOrdersAreTaken({
        waitsFor,
        look,
        takesOrders: () =>
          groups
            .all()
            .filter((client) => client.state() === 'open')
            .map((client) => ({
              group: client.status(),
              yes: client.admitsNewOrders() && seats.isHeld(client.tag),
            })),
        signal: stop.signal,
        clock,
        log,
      }),
    findings: safety.look,
    look,
    schemas: () => readSchemas(groups, { atMs: clock.monotonicMs() + statementMsMax }),
    close: async () => {
      stop.abort(new Error('the order groups were closed'));
      sweeper.close();
      keeper.close();
      await seats.close();
      groups.close();
    },
  };
};
