/** What is to wait. */
export type Entry = {
  /** 1 to `idBytesMax` bytes of UTF-8. The same id waits once. */
  readonly id: string;
  /** Comes back with the claim; at most `payloadBytesMax` bytes of UTF-8. That of the latest `add` counts. */
  readonly payload: string;
  /** Until it is due, whole ms, 0 to `delayMsMax`. */
  readonly afterMs: number;
  /** What counts where the id waits already: the sooner time of both, or this one's. */
  readonly ifWaiting: 'sooner' | 'replace';
};

/**
 * What came of an entry: it is new; it waited and has a new time; it waited and keeps its time; somebody is at work on it, and it
 * comes (again) at its time once they have ended.
 */
export type Added = 'added' | 'moved' | 'kept' | 'after_claim';

/** An entry in the hands of who claimed it, until its visibility time is over. */
export type Claim = {
  readonly id: string;
  readonly payload: string;
  readonly shard: number;
  /** Of this claim alone: what was claimed again by somebody else, or was given another time, has another one. */
  readonly token: number;
  /** How long it had been due, ms. */
  readonly lateMs: number;
};

export type ClaimBatch = {
  /** The longest due first. */
  readonly claims: readonly Claim[];
  /** When the shard has something due again, ms from now; 0 when something is left; undefined when nothing waits. */
  readonly nextInMs: number | undefined;
  /** How many were dropped because nobody had ended them within `keepMs` of their time. */
  readonly stale: number;
};

/** Whether the claim still held: `fenced` changed nothing, because somebody else has it or it has another time. */
export type Held = 'held' | 'fenced';

export type ShardLook = {
  /** How many wait, are due or are claimed. */
  readonly count: number;
  /** How long the oldest has been due without being claimed, ms; 0 when nothing is due. */
  readonly overdueMs: number;
};

/**
 * Entries that come back when they are due. Whoever claims one has it alone for the visibility time and then acknowledges it, gives
 * it another time, or has it come back by doing nothing. Every call rejects with a `DelayQueueError` and never throws; a call that
 * was refused for its arguments has changed nothing.
 */
export interface DelayQueue {
  /** 64 in Redis, 1 in memory. */
  readonly shardCount: number;
  readonly limits: DelayQueueLimits;
  /** Where an id waits, 0 to `shardCount - 1`. */
  shardOf(id: string): number;
  /** At most `batchMax`, each id once. What came of each, in their order. `error.ids` names those that may not wait now. */
  add(entries: readonly Entry[]): Promise<readonly Added[]>;
  /**
   * Takes what is due of one shard.
   *
   * @param request.limit 1 to `batchMax`.
   * @param request.visibilityMs how long nobody else gets it, 1 to `visibilityMsMax`.
   * @param request.epoch of the claimer's ownership: a shard that was claimed with a higher one rejects with `not_owner`. Without
   *   one it is not looked at.
   */
  claim(request: {
    readonly shard: number;
    readonly limit: number;
    readonly visibilityMs: number;
    readonly epoch?: number | undefined;
  }): Promise<ClaimBatch>;
  /** They are done. At most `batchMax`. */
  ack(claims: readonly Claim[]): Promise<readonly Held[]>;
  /** They come again after so long; sooner where an `add` meanwhile asked for it. At most `batchMax`. */
  again(claims: readonly (Claim & { readonly afterMs: number })[]): Promise<readonly Held[]>;
  /** They are hidden for so long from now, or as long as they were if that is longer. The claims to go on with; undefined where fenced. */
  extend(claims: readonly Claim[], visibilityMs: number): Promise<readonly (Claim | undefined)[]>;
  /** Takes them out, whoever has them. How many there were. At most `batchMax`. */
  remove(ids: readonly string[]): Promise<number>;
  look(shard: number): Promise<ShardLook>;
}

export type DelayQueueLimits = {
  /** Entries, claims or ids of one call. */
  readonly batchMax: number;
  readonly idBytesMax: number;
  readonly payloadBytesMax: number;
  readonly delayMsMax: number;
  readonly visibilityMsMax: number;
  /** Entries of one shard. */
  readonly shardEntriesMax: number;
  /** What nobody has ended so long after its time is dropped, ms. */
  readonly keepMs: number;
};

export const DELAY_QUEUE_LIMITS: DelayQueueLimits = {
  batchMax: 500,
  idBytesMax: 128,
  payloadBytesMax: 1_024,
  delayMsMax: 30 * 86_400_000,
  visibilityMsMax: 600_000,
  // 6.4 million in the 64 shards of Redis: some 2.5 GB.
  shardEntriesMax: 100_000,
  keepMs: 86_400_000,
};

