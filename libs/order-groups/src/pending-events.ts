import { createHash } from 'node:crypto';
import type { Clock } from '@tillmesh/clock';
import { type GroupTag, groupTagOf, type OrderNo, toOrderKey } from '@tillmesh/domain';
import { counter, type Log } from '@tillmesh/telemetry';
import { big, bytes, orderNoOf, text, whole } from './columns.ts';
import { bigintParameter, type Deadline } from './connection.ts';
import { DatabaseError } from './database-error.ts';
import type { GroupClient } from './group-client.ts';
import type { GroupClients } from './group-clients.ts';
import { rendezvous } from './group-map.ts';
import type { RowCodec } from './payment-rows.ts';
import { END_PENDING, INSERT_PENDING, SELECT_PENDING, SELECT_PENDING_TAGS } from './pending-statements.ts';

/** News about an attempt or a refund, of the order or refund of this number. */
export type PendingNews = {
  readonly kind: 'attempt' | 'refund';
  readonly number: OrderNo;
  /** Plain data; bigints are allowed. */
  readonly news: unknown;
};

/** Keeps news that the group of its order cannot take, in another group, and brings it home when that is back. */
export type PendingEvents = {
  /** Resolves with true when another group has it, acknowledged; false where none could take it. */
  keep(pending: PendingNews): Promise<boolean>;
  /** Hands what is kept for groups that take writes again to `apply`, oldest first; what fails stays. */
  replay(apply: (pending: PendingNews) => Promise<void>): Promise<number>;
};

const kept = counter('tillmesh_pending_events_total', 'News kept in another group because its own was away.', ['end']);

const REPLAYED_AT_ONCE_MAX = 100;
/** So many groups are tried; a second one down means that most of the mesh is. */
const GROUPS_TRIED_MAX = 2;
const COLUMN = 'news';

// JSON has no bigint. None of our news has an object with this one key otherwise.
const toText = (value: unknown): string =>
  JSON.stringify(value, (_key, each: unknown) => (typeof each === 'bigint' ? { $bigint: String(each) } : each));
const fromText = (value: string): unknown =>
  JSON.parse(value, (_key, each: unknown) =>
    typeof each === 'object' && each !== null && '$bigint' in each ? BigInt(String(each.$bigint)) : each,
  );

const digestOf = (value: string): Buffer => createHash('sha256').update(value).digest().subarray(0, 16);

/** Creates the keeper over the groups. */
export const createPendingEvents = (options: {
  readonly groups: GroupClients;
  readonly rows: RowCodec;
  readonly statementMsMax: number;
  readonly clock: Clock;
  readonly log: Log;
}): PendingEvents => {
  const { groups, rows, statementMsMax, clock, log } = options;
  const within = (): Deadline => ({ atMs: clock.monotonicMs() + statementMsMax });

  const write = async (client: GroupClient, { kind, number, news }: PendingNews): Promise<boolean> => {
    const deadline = within();
    const content = toText(news);
    const values = [
      groups.of(groupTagOf(number)).tag,
      digestOf(content),
      bigintParameter(toOrderKey(number)),
      kind,
      rows.cipher.encrypt(COLUMN, number, content),
      clock.nowMs(),
    ];
    try {
      await client.write(
        deadline,
        (connection) => connection.run(INSERT_PENDING, values, deadline),
        (answer) => answer.affectedRows > 0,
      );
      return true;
    } catch (error) {
      if (error instanceof DatabaseError) return false;
      throw error;
    }
  };

  const replayOf = async (
    at: GroupClient,
    tag: GroupTag,
    apply: (pending: PendingNews) => Promise<void>,
  ): Promise<number> => {
    const deadline = within();
    const { rows: found } = await at.write(deadline, (connection) =>
      connection.run(SELECT_PENDING, [tag, REPLAYED_AT_ONCE_MAX], deadline),
    );
    let replayed = 0;
    for (const row of found) {
      const number = orderNoOf(row, 'number');
      const news = fromText(rows.cipher.decrypt(COLUMN, number, bytes(row, 'news')));
      await apply({ kind: text(row, 'kind') as PendingNews['kind'], number, news });
      const end = within();
      await at.write(end, (connection) =>
        connection.run(END_PENDING, [clock.nowMs(), bigintParameter(big(row, 'id'))], end),
      );
      kept.add({ end: 'replayed' });
      replayed += 1;
    }
    return replayed;
  };

  return {
    keep: async (pending) => {
      const own = groups.of(groupTagOf(pending.number)).tag;
      const others = groups.all().filter((client) => client.tag !== own && client.admitsNewOrders());
      const chosen = rendezvous(
        others.map(({ tag }) => tag),
        pending.number,
      ).slice(0, GROUPS_TRIED_MAX);
      for (const tag of chosen) {
        if (!(await write(groups.of(tag), pending))) continue;
        kept.add({ end: 'kept' });
        log.warn(
          { number: pending.number, kind: pending.kind, at: tag },
          'the group is away; news is kept in another one',
        );
        return true;
      }
      kept.add({ end: 'lost_to_caller' });
      return false;
    },
    replay: async (apply) => {
      let replayed = 0;
      for (const at of groups.all()) {
        const deadline = within();
        try {
          const { rows: tags } = await at.write(deadline, (connection) =>
            connection.run(SELECT_PENDING_TAGS, [], deadline),
          );
          for (const row of tags) {
            const tag = whole(row, 'group_tag') as GroupTag;
            if (groups.find(tag)?.admitsNewOrders() === false && groups.find(tag)?.state() === 'open') continue;
            replayed += await replayOf(at, tag, apply);
          }
        } catch (error) {
          if (!(error instanceof DatabaseError)) throw error;
        }
      }
      return replayed;
    },
  };
};
