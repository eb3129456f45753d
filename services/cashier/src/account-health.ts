import { type Clock, repeat } from '@tillmesh/clock';
import {
  type AccountHealth,
  type AccountId,
  type AccountReport,
  type ChannelId,
  type Condition,
  DEFAULT_TIME_ZONE,
  type Hearsay,
  isSickTo,
  nextCondition,
  type Opinion,
  type Outcome,
  type OutcomeCounts,
  type RoutedAccount,
  type RouteHealth,
  type RoutingTable,
  rateShare,
  returnedShare,
  signOf,
  WELL,
} from '@tillmesh/domain';
import type { Lane } from '@tillmesh/lane';
import type { Log } from '@tillmesh/telemetry';
import { createDayCounter, createDays, type DayCounter } from './day-use.ts';
import type { Asked } from './judge-answer.ts';
import { OutcomeWindow } from './outcome-window.ts';

/** How often lanes are looked at beside the looks that every choice takes. */
const LOOK_EVERY_MS = 100;
/** A good answer that is older says nothing of now. */
const WELL_FOR_MS = 2_000;
/** An adapter that refuses because its channel is sick asks it again after about so long. */
const ADAPTER_REFUSES_MS = 1_000;

/** What the cashier hears of others. */
export type Others = {
  table(): RoutingTable | undefined;
  /** Undefined while routing is silent: then one's own eyes decide. */
  hearsay(): ReadonlyMap<AccountId, Hearsay> | undefined;
};

/** An attempt that is under way, for the counts. */
export type AttemptInHealth = {
  /** What came of it, and whether its channel was asked. */
  ended(outcome: Outcome, asked: Asked): void;
};

export type AccountHealths = {
  /** Health of these accounts now. */
  of(accountIds: readonly AccountId[]): RouteHealth;
  /** An attempt is about to be made. */
  began(accountId: AccountId, minorUnits: bigint): AttemptInHealth;
  /** What this process knows, for others. */
  reports(): readonly AccountReport[];
  /** Calls back whenever an account fell sick or stopped being so by this process's own eyes. */
  onOpinion(listener: () => void): void;
};

type Kept = {
  readonly window: OutcomeWindow;
  readonly use: DayCounter;
  lastGoodMs: number;
  opinion: Opinion;
  cause: string;
  /** True while the lane lets only some calls through, to see. */
  isTrying: boolean;
  refuses: boolean;
  condition: Condition;
};

/** As exact as a stored reason tells it, so that the choice can be repeated by it. */
const toPerMille = (share: number): number => Math.round(share * 1_000) / 1_000;

type LaneHealth = Lane['health'];

const together = (own: OutcomeCounts, others: OutcomeCounts | undefined): OutcomeCounts => ({
  good: own.good + (others?.good ?? 0),
  bad: own.bad + (others?.bad ?? 0),
});

/**
 * Watches the accounts' health: by the lanes to their channels, by what came of their payments, and by what others report.
 *
 * @param deps.laneOf the way that payments to a channel take; undefined where this process has none.
 */
