import type { Clock } from '@tillmesh/clock';

/**
 * Confirms reads at one server: a primary that was replaced keeps answering SELECTs, so a read counts only together with an
 * acknowledged write at the same server, both begun after the reader asked. Any write serves everybody who waits; where none begins
 * within the gathering time, one heartbeat does.
 */
export type Confirmations = {
  /** Runs a write whose acknowledgement may confirm readers. `isWritten` says whether it wrote anything at all. */
  during<T>(write: () => Promise<T>, isWritten: (answer: T) => boolean): Promise<T>;
  /** Resolves when a write that began after this call was acknowledged; rejects where it was not. */
  confirm(): Promise<void>;
};

type Reader = {
  readonly since: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
};

/** So long readers gather for a heartbeat where hardly anything is written. */
const GATHER_MS = 2;
/** So long they wait for a write of somebody else where such writes come often: a heartbeat costs as much as an order. */
const GATHER_BUSY_MS = 8;
/** A pause that counts for nothing: after it writes are as rare as they were never. */
const PAUSE_MS_MAX = 1_000;

/** @param beat one acknowledged write at the server. */
export const createConfirmations = (beat: () => Promise<void>, clock: Clock): Confirmations => {
  /** Grows with every write that begins and every reader that asks: says which came first. */
  let moment = 0;
  let readers: Reader[] = [];
  const underWay = new Set<number>();
  let isGathering = false;

  /** The time between two writes, smoothed over some eight of them. */
  let betweenMs = PAUSE_MS_MAX;
  let lastBeganMs = Number.NEGATIVE_INFINITY;
  const noteWrite = (): void => {
    const nowMs = clock.monotonicMs();
    betweenMs += (Math.min(PAUSE_MS_MAX, nowMs - lastBeganMs) - betweenMs) / 8;
    lastBeganMs = nowMs;
  };
  /** Where a write is to be expected within the longer time, waiting for it is cheaper than a heartbeat. */
  const gatherMs = (): number => {
    const sinceMs = clock.monotonicMs() - lastBeganMs;
    return Math.max(betweenMs, sinceMs) <= GATHER_BUSY_MS ? GATHER_BUSY_MS : GATHER_MS;
  };

  const begin = (): number => {
    moment += 1;
    underWay.add(moment);
    return moment;
  };

  const acknowledge = (began: number): void => {
    underWay.delete(began);
    const waiting = readers;
    readers = waiting.filter(({ since }) => since > began);
    for (const reader of waiting) if (reader.since < began) reader.resolve();
  };

  const fail = (began: number): void => {
    underWay.delete(began);
    // Others that began after the reader asked may still be acknowledged.
    if (readers.some(({ since }) => since < began && !isServed(since))) gather();
  };

  const isServed = (since: number): boolean => {
    for (const began of underWay) if (began > since) return true;
    return false;
  };

  const beatForAll = async (): Promise<void> => {
    const began = begin();
    try {
      await beat();
      acknowledge(began);
    } catch (error) {
      underWay.delete(began);
      const failed = readers.filter(({ since }) => since < began);
      readers = readers.filter(({ since }) => since > began);
      for (const reader of failed) reader.reject(error);
    }
  };

  const gather = (): void => {
    if (isGathering) return;
    isGathering = true;
    clock.after(gatherMs(), () => {
      isGathering = false;
      if (readers.some(({ since }) => !isServed(since))) void beatForAll();
    });
  };

  return {
    during: async (write, isWritten) => {
      noteWrite();
      const began = begin();
      try {
        const answer = await write();
        if (isWritten(answer)) acknowledge(began);
        else fail(began);
        return answer;
      } catch (error) {
        fail(began);
        throw error;
      }
    },
    confirm: () => {
      moment += 1;
      const since = moment;
      return new Promise<void>((resolve, reject) => {
        readers.push({ since, resolve, reject });
        gather();
      });
    },
  };
};
