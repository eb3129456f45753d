import type { Clock } from '@tillmesh/clock';
import { z } from '@tillmesh/config';
import { CHANNELS, channelCode, OPERATIONS } from './script.ts';
import type { ScriptContext } from './scripts.ts';

const text = z.string().min(1).max(256);
const perSecond = z.number().min(0.01).max(100_000);
const burst = z.int().min(1).max(100_000);

/** How often a merchant may ask a channel. Each account has its own allowance under each limit. */
export const NewLimit = z
  .strictObject({
    channel: z.enum(CHANNELS),
    /** Account id, mchid, app_id, acct_… or merId; every account of the channel where it is left out. */
    account: text.optional(),
    operations: z
      .array(z.enum(OPERATIONS))
      .min(1)
      .default(OPERATIONS.filter((name) => name !== 'notification')),
    /** Requests a second. */
    perSecond: perSecond.optional(),
    /** How many may come at once after a quiet time; as many as perSecond unless told. */
    burst: burst.optional(),
    /** Requests a second that may be refused by the channel itself, as WeChat Pay counts failing refunds apart. */
    failedPerSecond: perSecond.optional(),
    failedBurst: burst.optional(),
    /** Who goes on after a refusal hears it for this long, whatever the allowance says; each further request begins it anew. */
    blockMs: z.int().min(0).max(600_000).default(0),
    /** What is answered instead of the channel's own code. */
    code: channelCode.optional(),
  })
  .refine(
    (limit) => limit.perSecond !== undefined || limit.failedPerSecond !== undefined,
    'perSecond or failedPerSecond has to be given',
  )
  .refine(
    (limit) => limit.operations.every((name) => name !== 'notification'),
    'notifications are what the channel sends',
  );
export type NewLimit = z.output<typeof NewLimit>;

export type Limit = NewLimit & {
  readonly limitId: string;
  /** Requests that were refused. */
  readonly refused: number;
};

export const LIMITS_MAX = 100;

/** What each channel says to a merchant that asks too often; see docs/sandbox.md for the sources. */
export const TOO_OFTEN = {
  wechat: 'FREQUENCY_LIMITED',
  alipay: 'isv.app-call-limited',
  stripe: 'rate_limit',
  unionpay: '06',
} as const;

/** An exchange under the limits. */
export type LimitedExchange = {
  /** The code to refuse it with; undefined where it may go on. */
  readonly refusedCode: string | undefined;
  /** Has to be called once it was answered with a refusal of the channel's own. */
  readonly failed: () => void;
};

/** Limits live as long as the process: they are a test's, not the channel's memory. */
export interface Limits {
  /** undefined where there are too many already. */
  add(limit: NewLimit): Limit | undefined;
  remove(limitId: string): boolean;
  list(): readonly Limit[];
  /** Takes one request from every allowance that it falls under; from none where one of them is empty. */
  begin(context: Pick<ScriptContext, 'channel' | 'operation' | 'accountId' | 'merchantId'>): LimitedExchange;
}

/** Fills up evenly, to its burst at most. */
class Bucket {
  readonly #perSecond: number;
  readonly #burst: number;
  #tokens: number;
  #atMs: number;

  constructor(allowance: { readonly perSecond: number; readonly burst: number }, nowMs: number) {
    this.#perSecond = allowance.perSecond;
    this.#burst = allowance.burst;
    this.#tokens = allowance.burst;
    this.#atMs = nowMs;
  }

  has(nowMs: number): boolean {
    this.#tokens = Math.min(this.#burst, this.#tokens + ((nowMs - this.#atMs) / 1_000) * this.#perSecond);
    this.#atMs = nowMs;
    return this.#tokens >= 1;
  }

  take(): void {
    this.#tokens = Math.max(0, this.#tokens - 1);
  }
}

type Allowance = { readonly asked: Bucket | undefined; readonly failed: Bucket | undefined; blockedUntilMs: number };

const bucketOf = (rate: number | undefined, atOnce: number | undefined, nowMs: number): Bucket | undefined =>
  rate === undefined
    ? undefined
    : new Bucket({ perSecond: rate, burst: atOnce ?? Math.max(1, Math.ceil(rate)) }, nowMs);

export const createLimits = (deps: { readonly clock: Clock; readonly newId: () => string }): Limits => {
  const { clock, newId } = deps;
  const limits = new Map<string, { limit: Limit; readonly allowances: Map<string, Allowance> }>();
  return {
    add: (wish) => {
      if (limits.size >= LIMITS_MAX) return undefined;
      const limit: Limit = { limitId: newId(), refused: 0, ...wish };
      limits.set(limit.limitId, { limit, allowances: new Map() });
      return limit;
    },
    remove: (limitId) => limits.delete(limitId),
    list: () => [...limits.values()].map(({ limit }) => limit),
    begin: ({ channel, operation, accountId, merchantId }) => {
      const nowMs = clock.monotonicMs();
      const taken: Allowance[] = [];
      for (const entry of limits.values()) {
        const { limit, allowances } = entry;
        const isFor = limit.account === undefined || limit.account === accountId || limit.account === merchantId;
        if (limit.channel !== channel || !isFor || !limit.operations.includes(operation)) continue;
        const allowance = allowances.get(accountId) ?? {
          asked: bucketOf(limit.perSecond, limit.burst, nowMs),
          failed: bucketOf(limit.failedPerSecond, limit.failedBurst, nowMs),
          blockedUntilMs: Number.NEGATIVE_INFINITY,
        };
        allowances.set(accountId, allowance);
        const isFree =
          nowMs >= allowance.blockedUntilMs &&
          allowance.asked?.has(nowMs) !== false &&
          allowance.failed?.has(nowMs) !== false;
        if (!isFree) {
          allowance.blockedUntilMs = nowMs + limit.blockMs;
          entry.limit = { ...limit, refused: limit.refused + 1 };
          return { refusedCode: limit.code ?? TOO_OFTEN[channel], failed: () => undefined };
        }
        taken.push(allowance);
      }
      for (const { asked } of taken) asked?.take();
      return {
        refusedCode: undefined,
        failed: () => {
          for (const { failed } of taken) failed?.take();
        },
      };
    },
  };
};
