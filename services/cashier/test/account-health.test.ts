import { ManualClock } from '@tillmesh/clock';
import {
  type AccountId,
  chooseAccount,
  definiteFailure,
  type Hearsay,
  type MerchantId,
  money,
  type Outcome,
  type RoutedAccount,
  type RoutingTable,
  unknownOutcome,
} from '@tillmesh/domain';
import type { Lane } from '@tillmesh/lane';
import { afterEach, describe, expect, test } from 'vitest';
import { watchAccountHealth } from '../src/account-health.ts';
import type { Asked } from '../src/judge-answer.ts';
import { MERCHANT, TABLE } from './cashier-under-test.ts';
import { createCollectingLog } from './collecting-log.ts';

const [A, B] = ['wechat-a', 'wechat-b'].map((id) => id as AccountId) as [AccountId, AccountId];
const ALIPAY = 'alipay-a' as AccountId;
const HEARD_NOTHING: Hearsay = {
  sick: 0,
  well: 0,
  cause: '',
  good: 0,
  bad: 0,
  use: { day: '', minorUnits: 0n, count: 0 },
};
const GOOD: Outcome = { kind: 'pending_payer' };
const BAD = unknownOutcome('ETIMEDOUT');
const declined = definiteFailure({ transport: 'answered', signature: 'verified', ruleId: 'r' }, 'insufficient_funds');

type LaneHealth = Lane['health'];

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

const start = (changes: Partial<RoutedAccount> = {}) => {
  // One o'clock at night in Shanghai, and still the day before in UTC.
  const clock = new ManualClock(Date.UTC(2026, 10, 26, 17));
  const table: RoutingTable = {
    ...TABLE,
    accounts: new Map([...TABLE.accounts].map(([id, account]) => [id, { ...account, ...changes }])),
  };
  let lane: LaneHealth = { breaker: 'closed', stalled: false };
  let heard: ReadonlyMap<AccountId, Hearsay> | undefined;
  const stop = new AbortController();
  ends.push(() => stop.abort());
  const health = watchAccountHealth({
    others: { table: () => table, hearsay: () => heard },
    laneOf: (channelId) => (channelId === 'wechat' ? { health: lane } : undefined),
    clock,
    log: createCollectingLog().log,
    signal: stop.signal,
  });
  return {
    clock,
    health,
    table,
    of: (accountId: AccountId) => health.of([accountId]).accounts.get(accountId),
    lane: (breaker: LaneHealth['breaker'], stalled = false) => {
      lane = { breaker, stalled };
    },
    hear: (accountId: AccountId, parts: Partial<Hearsay>) => {
      heard = new Map([[accountId, { ...HEARD_NOTHING, ...parts }]]);
    },
    silence: () => {
      heard = undefined;
    },
    happen: (accountId: AccountId, outcome: Outcome, times: number, asked: Asked = 'asked') => {
      for (let time = 0; time < times; time += 1) health.began(accountId, 100n).ended(outcome, asked);
    },
    reportOf: (accountId: AccountId) => health.reports().find((report) => report.accountId === accountId),
  };
};

