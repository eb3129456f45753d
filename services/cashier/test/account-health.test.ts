import { ManualClock } from '@tillmesh/clock';
import { type AccountId, type ChannelId, definiteFailure, type RoutedAccount, unknownOutcome } from '@tillmesh/domain';
import { describe, expect, test } from 'vitest';
import { followAccounts } from '../src/account-health.ts';
import { TABLE } from './cashier-under-test.ts';

const A = 'wechat-a' as AccountId;
const declined = definiteFailure({ transport: 'answered', signature: 'verified', ruleId: 'r-1' }, 'insufficient_funds');
const notSent = definiteFailure({ transport: 'not_sent' }, 'channel_unreachable');

const followed = () => {
  const clock = new ManualClock();
  const lane = { health: { breaker: 'closed', stalled: false } } as {
    health: { breaker: 'closed' | 'open' | 'half_open'; stalled: boolean };
  };
  const accounts: ReadonlyMap<AccountId, RoutedAccount> = TABLE.accounts;
  const laneOf = (channelId: string) => (channelId === ('wechat' as ChannelId) ? lane : undefined);
  const health = followAccounts({ clock, accounts: () => accounts, laneOf });
  return { clock, lane, health };
};

describe('the health of an account', () => {
  test('is that of the lane to its channel, at once', () => {
    const { lane, health } = followed();
    expect(health.now.get(A)).toMatchObject({ share: 1, reason: '' });
    lane.health = { breaker: 'open', stalled: true };
    expect(health.now.get(A)).toMatchObject({ share: 0, reason: 'lane open: nothing comes back' });
    lane.health = { breaker: 'half_open', stalled: false };
    expect(health.now.get(A)).toMatchObject({ share: 0.05 });
  });

  test('comes back in steps after its lane has closed', async () => {
    const { lane, clock, health } = followed();
    lane.health = { breaker: 'open', stalled: false };
    health.now.get(A);
    lane.health = { breaker: 'closed', stalled: false };
    const shares = [health.now.get(A)?.share];
    for (let step = 0; step < 3; step += 1) {
      await clock.advance(1_500);
      shares.push(health.now.get(A)?.share);
    }
    expect(shares).toEqual([0.25, 0.5, 1, 1]);
  });

  test('counts what the channel did not handle, of the last five minutes, and not what a payer was refused', async () => {
    const { clock, health } = followed();
    for (let n = 0; n < 15; n += 1) health.note(A, declined);
    expect(health.now.get(A)?.successShare).toBeUndefined();
    for (let n = 0; n < 15; n += 1) health.note(A, n % 3 === 0 ? notSent : unknownOutcome('timeout'));
    expect(health.now.get(A)?.successShare).toBe(0.5);
    await clock.advance(301_000);
    expect(health.now.get(A)?.successShare).toBeUndefined();
  });

  test('believes all cashiers together where they see it worse, for as long as they go on saying so', async () => {
    const { clock, health } = followed();
    health.heard([{ accountId: A, share: 0, handled: 30, failed: 10, reason: 'lane open' }]);
    expect(health.now.get(A)).toEqual({ share: 0, reason: 'lane open', successShare: 0.75 });
    await clock.advance(5_001);
    expect(health.now.get(A)).toEqual({ share: 1, reason: '', successShare: undefined });
  });

  test('of an account that is in no table is not known', () => {
    expect(followed().health.now.get('nobody' as AccountId)).toBeUndefined();
  });
});