export type DelayQueueErrorCode =
  | 'batch_too_large'
  | 'id_invalid'
  | 'id_twice'
  | 'payload_too_large'
  | 'time_invalid'
  | 'shard_invalid'
  /** The shard has `shardEntriesMax` entries. Others of the same call may have been added. */
  | 'shard_full'
  /** Somebody with a higher epoch has claimed from this shard. */
  | 'not_owner'
  /** Redis is away, too slow or broken. What was asked for may have happened. */
  | 'unavailable';

/** Why a call was refused or failed. */
export class DelayQueueError extends Error {
  override readonly name = 'DelayQueueError';
  readonly code: DelayQueueErrorCode;
  /** Those that it is about; of `add` those that may not wait. */
  readonly ids: readonly string[];

  constructor(code: DelayQueueErrorCode, message: string, ids: readonly string[] = [], cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.ids = ids;
  }
}

/** At most three bytes for each unit: most texts need no count. */
const isLonger = (text: string, bytesMax: number): boolean =>
  text.length * 3 > bytesMax && Buffer.byteLength(text) > bytesMax;

const inRange = (value: number, from: number, to: number): boolean =>
  Number.isInteger(value) && value >= from && value <= to;

/** What both tiers refuse, in the same words. Each throws a `DelayQueueError`. */
export const createChecks = (limits: DelayQueueLimits, shardCount: number) => {
  const batch = (ids: readonly string[]): void => {
    if (ids.length > limits.batchMax)
      throw new DelayQueueError('batch_too_large', `${ids.length} at once; at most ${limits.batchMax}`);
    if (ids.length > 1 && new Set(ids).size < ids.length)
      throw new DelayQueueError('id_twice', 'an id stands twice in one call', [
        ...new Set(ids.filter((id, place) => ids.indexOf(id) !== place)),
      ]);
  };
  const id = (value: string): void => {
    // Half a surrogate pair would be stored as another id, which nobody could acknowledge.
    if (value === '' || isLonger(value, limits.idBytesMax) || !value.isWellFormed())
      throw new DelayQueueError('id_invalid', `an id has to have 1 to ${limits.idBytesMax} bytes of UTF-8`, [value]);
  };
  const time = (what: string, valueMs: number, fromMs: number, toMs: number, ids: readonly string[] = []): void => {
    if (!inRange(valueMs, fromMs, toMs))
      throw new DelayQueueError(
        'time_invalid',
        `${what} has to be ${fromMs} to ${toMs} whole ms, and is ${valueMs}`,
        ids,
      );
  };
  return {
    entries: (entries: readonly Entry[]): void => {
      batch(entries.map((entry) => entry.id));
      for (const entry of entries) {
        id(entry.id);
        if (!inRange(entry.afterMs, 0, limits.delayMsMax))
          time('afterMs', entry.afterMs, 0, limits.delayMsMax, [entry.id]);
        if (isLonger(entry.payload, limits.payloadBytesMax))
          throw new DelayQueueError('payload_too_large', `a payload has at most ${limits.payloadBytesMax} bytes`, [
            entry.id,
          ]);
      }
    },
    claim: (request: { readonly shard: number; readonly limit: number; readonly visibilityMs: number }): void => {
      if (!inRange(request.shard, 0, shardCount - 1))
        throw new DelayQueueError('shard_invalid', `there is no shard ${request.shard}`);
      if (!inRange(request.limit, 1, limits.batchMax))
        throw new DelayQueueError('batch_too_large', `${request.limit} at once; 1 to ${limits.batchMax}`);
      time('visibilityMs', request.visibilityMs, 1, limits.visibilityMsMax);
    },
    shard: (shard: number): void => {
      if (!inRange(shard, 0, shardCount - 1)) throw new DelayQueueError('shard_invalid', `there is no shard ${shard}`);
    },
    ids: (ids: readonly string[]): void => batch(ids),
    visibility: (valueMs: number): void => time('visibilityMs', valueMs, 1, limits.visibilityMsMax),
    again: (claims: readonly { readonly id: string; readonly afterMs: number }[]): void => {
      batch(claims.map((claim) => claim.id));
      for (const claim of claims) time('afterMs', claim.afterMs, 0, limits.delayMsMax, [claim.id]);
    },
  };
};

/** How many wait in all shards; rejects where one cannot be asked. */
export const sizeOf = async (queue: DelayQueue): Promise<number> => {
  const looks = await Promise.all(Array.from({ length: queue.shardCount }, (_, shard) => queue.look(shard)));
  return looks.reduce((sum, { count }) => sum + count, 0);
};