describe('an account whose lane is open', () => {
  test('is sick with the very next choice, and so is every other account of its channel', () => {
    const { of, lane } = start();
    expect(of(A)).toMatchObject({ share: 1, cause: '', refuses: false });
    lane('open', true);
    expect(of(A)).toMatchObject({ share: 0, cause: 'lane open, answers nothing', refuses: true });
    expect(of(B)).toMatchObject({ share: 0 });
    expect(of(ALIPAY)).toMatchObject({ share: 1 });
  });

  test('gets its payments back in steps from when the lane lets calls through, also where nobody pays meanwhile', async () => {
    const { of, lane, clock } = start();
    lane('open');
    await clock.advance(200);
    lane('half_open');
    await clock.advance(100);
    expect(of(A)).toMatchObject({ share: 0.05, cause: 'getting better after: lane open', refuses: false });
    lane('closed');
    await clock.advance(1_000);
    expect(of(A)?.share).toBe(0.25);
    await clock.advance(2_000);
    expect(of(A)?.share).toBe(0.5);
    await clock.advance(2_000);
    expect(of(A)).toMatchObject({ share: 1, cause: '' });
  });

  test('does not get everything back while its lane only tries, however long that takes', async () => {
    const { of, lane, clock } = start();
    lane('open');
    of(A);
    lane('half_open');
    await clock.advance(60_000);
    expect(of(A)?.share).toBe(0.5);
  });

  test('is told to others at once', async () => {
    const { lane, health, clock, reportOf } = start();
    let told = 0;
    health.onOpinion(() => {
      told += 1;
    });
    await clock.advance(500);
    expect(told).toBe(0);
    lane('open', true);
    await clock.advance(100);
    expect(told).toBeGreaterThan(0);
    expect(reportOf(A)).toMatchObject({ opinion: 'sick', cause: 'lane open, answers nothing', share: 0 });
  });
});

describe('an account whose adapter refuses because its own lane is open', () => {
  const notSent = definiteFailure({ transport: 'not_sent' }, 'channel_unreachable');

  test('is sick at once, with every other account of the channel, and gets its payments back in steps a second later', async () => {
    const { of, happen, clock, reportOf } = start();
    happen(A, notSent, 1, 'adapter_refuses');
    expect(of(A)).toMatchObject({ share: 0, cause: "its adapter's lane is open", refuses: true });
    expect(of(B)?.share).toBe(0);
    expect(of(ALIPAY)?.share).toBe(1);
    await clock.advance(1_000);
    expect(of(A)).toMatchObject({ share: 0.05, refuses: false });
    // Nothing was asked of the channel: the rate of success is what it was.
    expect(reportOf(A)).toMatchObject({ good: 0, bad: 0 });
  });
});

describe('what others say', () => {
  test('counts where this process has seen nothing itself', () => {
    const { of, hear } = start();
    hear(A, { sick: 1, cause: 'lane open' });
    expect(of(A)).toMatchObject({ share: 0, cause: 'others say: lane open', refuses: false });
  });

  test('does not count against good answers of the last two seconds, unless more say it', async () => {
    const { of, hear, happen, clock } = start();
    happen(A, GOOD, 1);
    hear(A, { sick: 1 });
    expect(of(A)?.share).toBe(1);
    hear(A, { sick: 2 });
    expect(of(A)?.share).toBe(0);
    hear(A, { sick: 0 });
    await clock.advance(10_000);
    hear(A, { sick: 1 });
    expect(of(A)?.share).toBe(0);
  });

  test('ends with their silence: the account gets its payments back in steps', async () => {
    const { of, hear, silence, clock } = start();
    hear(A, { sick: 1 });
    expect(of(A)?.share).toBe(0);
    silence();
    expect(of(A)?.share).toBe(0.05);
    await clock.advance(5_100);
    expect(of(A)?.share).toBe(1);
  });

  test('of a sickness never makes this process say that it has seen it itself', () => {
    const { of, hear, reportOf } = start();
    hear(A, { sick: 3, cause: 'lane open' });
    of(A);
    expect(reportOf(A)).toMatchObject({ opinion: 'none', share: 0 });
  });

  test('of outcomes is added to what was seen here', () => {
    const { of, hear, happen } = start();
    happen(A, BAD, 11);
    happen(A, GOOD, 8);
    expect(of(A)?.share).toBe(1);
    hear(A, { good: 64, bad: 17 });
    expect(of(A)).toMatchObject({ cause: '72 of 100 went well' });
    expect(of(A)?.share).toBe(0.489);
  });
});