export const watchAccountHealth = (deps: {
  readonly others: Others;
  readonly laneOf: (channelId: ChannelId) => Pick<Lane, 'health'> | undefined;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}): AccountHealths => {
  const { others, laneOf, clock, log, signal } = deps;
  const dayIn = createDays(() => clock.nowMs());
  const kept = new Map<AccountId, Kept>();
  /** By channel: until when its adapter is taken to refuse. */
  const refusedUntilMs = new Map<ChannelId, number>();
  const listeners: (() => void)[] = [];
  let version = 0;

  const accountOf = (accountId: AccountId): RoutedAccount | undefined => others.table()?.accounts.get(accountId);
  const keptOf = (accountId: AccountId): Kept => {
    const known = kept.get(accountId);
    if (known !== undefined) return known;
    const made: Kept = {
      window: new OutcomeWindow(),
      // Also without a limit: one that comes later in the day finds what was taken.
      use: createDayCounter(() => dayIn(accountOf(accountId)?.dayLimit?.timeZone ?? DEFAULT_TIME_ZONE)),
      lastGoodMs: Number.NEGATIVE_INFINITY,
      opinion: 'none',
      cause: '',
      isTrying: false,
      refuses: false,
      condition: WELL,
    };
    kept.set(accountId, made);
    return made;
  };

  const shareOf = (own: Kept, hearsay: Hearsay | undefined, table: RoutingTable, nowMs: number) => {
    const policy = table.healthPolicy;
    const counts = together(own.window.counts(nowMs), hearsay);
    const returned = returnedShare(own.condition, nowMs, policy);
    // While its lane only tries, an account does not get everything back, however long that takes.
    const most = own.isTrying ? (policy.returnSteps.at(-1)?.sharePercent ?? 100) / 100 : 1;
    const back = toPerMille(Math.min(returned, most));
    const byRate = toPerMille(rateShare(counts, policy));
    if (back === 0) return { share: 0, cause: own.cause };
    if (back < byRate) return { share: back, cause: `getting better after: ${own.cause}` };
    return { share: byRate, cause: byRate < 1 ? `${counts.good} of ${counts.good + counts.bad} went well` : '' };
  };

  const useOf = (own: Kept, hearsay: Hearsay | undefined, account: RoutedAccount): AccountHealth['use'] => {
    if (account.dayLimit === undefined) return undefined;
    const { day, minorUnits, count } = own.use.now();
    const theirs = hearsay?.use.day === day ? hearsay.use : undefined;
    return {
      day,
      minorUnits: minorUnits + (theirs?.minorUnits ?? 0n),
      count: count + (theirs?.count ?? 0),
    };
  };

  const lookAt = (own: Kept, channelId: ChannelId, nowMs: number): boolean => {
    const before = own.opinion;
    const lane: LaneHealth | undefined = laneOf(channelId)?.health;
    const adapterRefuses = nowMs < (refusedUntilMs.get(channelId) ?? nowMs);
    own.refuses = lane?.breaker === 'open' || adapterRefuses;
    own.isTrying = lane?.breaker === 'half_open';
    if (lane?.breaker === 'open') {
      own.opinion = 'sick';
      own.cause = lane.stalled ? 'lane open, answers nothing' : 'lane open';
    } else if (adapterRefuses) {
      own.opinion = 'sick';
      own.cause = "its adapter's lane is open";
    } else own.opinion = !own.isTrying && nowMs - own.lastGoodMs <= WELL_FOR_MS ? 'well' : 'none';
    return (before === 'sick') !== (own.opinion === 'sick');
  };

  const settle = (account: RoutedAccount, table: RoutingTable, hearsay: Hearsay | undefined, nowMs: number): void => {
    const own = keptOf(account.accountId);
    const isSick = isSickTo(own.opinion, hearsay);
    const next = nextCondition(own.condition, isSick, nowMs, table.healthPolicy);
    if (next === own.condition) return;
    if (isSick && own.opinion !== 'sick') own.cause = `others say: ${hearsay?.cause ?? ''}`;
    own.condition = next;
    version += 1;
    const { accountId, channelId } = account;
    log.warn(
      { accountId, channelId, cause: own.cause, relapses: next.relapses, health: version },
      isSick ? 'an account is sick: new payments go elsewhere' : 'an account gets its payments back, step by step',
    );
  };

  /** Looks at one account now; tells others what is new to them. */
  const lookNow = (account: RoutedAccount, table: RoutingTable, hearsay: Hearsay | undefined, nowMs: number): void => {
    const isNews = lookAt(keptOf(account.accountId), account.channelId, nowMs);
    settle(account, table, hearsay, nowMs);
    if (isNews) for (const listener of listeners) listener();
  };
  // Also without payments: others want to hear it, and steps back begin when the lane lets calls through, not with the next payment.
  const look = (): void => {
    const table = others.table();
    const nowMs = clock.monotonicMs();
    const heard = others.hearsay();
    for (const account of table?.accounts.values() ?? []) {
      if (table !== undefined) lookNow(account, table, heard?.get(account.accountId), nowMs);
    }
  };

  repeat({
    clock,
    everyMs: LOOK_EVERY_MS,
    signal,
    task: async () => look(),
    onError: (error) => log.error({ err: error }, 'the accounts’ health could not be looked at'),
  }).catch((error: unknown) => log.error({ err: error }, 'the accounts’ health is not looked at any more'));

  const healthOf = (
    accountId: AccountId,
    heard: ReadonlyMap<AccountId, Hearsay> | undefined,
  ): AccountHealth | undefined => {
    const table = others.table();
    const account = table?.accounts.get(accountId);
    if (table === undefined || account === undefined) return undefined;
    const own = keptOf(accountId);
    const hearsay = heard?.get(accountId);
    const nowMs = clock.monotonicMs();
    lookNow(account, table, hearsay, nowMs);
    return {
      ...shareOf(own, hearsay, table, nowMs),
      refuses: own.refuses,
      use: useOf(own, hearsay, account),
    };
  };

  return {
    of: (accountIds) => {
      const heard = others.hearsay();
      return {
        version,
        accounts: new Map(
          accountIds.flatMap((accountId) => {
            const health = healthOf(accountId, heard);
            return health === undefined ? [] : [[accountId, health] as const];
          }),
        ),
      };
    },
    began: (accountId, minorUnits) => {
      const own = keptOf(accountId);
      const takeBack = own.use.add(minorUnits);
      return {
        ended: (outcome, asked) => {
          if (outcome.kind === 'failed_definite') takeBack();
          const nowMs = clock.monotonicMs();
          const channelId = accountOf(accountId)?.channelId;
          if (asked === 'adapter_refuses' && channelId !== undefined) {
            refusedUntilMs.set(channelId, nowMs + ADAPTER_REFUSES_MS);
          }
          const sign = asked === 'asked' ? signOf(outcome) : undefined;
          if (sign === undefined) return;
          own.window.add(sign, nowMs);
          if (sign === 'good') own.lastGoodMs = nowMs;
        },
      };
    },
    reports: () => {
      const nowMs = clock.monotonicMs();
      const heard = others.hearsay();
      return [...kept].flatMap(([accountId, own]) => {
        if (accountOf(accountId) === undefined) return [];
        const counts = own.window.counts(nowMs);
        const use = own.use.now();
        const share = healthOf(accountId, heard)?.share ?? 1;
        const isQuiet = own.opinion === 'none' && share === 1 && use.count + counts.good + counts.bad === 0;
        return isQuiet ? [] : [{ accountId, opinion: own.opinion, cause: own.cause, share, ...counts, use }];
      });
    },
    onOpinion: (listener) => void listeners.push(listener),
  };
};
