import type { Clock } from '@tillmesh/clock';
import {
  ATTEMPT_STATES,
  type GroupTag,
  isLiveAttempt,
  type MerchantId,
  type OrderNo,
  toOrderKey,
} from '@tillmesh/domain';
import { optionalWhole, orderNoOf, text, whole } from './columns.ts';
import type { Deadline, Parameter, Row, Statement } from './connection.ts';
import { DatabaseError } from './database-error.ts';
import type { GroupClient } from './group-client.ts';
import type { GroupClients } from './group-clients.ts';

/** Which payments and refunds that are not at their end; what is undefined does not narrow. */
export type OpenWorkFilter = {
  /** Of an attempt through this channel. */
  readonly channelId: string | undefined;
  readonly merchantId: MerchantId | undefined;
  readonly createdBeforeMs: number | undefined;
};

/** A payment or a refund that somebody has to look after. */
export type OpenItem = {
  readonly kind: 'payment' | 'refund';
  readonly number: OrderNo;
  readonly merchantId: string;
  /** Of the first attempt. */
  readonly channelId: string;
  readonly paymentKind: string;
  readonly state: string;
  readonly createdAtMs: number;
  /** Of the payment. */
  readonly expireAtMs: number;
  readonly nextCheckAtMs: number;
  readonly checkCount: number;
  readonly needsPerson: string;
};

/** Where a listing goes on: the next group, what kind of item, and the last number that was told of it. */
export type OpenWorkPlace = { readonly tag: number; readonly kind: OpenItem['kind']; readonly after: bigint };

export type OpenWorkPage = {
  readonly items: readonly OpenItem[];
  /** Undefined at the end. */
  readonly next: OpenWorkPlace | undefined;
  /** Groups that could not be asked: what is open there is not among the items. */
  readonly unreachable: readonly GroupTag[];
};

/** How much is open, over all groups that answered. */
export type OpenWorkCount = {
  readonly payments: number;
  readonly refunds: number;
  /** Of these, for a person. */
  readonly withPerson: number;
  /** Undefined where nothing is open. */
  readonly oldestCreatedAtMs: number | undefined;
  /** Code payments that were begun so long ago or longer, and less than `tillMs` ago: their till is still waiting, and not for long. */
  readonly aboutToBreach: number;
  /** Code payments whose till has waited in vain. */
  readonly breached: number;
  readonly unreachable: readonly GroupTag[];
};

export const OPEN_PAGE_MAX = 500;

const KINDS = ['payment', 'refund'] as const;

const NARROWED = `(? = '' OR p.channel_id = ? OR EXISTS (SELECT 1 FROM attempt a WHERE a.order_no = p.order_no AND a.channel_id = ?))
          AND (? = '' OR p.merchant_id = ?)`;

const LIVE = ATTEMPT_STATES.filter(isLiveAttempt)
  .map((state) => `'${state}'`)
  .join(', ');

// A paid payment is looked at once more where its channel tells more of it when it is asked: that is no open money.
const ONLY_DETAILS = `(p.state = 'succeeded' AND p.attempt_state NOT IN (${LIVE})
            AND NOT EXISTS (SELECT 1 FROM attempt l WHERE l.order_no = p.order_no AND l.attempt_state IN (${LIVE})))`;

const ITEM = {
  payment: {
    columns: 'p.order_no AS n',
    number: 'p.order_no',
    of: 'p',
    from: 'payment p',
    isOpen: `p.next_check_at IS NOT NULL AND NOT ${ONLY_DETAILS}`,
  },
  refund: {
    columns: 'r.refund_no AS n',
    number: 'r.refund_no',
    of: 'r',
    from: 'refund r JOIN payment p ON p.order_no = r.order_no',
    isOpen: 'r.next_check_at IS NOT NULL',
  },
} as const;

// Number and limit are digits of our own making: as parameters neither goes through the text protocol as what it is.
const selectOpen = (kind: OpenItem['kind'], after: bigint, limit: number): Statement => {
  const { columns, number, of, from, isOpen } = ITEM[kind];
  return {
    summary: `SELECT open ${kind}s`,
    sql: `SELECT ${columns}, p.merchant_id, p.channel_id, p.kind, p.expire_at, ${of}.state, ${of}.created_at, ${of}.next_check_at,
            ${of}.check_count, ${of}.needs_person
          FROM ${from}
          WHERE ${isOpen} AND ${number} > ${after} AND ${NARROWED} AND ${of}.created_at < ?
          ORDER BY ${number} LIMIT ${limit}`,
    text: true,
  };
};

const COUNT_OPEN: Statement = {
  summary: 'SELECT open work count',
  sql: `SELECT
          COUNT(*) AS payments, SUM(needs_person <> '') AS with_person, MIN(created_at) AS oldest,
          SUM(kind = 'payment_code' AND state = 'paying' AND created_at <= ? AND created_at > ?) AS about_to_breach,
          SUM(kind = 'payment_code' AND state = 'paying' AND created_at <= ?) AS breached
        FROM payment p WHERE ${ITEM.payment.isOpen}`,
};
const COUNT_OPEN_REFUNDS: Statement = {
  summary: 'SELECT open refunds count',
  sql: `SELECT COUNT(*) AS refunds, SUM(needs_person <> '') AS with_person, MIN(created_at) AS oldest
        FROM refund WHERE next_check_at IS NOT NULL`,
};

