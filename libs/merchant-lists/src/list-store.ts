import type { Clock } from '@tillmesh/clock';
import {
  fromOrderKey,
  type GroupTag,
  groupTag,
  isVisible,
  type MerchantId,
  type OrderKey,
  PAYMENT_STATES,
  type PaymentState,
} from '@tillmesh/domain';
import {
  big,
  bigintParameter,
  type ColumnCipher,
  type Deadline,
  optionalBytes,
  optionalText,
  type Parameter,
  type Statement,
  text,
  transaction,
  whole,
} from '@tillmesh/order-groups';
import { CONTENT_COLUMN } from './content-column.ts';
import { createFollowerPlaces } from './follower-places.ts';
import { type ListEntry, writeEntries } from './list-writer.ts';
import type { ListStoreConfig } from './store-config.ts';
import { createStoreConnections } from './store-connections.ts';
import { LIST_TABLES } from './store-schema.ts';
import * as sql from './store-statements.ts';

/** What the store says of itself. */
export type ListStatus = {
  /** `live`: lists are whole. Otherwise a rebuild is under way. */
  readonly phase: 'live' | 'clearing' | 'copying';
  /** Grows with each rebuild. */
  readonly generation: number;
  /** By group: everything that was committed before this moment is in the lists, ms since 1970. */
  readonly completeAtMs: ReadonlyMap<GroupTag, number>;
};

/** Which payments; keys from `floor` (inclusive) up to `before` (exclusive). */
export type StoredListQuestion = {
  readonly merchantId: MerchantId;
  readonly floor: bigint;
  readonly before: bigint;
  readonly states: ReadonlySet<PaymentState> | undefined;
  readonly pageSize: number;
};

export type StoredPage = {
  /** What is shown, newest first. */
  readonly contents: readonly Uint8Array[];
  /** Where the list goes on; undefined at its end. */
  readonly next: bigint | undefined;
  /** Read after the page, at the same server: where it says `live`, and the generation of before, the page is whole. */
  readonly status: ListStatus;
};

/** How far the copying of one group has come. */
export type RebuildProgress = { readonly copiedTo: bigint; readonly rows: number; readonly isDone: boolean };

/** Payments by merchant, made from the order groups. */
export type ListStore = {
  prepare(): Promise<void>;
  /** Changes nothing where an entry is not newer than what is there. */
  apply(entries: readonly ListEntry[]): Promise<void>;
  page(question: StoredListQuestion): Promise<StoredPage>;
  status(): Promise<ListStatus>;
  /** What was saved for a group; undefined for one that is new here. */
  readCursor(tag: GroupTag): Promise<string | undefined>;
  saveCursor(tag: GroupTag, places: string, completeAtMs: number): Promise<void>;
  /** The only rebuild at this time; undefined while another one runs. */
  beginRebuild(): Promise<RebuildSession | undefined>;
  close(): void;
};

export type RebuildSession = {
  /** Throws away what is there, unless an earlier rebuild that was cut off did and began to copy. @returns whether it goes on with that one. */
  clear(): Promise<boolean>;
  progressOf(tag: GroupTag): Promise<RebuildProgress>;
  /** Entries and progress in one commit. */
  copy(tag: GroupTag, entries: readonly ListEntry[], progress: RebuildProgress): Promise<void>;
  finish(): Promise<void>;
  close(): void;
};

/** Rows that are looked at for one page that wants certain states. */
const SCANNED_MAX = 1_000;
/** A TRUNCATE, and the copy of some hundred rows, may wait for others. */
const REBUILD_STEP_MS_MAX = 30_000;
/** How a transaction of the store ends. */
const KEPT = { commit: true, value: undefined } as const;
const SHOWN: readonly PaymentState[] = PAYMENT_STATES.filter(isVisible);

const statusOf = (rows: readonly Readonly<Record<string, unknown>>[]): ListStatus => {
  const phase = text(rows[0], 'phase');
  return {
    phase: phase === 'live' || phase === 'clearing' ? phase : 'copying',
    generation: whole(rows[0], 'generation'),
    completeAtMs: new Map(
      rows.flatMap((row) =>
        optionalText(row, 'group_tag') === undefined
          ? []
          : [[groupTag(whole(row, 'group_tag')), whole(row, 'complete_at')] as const],
      ),
    ),
  };
};