describe('outcomes of an account', () => {
  test('shift its payments away while they are bad, and are forgotten after five minutes', async () => {
    const { of, happen, clock } = start();
    happen(A, BAD, 15);
    happen(A, GOOD, 15);
    expect(of(A)?.share).toBe(0.05);
    await clock.advance(289_000);
    expect(of(A)?.share).toBe(0.05);
    await clock.advance(21_000);
    expect(of(A)?.share).toBe(1);
  });

  test('that a payer declined, or that our own lane or time forbade, say nothing', () => {
    const { of, happen, reportOf } = start();
    happen(A, declined, 40);
    happen(A, definiteFailure({ transport: 'not_sent' }, 'channel_unreachable'), 40, 'held_back');
    expect(reportOf(A)).toBeUndefined();
    expect(of(A)?.share).toBe(1);
    happen(A, definiteFailure({ transport: 'not_sent' }, 'channel_unreachable'), 40);
    expect(of(A)?.share).toBe(0.05);
  });
});

describe('a limit of the day', () => {
  const limited = { dayLimit: { timeZone: 'Asia/Shanghai', amountMax: 1_000n, countMax: 5 } };

  test('counts what is under way and what may be paid, and takes back what certainly failed', () => {
    const { of, health } = start(limited);
    const underWay = health.began(A, 300n);
    expect(of(A)?.use).toEqual({ day: '2026-11-27', minorUnits: 300n, count: 1 });
    health.began(A, 500n).ended(declined, 'asked');
    expect(of(A)?.use).toMatchObject({ minorUnits: 300n, count: 1 });
    underWay.ended(BAD, 'asked');
    expect(of(A)?.use).toMatchObject({ minorUnits: 300n, count: 1 });
  });

  test('counts what others have let it take on the same day, and on no other', () => {
    const { of, hear, health } = start(limited);
    health.began(A, 300n);
    hear(A, { use: { day: '2026-11-27', minorUnits: 400n, count: 3 } });
    expect(of(A)?.use).toMatchObject({ minorUnits: 700n, count: 4 });
    hear(A, { use: { day: '2026-11-26', minorUnits: 400n, count: 3 } });
    expect(of(A)?.use).toMatchObject({ minorUnits: 300n, count: 1 });
  });

  test('that comes later in the day finds what was taken before it', () => {
    const { health, reportOf } = start();
    health.began(A, 300n);
    expect(reportOf(A)?.use).toEqual({ day: '2026-11-27', minorUnits: 300n, count: 1 });
  });

  test('begins anew at midnight of its time zone, and what began before it takes nothing back after it', () => {
    const { of, health, clock, reportOf } = start(limited);
    const late = health.began(A, 300n);
    clock.stepWall(23 * 3_600_000 - 1);
    expect(of(A)?.use).toMatchObject({ day: '2026-11-27', count: 1 });
    clock.stepWall(1);
    expect(of(A)?.use).toEqual({ day: '2026-11-28', minorUnits: 0n, count: 0 });
    health.began(A, 50n);
    late.ended(declined, 'asked');
    expect(of(A)?.use).toMatchObject({ minorUnits: 50n, count: 1 });
    expect(reportOf(A)?.use).toEqual({ day: '2026-11-28', minorUnits: 50n, count: 1 });
  });

  test('that is reached sends the next payment elsewhere', () => {
    const { health, table } = start(limited);
    const question = {
      merchantId: MERCHANT as MerchantId,
      merchantOrderNo: 'order-1',
      amount: money('CNY', 300n),
      wallet: 'wechat',
      kind: 'merchant_qr',
      excluded: [],
    } as const;
    const taken = [0, 1, 2, 3, 4, 5, 6].map(() => {
      const decision = chooseAccount(table, health.of([A, B]), question, 0);
      if (decision.kind !== 'chosen') return 'none';
      health.began(decision.account.accountId, 300n);
      return decision.account.accountId;
    });
    expect(taken).toEqual([A, A, A, B, B, B, 'none']);
  });
});