const itemOf = (kind: OpenItem['kind'], row: Row): OpenItem => ({
  kind,
  number: orderNoOf(row, 'n'),
  merchantId: text(row, 'merchant_id'),
  channelId: text(row, 'channel_id'),
  paymentKind: text(row, 'kind'),
  state: text(row, 'state'),
  createdAtMs: whole(row, 'created_at'),
  expireAtMs: whole(row, 'expire_at'),
  nextCheckAtMs: whole(row, 'next_check_at'),
  checkCount: whole(row, 'check_count'),
  needsPerson: text(row, 'needs_person'),
});

type Tools = { readonly groups: GroupClients; readonly statementMsMax: number; readonly clock: Clock };

const byTag = (groups: GroupClients): readonly GroupClient[] => groups.all().toSorted((a, b) => a.tag - b.tag);

/**
 * One page of what is open, group by group, each in the order of its numbers: what is settled or begun meanwhile moves nothing else.
 *
 * @param place where the page before ended; undefined: from the beginning. @param limit 1 to OPEN_PAGE_MAX.
 */
export const listOpenWork = async (
  { groups, statementMsMax, clock }: Tools,
  filter: OpenWorkFilter,
  place: OpenWorkPlace | undefined,
  limit: number,
): Promise<OpenWorkPage> => {
  const { channelId = '', merchantId = '', createdBeforeMs = Number.MAX_SAFE_INTEGER } = filter;
  const items: OpenItem[] = [];
  const unreachable: GroupTag[] = [];
  for (const client of byTag(groups)) {
    if (place !== undefined && client.tag < place.tag) continue;
    for (const kind of KINDS) {
      const isResumed = place?.tag === client.tag;
      if (isResumed && place.kind === 'refund' && kind === 'payment') continue;
      const after = isResumed && place.kind === kind ? place.after : 0n;
      const wanted = limit - items.length;
      const parameters: Parameter[] = [channelId, channelId, channelId, merchantId, merchantId, createdBeforeMs];
      const deadline: Deadline = { atMs: clock.monotonicMs() + statementMsMax };
      try {
        const { value } = await client.read(deadline, async (connection, until) =>
          (await connection.run(selectOpen(kind, after, wanted), parameters, until)).rows.map((row) =>
            itemOf(kind, row),
          ),
        );
        items.push(...value);
        if (value.length === wanted) {
          const last = value.at(-1);
          const next = last === undefined ? after : toOrderKey(last.number);
          return { items, next: { tag: client.tag, kind, after: next }, unreachable };
        }
      } catch (error) {
        if (!(error instanceof DatabaseError)) throw error;
        unreachable.push(client.tag);
        break;
      }
    }
  }
  return { items, next: undefined, unreachable };
};

/**
 * How much is open in all groups, from where they are read.
 *
 * @param tillMs how long a till waits for a code payment. @param warnMs so much earlier it is told of.
 */
export const countOpenWork = async (
  { groups, statementMsMax, clock }: Tools,
  { tillMs, warnMs }: { readonly tillMs: number; readonly warnMs: number },
): Promise<OpenWorkCount> => {
  const nowMs = clock.nowMs();
  const deadline = { atMs: clock.monotonicMs() + statementMsMax };
  const answers = await Promise.all(
    byTag(groups).map(async (client) => {
      try {
        const { value } = await client.read(deadline, async (connection, until) => {
          const ages = [nowMs - tillMs + warnMs, nowMs - tillMs, nowMs - tillMs];
          const payments = (await connection.run(COUNT_OPEN, ages, until)).rows[0];
          const refunds = (await connection.run(COUNT_OPEN_REFUNDS, [], until)).rows[0];
          const sum = (row: Row | undefined, column: string) => optionalWhole(row, column) ?? 0;
          return {
            payments: sum(payments, 'payments'),
            refunds: sum(refunds, 'refunds'),
            withPerson: sum(payments, 'with_person') + sum(refunds, 'with_person'),
            oldest: [optionalWhole(payments, 'oldest'), optionalWhole(refunds, 'oldest')],
            aboutToBreach: sum(payments, 'about_to_breach'),
            breached: sum(payments, 'breached'),
          };
        });
        return { tag: client.tag, value };
      } catch (error) {
        if (!(error instanceof DatabaseError)) throw error;
        return { tag: client.tag, value: undefined };
      }
    }),
  );
  const found = answers.flatMap(({ value }) => value ?? []);
  const total = (of: (one: (typeof found)[number]) => number) => found.reduce((sum, one) => sum + of(one), 0);
  const oldest = found.flatMap((one) => one.oldest).filter((value) => value !== undefined);
  return {
    payments: total((one) => one.payments),
    refunds: total((one) => one.refunds),
    withPerson: total((one) => one.withPerson),
    oldestCreatedAtMs: oldest.length === 0 ? undefined : Math.min(...oldest),
    aboutToBreach: total((one) => one.aboutToBreach),
    breached: total((one) => one.breached),
    unreachable: answers.filter(({ value }) => value === undefined).map(({ tag }) => tag),
  };
};