/** Opens the store. Its tables are made by `prepare`, which whoever keeps the lists calls. */
export const createListStore = (options: {
  readonly config: ListStoreConfig;
  readonly cipher: ColumnCipher;
  readonly clock: Clock;
}): ListStore => {
  const { config, cipher, clock } = options;
  const connections = createStoreConnections(config, LIST_TABLES, clock);
  const run = (statement: Statement, parameters: readonly Parameter[]) =>
    connections.use((connection, deadline) => connection.run(statement, parameters, deadline));

  const page: ListStore['page'] = ({ merchantId, floor, before, states, pageSize }) =>
    connections.use(async (connection, deadline) => {
      const limit = states === undefined ? pageSize : Math.max(pageSize, SCANNED_MAX);
      const wanted = states === undefined ? SHOWN : SHOWN.filter((state) => states.has(state));
      const parameters = [
        wanted.join(','),
        merchantId,
        bigintParameter(floor),
        bigintParameter(before),
        bigintParameter(BigInt(limit)),
      ];
      const { rows } = await connection.run(sql.SELECT_PAGE, parameters, deadline);
      const { rows: status } = await connection.run(sql.SELECT_STATUS, [], deadline);
      const fitting = rows.flatMap((row) => {
        const content = optionalBytes(row, 'content');
        return content === undefined ? [] : [{ key: big(row, 'order_no') as OrderKey, content }];
      });
      const shown = fitting.slice(0, pageSize);
      const last =
        fitting.length > pageSize ? shown.at(-1)?.key : rows.length < limit ? undefined : big(rows.at(-1), 'order_no');
      return {
        contents: shown.map(({ key, content }) =>
          Buffer.from(cipher.decrypt(CONTENT_COLUMN, fromOrderKey(key), content), 'base64'),
        ),
        next: last !== undefined && last > floor ? last : undefined,
        status: statusOf(status),
      };
    });

  const beginRebuild = async (): Promise<RebuildSession | undefined> => {
    const within = (): Deadline => ({ atMs: clock.monotonicMs() + REBUILD_STEP_MS_MAX });
    const connection = await connections.open(within());
    const step = (statement: Statement, parameters: readonly Parameter[] = []) =>
      connection.run(statement, parameters, within());
    const { rows } = await step(sql.LOCK_REBUILD);
    if (optionalText(rows[0], 'locked') !== '1') {
      connection.cut();
      return undefined;
    }
    return {
      clear: async () => {
        const { phase } = statusOf((await step(sql.SELECT_STATUS)).rows);
        if (phase === 'copying') return true;
        // Said before anything is thrown away: a reader that finds rows missing finds this as well.
        await step(sql.SET_PHASE, ['clearing', 1]);
        await step(sql.CLEAR_PROGRESS);
        await step(sql.CLEAR_PAYMENTS);
        await step(sql.SET_PHASE, ['copying', 0]);
        return false;
      },
      progressOf: async (tag) => {
        const [row] = (await step(sql.SELECT_PROGRESS, [tag])).rows;
        if (row === undefined) return { copiedTo: 0n, rows: 0, isDone: false };
        return {
          copiedTo: big(row, 'copied_to'),
          rows: whole(row, 'copied_rows'),
          isDone: whole(row, 'is_done') === 1,
        };
      },
      copy: async (tag, entries, progress) => {
        const { copiedTo, rows: copied, isDone } = progress;
        const deadline = within();
        await transaction(connection, deadline, async () => {
          await writeEntries(connection, entries, deadline, { cipher, clock });
          const saved = [tag, bigintParameter(copiedTo), copied, Number(isDone)];
          await connection.run(sql.SAVE_PROGRESS, saved, deadline);
          return KEPT;
        });
      },
      finish: async () => {
        await step(sql.SET_PHASE, ['live', 0]);
        await step(sql.CLEAR_PROGRESS);
      },
      close: () => connection.cut(),
    };
  };

  return {
    prepare: connections.prepare,
    apply: (entries) =>
      connections.use((connection, deadline) =>
        transaction(connection, deadline, async () => {
          await writeEntries(connection, entries, deadline, { cipher, clock });
          return KEPT;
        }),
      ),
    page,
    status: async () => statusOf((await run(sql.SELECT_STATUS, [])).rows),
    ...createFollowerPlaces(run),
    beginRebuild,
    close: connections.close,
  };
};
