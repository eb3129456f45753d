import type { Clock } from '@tillmesh/clock';
import {
  fromOrderKey,
  type GroupTag,
  groupTagOf,
  isVisible,
  type MerchantId,
  type OrderKey,
  type PaymentState,
} from '@tillmesh/domain';
import { big, text } from './columns.ts';
import { bigintParameter, type Deadline } from './connection.ts';
import { DatabaseError } from './database-error.ts';
import type { GroupClient, ReadFrom } from './group-client.ts';
import type { GroupClients } from './group-clients.ts';
import { SELECT_MERCHANT_KEYS, SELECT_MERCHANT_STATES } from './list-statements.ts';
import {
  afterRetirements,
  type GroupScan,
  type MergedPage,
  mergePage,
  type PagePosition,
  placeOf,
} from './page-position.ts';
import type { ReadPayment } from './payment-reader.ts';
import type { RowCodec } from './payment-rows.ts';
import { readPayments } from './read-payments.ts';
import type { StoredPayment } from './stored-payment.ts';

/** Which payments of a merchant. */
export type ListQuestion = {
  readonly merchantId: MerchantId;
  /** Keys from here on. */
  readonly floor: bigint;
  readonly position: PagePosition;
  /** Only these states; all that callers see where it is undefined. */
  readonly states: ReadonlySet<PaymentState> | undefined;
  readonly pageSize: number;
};

export type ListedPage = {
  /** Newest first. */
  readonly payments: readonly ReadPayment[];
  /** Undefined on the last page. */
  readonly next: PagePosition | undefined;
  /** Groups that did not answer in time. */
  readonly missing: readonly GroupTag[];
  /** How old the oldest part may be, ms; undefined where nobody knows. */
  readonly staleMs: number | undefined;
};

/** Pages through a merchant's payments by asking every group. */
export type PaymentLists = {
  /** @throws {DatabaseError} where no group at all answers. */
  page(question: ListQuestion): Promise<ListedPage>;
};

/** Keys of one group that are looked at for one page that wants certain states: more would not end within its deadline. */
export const SCANNED_MAX = 1_000;

type Scanned = {
  readonly client: GroupClient;
  readonly scan: GroupScan;
  readonly from: Omit<ReadFrom<never>, 'value'>;
};

const olderOf = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined || b === undefined ? undefined : Math.max(a, b);

/** @param options.groupMsMax what a group may take for each of the two statements of a page. */
export const createPaymentLists = (options: {
  readonly groups: GroupClients;
  readonly rows: RowCodec;
  readonly groupMsMax: number;
  readonly clock: Clock;
}): PaymentLists => {
  const { groups, rows, groupMsMax, clock } = options;
  const within = (): Deadline => ({ atMs: clock.monotonicMs() + groupMsMax });

  const scanOf = async (client: GroupClient, question: ListQuestion): Promise<Scanned> => {
    const { merchantId, floor, position, states, pageSize } = question;
    const place = placeOf(position, client.tag);
    const nothing = { client, scan: { tag: client.tag, keys: [], reachedTo: floor } };
    if (place <= floor) return { ...nothing, from: { fromReplica: false, staleMs: 0 } };
    const limit = states === undefined ? pageSize : Math.max(pageSize, SCANNED_MAX);
    const { value, ...from } = await client.readNearby(within(), (connection, until) =>
      connection.run(
        states === undefined ? SELECT_MERCHANT_KEYS : SELECT_MERCHANT_STATES,
        [merchantId, bigintParameter(floor), bigintParameter(place), bigintParameter(BigInt(limit))],
        until,
      ),
    );
    const found = value.rows.map((row) => {
      const key = big(row, 'order_no') as OrderKey;
      const fits = states === undefined || states.has(text(row, 'state') as PaymentState);
      return { key, fits: fits && isHeldBy(client, key) };
    });
    // More than a page of one group never goes into a page: the rest is looked at again.
    const fitting = found.filter(({ fits }) => fits).map(({ key }) => key);
    const keys = fitting.slice(0, pageSize);
    const isCut = fitting.length > keys.length;
    const reachedTo = isCut ? (keys.at(-1) ?? floor) : found.length < limit ? floor : (found.at(-1)?.key ?? floor);
    return { client, scan: { tag: client.tag, keys, reachedTo }, from };
  };

  /** What another group's orders have sent ahead here is listed there, until they have moved. */
  const isHeldBy = (client: GroupClient, key: OrderKey): boolean =>
    groups.find(groupTagOf(fromOrderKey(key)))?.tag === client.tag;

  /** The chosen payments of one group. A key that its replica does not show was read from another one: the primary has it. */
  const fetch = async (client: GroupClient, keys: readonly OrderKey[]): Promise<ReadonlyMap<bigint, ReadPayment>> => {
    const found = new Map<bigint, ReadPayment>();
    const keep = ({ value, ...from }: ReadFrom<ReadonlyMap<bigint, StoredPayment>>): void => {
      for (const [key, stored] of value) found.set(key, { stored, ...from });
    };
    keep(await client.readNearby(within(), readPayments(rows, keys)));
    const lacking = keys.filter((key) => !found.has(key));
    if (lacking.length > 0) {
      keep(await client.read(within(), readPayments(rows, lacking)));
    }
    return found;
  };

  const fetchAll = async (answered: readonly Scanned[], { chosen }: MergedPage) => {
    const found = new Map<bigint, ReadPayment>();
    const failed = new Set<GroupTag>();
    await Promise.all(
      answered.map(async ({ client }) => {
        const keys = chosen.filter(({ tag }) => tag === client.tag).map(({ key }) => key);
        if (keys.length === 0) return;
        try {
          for (const [key, payment] of await fetch(client, keys)) found.set(key, payment);
        } catch (error) {
          if (!(error instanceof DatabaseError)) throw error;
          failed.add(client.tag);
        }
      }),
    );
    return { found, failed };
  };

  return {
    page: async (asked) => {
      const position = afterRetirements(asked.position, (tag) => groups.find(tag)?.tag);
      const question = { ...asked, position };
      const { pageSize, floor } = question;
      const clients = groups.all();
      const tags = clients.map(({ tag }) => tag);
      const scans = await Promise.allSettled(clients.map((client) => scanOf(client, question)));
      const failure = scans.find((scan) => scan.status === 'rejected');
      if (failure !== undefined && !(failure.reason instanceof DatabaseError)) throw failure.reason;
      let answered = scans.flatMap((scan) => (scan.status === 'fulfilled' ? [scan.value] : []));
      for (;;) {
        if (answered.length === 0)
          throw failure?.reason ?? new DatabaseError('TILLMESH_NO_GROUP_ANSWERS', 'not_written');
        const merged = mergePage(
          answered.map(({ scan }) => scan),
          position,
          { pageSize, floor, tags },
        );
        const { found, failed } = await fetchAll(answered, merged);
        if (failed.size > 0) {
          // It died between the two statements: the page is made of the others, and the group keeps its place.
          answered = answered.filter(({ client }) => !failed.has(client.tag));
          continue;
        }
        const here = new Set(answered.map(({ client }) => client.tag));
        return {
          payments: merged.chosen
            .flatMap(({ key }) => found.get(key) ?? [])
            .filter(({ stored }) => isVisible(stored.payment.state)),
          next: merged.next,
          missing: tags.filter((tag) => !here.has(tag)),
          staleMs: answered.map(({ from }) => from.staleMs).reduce(olderOf, 0),
        };
      }
    },
  };
};
