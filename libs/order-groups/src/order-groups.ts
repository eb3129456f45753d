import type { Clock } from '@tillmesh/clock';
import { secretFile, z } from '@tillmesh/config';
import { type GroupTag, WORKER_ID_MAX } from '@tillmesh/domain';
import type { Log } from '@tillmesh/telemetry';
import { type Created, createBounce } from './bounce.ts';
import { claimDue, type DueWork } from './due-work.ts';
import type { GroupStatus } from './group-client.ts';
import { createGroupClients } from './group-clients.ts';
import { type GroupMap, GroupMapConfig } from './group-map.ts';
import type { NewPayment, OrderGroup } from './order-group.ts';
import { createOrderNumberSource } from './order-number-source.ts';
import { createPaymentReader } from './payment-reader.ts';
import { createPaymentStore, type PaymentStore } from './payment-store.ts';
import { createRefundStore, type RefundStore } from './refund-store.ts';
import { createSqlOrderGroup } from './sql-order-group.ts';

const reading = {
  map: GroupMapConfig,
  user: z
    .string()
    .min(1)
    .describe('Database account; SELECT for readers, INSERT and UPDATE as well for the order store.'),
  password: secretFile("the database account's password"),
  database: z.string().min(1).default('tillmesh').describe('Name of the schema in every group.'),
  connectionsMax: z.int().min(1).max(200).default(24).describe('Connections of this instance to one database server.'),
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
};

/** How a service that only reads reaches the order groups; part of its configuration. */
export const OrderReadersConfig = z.strictObject(reading).describe('The order groups and the account to read with.');
export type OrderReadersConfig = Omit<z.output<typeof OrderReadersConfig>, 'map'> & { readonly map: GroupMap };

/** How the order store reaches the order groups; part of its configuration. */
export const OrderGroupsConfig = z
  .strictObject({
    ...reading,
    workerId: z
      .int()
      .min(0)
      .max(WORKER_ID_MAX)
      .describe('0 to 255, part of every order number. No two instances may have the same at the same time.'),
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
  })
  .describe('The order groups and the account to use there.');
export type OrderGroupsConfig = Omit<z.output<typeof OrderGroupsConfig>, 'map'> & { readonly map: GroupMap };

/** The failure counter's period of the published design (W11). */
const CIRCUIT_WINDOW_MS = 60_000;

/** Payments and refunds in all groups. */
export type OrderGroups = {
  readonly payments: PaymentStore;
  readonly refunds: RefundStore;
  /** Writes a new payment, around faulty groups. */
  create(payment: NewPayment): Promise<Created>;
  claimDue(work: {
    readonly limit: number;
    readonly visibilityMs: number;
    readonly overdueByMs: number;
  }): Promise<DueWork>;
  status(): readonly GroupStatus[];
  /** Looks at every database server once. */
  look(): Promise<void>;
  close(): void;
};

const openGroups = (
  config: OrderReadersConfig,
  writer: { readonly workerId: number; readonly failuresToOpen: number } | undefined,
  clock: Clock,
  log: Log,
) =>
  createGroupClients({
    map: config.map,
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
      statementMsMax: config.statementMsMax,
    },
    workerId: writer?.workerId,
    clock,
    log,
  });

/** What a reader may do. */
export type OrderReader = Pick<OrderGroups, 'look' | 'close'> & {
  readonly payments: Pick<PaymentStore, 'read' | 'readNearby' | 'readOfMerchant'>;
};

/** Opens the order groups for reading alone. */
export const createOrderReader = (options: {
  readonly config: OrderReadersConfig;
  readonly clock: Clock;
  readonly log: Log;
}): OrderReader => {
  const { config, clock, log } = options;
  const groups = openGroups(config, undefined, clock, log);
  return {
    payments: createPaymentReader({ map: config.map, groups, statementMsMax: config.statementMsMax, clock }),
    look: groups.look,
    close: groups.close,
  };
};

/** Opens the order groups and starts to watch them. */
export const createOrderGroups = (options: {
  readonly config: OrderGroupsConfig;
  readonly clock: Clock;
  readonly log: Log;
}): OrderGroups => {
  const { config, clock, log } = options;
  const { map, workerId, statementMsMax } = config;
  const groups = openGroups(config, config, clock, log);
  const numbers = createOrderNumberSource({ clock, workerId });
  const orderGroups = new Map<GroupTag, OrderGroup>(
    groups.all.map((client) => [client.tag, createSqlOrderGroup(client, clock)]),
  );
  const groupOf = (tag: GroupTag): OrderGroup => {
    const group = orderGroups.get(tag);
    if (group === undefined) throw new Error(`group ${tag} is not on the group map`);
    return group;
  };
  const payments = createPaymentStore({ map, groups, numbers, statementMsMax, clock, log });
  const bounce = createBounce({
    map,
    group: groupOf,
    numbers,
    config: { createMsMax: statementMsMax, homeMsMax: config.homeMsMax },
    clock,
    log,
  });
  return {
    payments,
    refunds: createRefundStore({ groups, payments, numbers, statementMsMax, clock, log }),
    create: bounce.create,
    claimDue: (work) => claimDue({ groups, statementMsMax, clock, ...work }),
    status: () => groups.all.map((client) => client.status()),
    look: groups.look,
    close: groups.close,
  };
};
