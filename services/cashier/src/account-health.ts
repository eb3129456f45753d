import type { Clock } from '@tillmesh/clock';
import type { AccountHealth, AccountId, Outcome, RouteHealth, RoutingTable } from '@tillmesh/domain';
import type { Lane } from '@tillmesh/lane';

/** Attempts older than this have no say. */
const WINDOW_MS = 300_000;
const BUCKETS = 30;
const BUCKET_MS = WINDOW_MS / BUCKETS;
/** With fewer attempts there is no success share. */
const ATTEMPTS_MIN = 20;
/** How payments come back to an account whose lane has closed again: from this moment on, so much of them. */
const STEPS: readonly { readonly afterMs: number; readonly share: number }[] = [
  { afterMs: 0, share: 0.25 },
  { afterMs: 1_500, share: 0.5 },
  { afterMs: 3_000, share: 1 },
];
/** While the lane lets single calls through, to see. */
const PROBING_SHARE = 0.05;

type Window = {
  readonly handled: Uint32Array;
  readonly failed: Uint32Array;
  bucket: number;
};

/** What others see of an account. */
export type SeenByAll = {
  readonly accountId: AccountId;
  readonly share: number;
  readonly handled: number;
  readonly failed: number;
  readonly reason: string;
};

export type AccountHealths = {
  /** How an attempt at an account ended. */
  note(accountId: AccountId, outcome: Outcome): void;
  /** As it is now: what this cashier sees itself, and what all see together where that is worse. */
  readonly now: RouteHealth;
  /** What this cashier sees itself. */
  own(): readonly SeenByAll[];
  /** What all cashiers see together; forgotten after some seconds without news. */
  heard(all: readonly SeenByAll[]): void;
};

const HEARD_MS_MAX = 5_000;

/** True where the channel did its work, whatever the payer or the merchant got: only the others say that an account is sick. */
const isHandled = (outcome: Outcome): boolean | undefined => {
  switch (outcome.kind) {
    case 'succeeded':
    case 'pending_payer':
      return true;
    case 'failed_definite':
      // Not sent: the lane was closed or the channel could not be reached.
      return !outcome.token.notSent;
    case 'processing':
      return undefined;
    case 'unknown':
      return false;
  }
};

/**
 * Follows how accounts do: by the lane to their channel at once, and by how their attempts of the last five minutes ended.
 */
export const followAccounts = (deps: {
  readonly clock: Clock;
  /** The accounts of the routing table that is held. */
  readonly accounts: () => RoutingTable['accounts'] | undefined;
  /** The lane for payments to a channel; undefined where no such channel is configured. */
  readonly laneOf: (channelId: string) => Pick<Lane, 'health'> | undefined;
}): AccountHealths => {
  const { clock, accounts, laneOf } = deps;
  const windows = new Map<AccountId, Window>();
  /** When a channel's lane was seen to be closed again after it was not. */
  const recovered = new Map<string, number>();
  const sick = new Set<string>();
  let all: { readonly atMs: number; readonly accounts: ReadonlyMap<AccountId, SeenByAll> } = {
    atMs: Number.NEGATIVE_INFINITY,
    accounts: new Map(),
  };

  const turn = (window: Window, nowMs: number): void => {
    const bucket = Math.floor(nowMs / BUCKET_MS);
    for (let step = 1; step <= Math.min(bucket - window.bucket, BUCKETS); step += 1) {
      window.handled[(window.bucket + step) % BUCKETS] = 0;
      window.failed[(window.bucket + step) % BUCKETS] = 0;
    }
    window.bucket = bucket;
  };
  const sum = (counts: Uint32Array): number => counts.reduce((total, count) => total + count, 0);

  const countsOf = (accountId: AccountId): { readonly handled: number; readonly failed: number } => {
    const window = windows.get(accountId);
    if (window === undefined) return { handled: 0, failed: 0 };
    turn(window, clock.monotonicMs());
    return { handled: sum(window.handled), failed: sum(window.failed) };
  };

  const shareOfChannel = (channelId: string): Pick<AccountHealth, 'share' | 'reason'> => {
    const lane = laneOf(channelId);
    if (lane === undefined) return { share: 1, reason: '' };
    const reading = lane.health;
    const nowMs = clock.monotonicMs();
    if (reading.breaker !== 'closed') {
      sick.add(channelId);
      if (reading.breaker === 'half_open') return { share: PROBING_SHARE, reason: 'lane half-open' };
      return { share: 0, reason: reading.stalled ? 'lane open: nothing comes back' : 'lane open' };
    }
    if (sick.delete(channelId)) recovered.set(channelId, nowMs);
    const sinceMs = nowMs - (recovered.get(channelId) ?? Number.NEGATIVE_INFINITY);
    const step = STEPS.findLast(({ afterMs }) => sinceMs >= afterMs);
    return step === undefined || step.share === 1
      ? { share: 1, reason: '' }
      : { share: step.share, reason: 'recovering' };
  };

  const seen = (accountId: AccountId, channelId: string): SeenByAll => ({
    accountId,
    ...shareOfChannel(channelId),
    ...countsOf(accountId),
  });

  const healthOf = (accountId: AccountId): AccountHealth | undefined => {
    const account = accounts()?.get(accountId);
    if (account === undefined) return undefined;
    const own = seen(accountId, account.channelId);
    const isFresh = clock.monotonicMs() - all.atMs <= HEARD_MS_MAX;
    const others = isFresh ? all.accounts.get(accountId) : undefined;
    // All together know more of attempts; of the lane whoever sees it worse is believed.
    const { handled, failed } = others ?? own;
    const worse = others !== undefined && others.share < own.share ? others : own;
    const attempts = handled + failed;
    return {
      share: worse.share,
      reason: worse.reason,
      successShare: attempts < ATTEMPTS_MIN ? undefined : handled / attempts,
    };
  };

  return {
    now: { get: healthOf },
    own: () => [...(accounts() ?? [])].map(([accountId, { channelId }]) => seen(accountId, channelId)),
    note: (accountId, outcome) => {
      const handled = isHandled(outcome);
      if (handled === undefined) return;
      const nowMs = clock.monotonicMs();
      const window = windows.get(accountId) ?? {
        handled: new Uint32Array(BUCKETS),
        failed: new Uint32Array(BUCKETS),
        bucket: Math.floor(nowMs / BUCKET_MS),
      };
      windows.set(accountId, window);
      turn(window, nowMs);
      const counts = handled ? window.handled : window.failed;
      const at = window.bucket % BUCKETS;
      counts[at] = (counts[at] ?? 0) + 1;
    },
    heard: (heard) => {
      all = { atMs: clock.monotonicMs(), accounts: new Map(heard.map((account) => [account.accountId, account])) };
    },
  };
};
