import { ManualClock, seededRandom } from '@tillmesh/clock';
import { createLog } from '@tillmesh/telemetry';
import { expect, test } from 'vitest';
import type { AccountSettings, Channel, ChannelHttp } from '../src/index.ts';
import { keepUp } from '../src/upkeep.ts';

const accountOf = (accountId: string): AccountSettings => ({
  accountId,
  baseUrls: ['http://127.0.0.1:1'],
  strictSignatures: false,
  acceptsNotifications: true,
});
const http: ChannelHttp = {
  send: () => Promise.reject(new Error('nothing is sent here')),
  close: async () => undefined,
};

const start = (run: NonNullable<Channel<AccountSettings>['upkeep']>['run']) => {
  const clock = new ManualClock();
  const stop = new AbortController();
  const accounts = new Map(['a', 'b'].map((id) => [id, accountOf(id)]));
  const done = keepUp({
    channel: { upkeep: { everyMs: 1_000, run } } as Channel<AccountSettings>,
    accounts: () => accounts,
    http: () => http,
    clock,
    random: seededRandom(1),
    log: createLog('test', 'silent'),
    signal: stop.signal,
  });
  return { clock, stop, done, accounts };
};

test('every account is kept up round after round, also one that came later, until the process stops', async () => {
  const seen: string[] = [];
  const { clock, stop, done, accounts } = start(async ({ account }) => void seen.push(account.accountId));
  await clock.advance(0);
  expect(seen).toEqual(['a', 'b']);
  accounts.set('c', accountOf('c'));
  await clock.advance(1_000);
  expect(seen).toEqual(['a', 'b', 'a', 'b', 'c']);
  stop.abort();
  await done;
  await clock.advance(10_000);
  expect(seen).toHaveLength(5);
});

test('an account whose upkeep fails does not keep the others from theirs', async () => {
  const seen: string[] = [];
  const { clock, stop, done } = start(async ({ account }) => {
    if (account.accountId === 'a') throw new Error('a bug');
    seen.push(account.accountId);
  });
  await clock.advance(0);
  await clock.advance(1_000);
  expect(seen).toEqual(['b', 'b']);
  stop.abort();
  await done;
});
