import type { Clock, Random } from '@tillmesh/clock';

/** A bill that lies ready to be fetched, whoever may fetch it. */
export type Download = { readonly owner: string; readonly body: Buffer | Promise<Buffer> };

/** Bills that wait at once; beyond it the oldest one goes. */
const DOWNLOADS_MAX = 64;

/** Addresses of bills: each is good once, for a short time. */
export interface Downloads {
  put(download: Download): string;
  /** undefined: no such token, used, too old, or another's. */
  take(token: string, owner: string): Buffer | Promise<Buffer> | undefined;
}

/** @param validForMs 5 min for WeChat Pay, 30 s for Alipay. */
export const createDownloads = (clock: Clock, random: Random, validForMs: number): Downloads => {
  const waiting = new Map<string, Download & { readonly untilMs: number }>();
  return {
    put: (download) => {
      const [oldest] = waiting.keys();
      if (waiting.size >= DOWNLOADS_MAX && oldest !== undefined) waiting.delete(oldest);
      const token = random.hex(32);
      waiting.set(token, { ...download, untilMs: clock.nowMs() + validForMs });
      return token;
    },
    take: (token, owner) => {
      const download = waiting.get(token);
      if (download === undefined || download.owner !== owner) return undefined;
      waiting.delete(token);
      return download.untilMs < clock.nowMs() ? undefined : download.body;
    },
  };
};
