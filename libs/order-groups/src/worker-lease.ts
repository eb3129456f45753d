import { type Clock, type Random, repeat } from '@tillmesh/clock';
import { WORKER_ID_MAX } from '@tillmesh/domain';
import { gauge, type Log, withoutSpans } from '@tillmesh/telemetry';
import { text, whole } from './columns.ts';
import type { Deadline } from './connection.ts';
import { DatabaseError } from './database-error.ts';
import type { GroupClient } from './group-client.ts';
import { INSERT_LEASE, RELEASE_LEASE, RENEW_LEASE, SELECT_LEASES, TAKE_LEASE } from './lease-statements.ts';
import type { WorkerSeat } from './order-number-source.ts';

/** Between renewals. */
const RENEW_EVERY_MS = 3_000;
/** Each renewal reserves numbers for so long: a holder that cannot renew draws none beyond it. */
const RESERVE_MS = 8_000;
/** A holder that has not renewed for so long, as somebody who wants its id has seen by a clock of its own, is gone. */
const SILENT_MS = 10_000;

const leases = gauge('tillmesh_worker_leases', '1 while this instance holds a worker id in the group.', ['group']);

type Lease = {
  readonly workerId: number;
  readonly holder: string;
  readonly renewals: number;
  readonly untilMs: number;
};

/** An instance's worker id in one group. */
export type WorkerLease = {
  /** The right to draw the group's numbers; undefined while there is none. */
  seat(): WorkerSeat | undefined;
  /** Tries to get one, if there is none, and renews it otherwise. */
  renew(): Promise<void>;
  /** Lets go of it, so that the next instance need not wait. */
  close(): Promise<void>;
};

/**
 * Holds a worker id by a lease in the group's own database: whoever writes numbers for a group can reach it anyway. What makes two
 * holders of one id impossible is not time but the high-water mark: every number of a holder lies at or before the mark that it has
 * written and had acknowledged, and every number of the next holder behind the mark that it found.
 */
export const createWorkerLease = (options: {
  readonly client: GroupClient;
  /** Names the instance: different for each process. */
  readonly holder: string;
  readonly statementMsMax: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}): WorkerLease => {
  const { client, holder, statementMsMax, clock, random, log } = options;
  const stop = new AbortController();
  /** When each lease was first seen as it is now, by our own clock. */
  const seenAtMs = new Map<string, number>();
  let held: { readonly seat: WorkerSeat; untilMs: number } | undefined;
  const within = (): Deadline => ({ atMs: clock.monotonicMs() + statementMsMax });

  const write = async (statement: typeof RENEW_LEASE, parameters: readonly (string | number)[]): Promise<boolean> => {
    const deadline = within();
    const { affectedRows } = await client.write(
      deadline,
      (connection) => connection.run(statement, parameters, deadline),
      (answer) => answer.affectedRows > 0,
    );
    return affectedRows > 0;
  };

  const hold = (workerId: number, afterMs: number, untilMs: number): void => {
    const lease = { untilMs, seat: { workerId, afterMs, untilMs: () => lease.untilMs } };
    held = lease;
    leases.set({ group: String(client.tag) }, 1);
    log.info({ group: client.tag, workerId }, 'holds a worker id');
  };

  const lose = (why: string): void => {
    held = undefined;
    leases.set({ group: String(client.tag) }, 0);
    log.warn({ group: client.tag, why }, 'holds no worker id any more');
  };

  const readAll = async (): Promise<Lease[]> => {
    const deadline = within();
    // An acknowledged write follows before anything is drawn: that the read is of this moment need not be proven.
    const { rows } = await client.write(deadline, (connection) => connection.run(SELECT_LEASES, [], deadline));
    return rows.map((row) => ({
      workerId: whole(row, 'worker_id'),
      holder: text(row, 'holder'),
      renewals: whole(row, 'renewals'),
      untilMs: whole(row, 'numbers_until'),
    }));
  };

  /** A lease that was let go, or whose holder has been silent for longer than it may. */
  const isFree = ({ workerId, holder: of, renewals }: Lease): boolean => {
    if (of === '') return true;
    const key = `${workerId} ${of} ${renewals}`;
    const nowMs = clock.monotonicMs();
    const sinceMs = seenAtMs.get(key) ?? nowMs;
    seenAtMs.set(key, sinceMs);
    return nowMs - sinceMs >= SILENT_MS;
  };

  const acquire = async (): Promise<void> => {
    const known = await readAll();
    const untilMs = clock.nowMs() + RESERVE_MS;
    const free = known.filter(isFree).sort((a, b) => a.untilMs - b.untilMs);
    const [reusable] = free;
    const taken = new Set(known.map(({ workerId }) => workerId));
    const unused = Array.from({ length: WORKER_ID_MAX + 1 }, (_, id) => id).filter((id) => !taken.has(id));
    if (reusable !== undefined && (reusable.untilMs < clock.nowMs() || unused.length === 0)) {
      const { workerId, holder: of, renewals } = reusable;
      if (await write(TAKE_LEASE, [holder, untilMs, workerId, of, renewals])) {
        hold(workerId, reusable.untilMs, Math.max(untilMs, reusable.untilMs));
      }
      return;
    }
    const workerId = unused[random.below(Math.max(1, unused.length))];
    if (workerId === undefined) {
      log.error({ group: client.tag }, 'all 256 worker ids of the group are held; too many instances');
      return;
    }
    try {
      if (await write(INSERT_LEASE, [workerId, holder, untilMs])) hold(workerId, 0, untilMs);
    } catch (error) {
      // Somebody took it in this moment; the next try finds another one.
      if (!(error instanceof DatabaseError) || error.duplicateKey === undefined) throw error;
    }
  };

  const renew = async (): Promise<void> => {
    if (held === undefined) {
      await acquire();
      return;
    }
    const untilMs = Math.max(held.untilMs, clock.nowMs() + RESERVE_MS);
    if (await write(RENEW_LEASE, [untilMs, held.seat.workerId, holder])) held.untilMs = untilMs;
    else lose('somebody else has taken it');
  };

  let renewing: Promise<void> | undefined;
  const renewOnce = (): Promise<void> => {
    renewing ??= withoutSpans(renew).finally(() => {
      renewing = undefined;
    });
    return renewing;
  };

  repeat({
    clock,
    everyMs: RENEW_EVERY_MS,
    signal: stop.signal,
    // A group that is away is noticed by everybody else as well.
    task: () => renewOnce().catch(() => undefined),
    onError: (error) => log.error({ err: error, group: client.tag }, 'could not renew the worker id'),
  }).catch((error: unknown) => log.error({ err: error, group: client.tag }, 'the worker id is renewed no more'));

  return {
    seat: () => held?.seat,
    renew: renewOnce,
    close: async () => {
      stop.abort(new Error('the worker lease was closed'));
      const { seat } = held ?? {};
      if (seat === undefined) return;
      held = undefined;
      await write(RELEASE_LEASE, [seat.workerId, holder]).catch(() => false);
    },
  };
};
