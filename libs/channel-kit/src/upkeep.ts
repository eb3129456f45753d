import { type Clock, type Random, repeat } from '@tillmesh/clock';
import type { Log } from '@tillmesh/telemetry';
import type { AccountSettings } from './account-settings.ts';
import type { Channel } from './channel.ts';
import type { ChannelHttp } from './channel-http.ts';

/**
 * Runs a channel's upkeep for every account, one after the other, again and again until the signal is aborted. An account whose upkeep fails
 * does not keep the others from theirs.
 */
export const keepUp = async <Account extends AccountSettings>(options: {
  readonly channel: Channel<Account>;
  readonly accounts: () => ReadonlyMap<string, Account>;
  readonly http: (accounts: ReadonlyMap<string, Account>) => ChannelHttp;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly signal: AbortSignal;
}): Promise<void> => {
  const { channel, accounts, http, clock, random, log, signal } = options;
  const { upkeep } = channel;
  if (upkeep === undefined) return;
  const round = async (): Promise<void> => {
    const now = accounts();
    for (const account of now.values()) {
      try {
        await upkeep.run({ account, http: http(now), clock, random, signal });
      } catch (error) {
        log.error({ err: error, account: account.accountId }, 'the upkeep of an account failed');
      }
    }
  };
  await repeat({
    clock,
    everyMs: upkeep.everyMs,
    signal,
    task: round,
    onError: (error) => log.error({ err: error }, 'the upkeep of accounts failed'),
  });
};
