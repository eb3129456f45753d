import type { Clock, Random } from '@tillmesh/clock';
import type { Log } from '@tillmesh/telemetry';
import type { AccountSettings } from '../account-settings.ts';
import type { Channel } from '../channel.ts';
import { type ChannelHttp, createChannelHttp } from '../channel-http.ts';
import { type ChannelSettings, hostsOf, httpLimitsOf } from '../channel-settings.ts';

/** Calls under way over hosts that are left have ended by then: no call takes longer. */
const OLD_KEPT_MS = 60_000;

/** The way to the hosts of accounts that change. */
export type LiveHttp<Account> = {
  /** The way to the hosts of these accounts; a new one where they have others than those before. */
  readonly to: (accounts: ReadonlyMap<string, Account>) => ChannelHttp;
  readonly close: () => Promise<void>;
};

/** Opens the way to a channel's hosts, and another one when the hosts of its accounts change. */
export const createLiveHttp = <Account extends AccountSettings>(options: {
  readonly channel: Channel<Account>;
  readonly settings: Pick<ChannelSettings<Account>, 'http' | 'lanes'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}): LiveHttp<Account> => {
  const { channel, settings, clock, random, log } = options;
  let of: ReadonlyMap<string, Account> | undefined;
  let hostsKey = '';
  let http: ChannelHttp | undefined;

  return {
    to: (accounts) => {
      if (http !== undefined && accounts === of) return http;
      of = accounts;
      const list = [...accounts.values()];
      const hosts = hostsOf(channel, { accounts: list, http: settings.http });
      // Certificates are compared as well: a new one needs new sockets.
      const key = JSON.stringify([hosts, list.map(({ baseUrls }) => baseUrls)]);
      if (http !== undefined && key === hostsKey) return http;
      const old = http;
      hostsKey = key;
      http = createChannelHttp({
        channelId: channel.id,
        hosts,
        domains: {
          groups: list.map(({ baseUrls }) => baseUrls),
          probePath: channel.probePath ?? '/',
          random,
          log,
        },
        limits: httpLimitsOf(settings),
        clock,
      });
      if (old !== undefined) {
        clock.after(OLD_KEPT_MS, () => {
          old.close().catch((error: unknown) => log.warn({ err: error }, 'old sockets could not be closed'));
        });
      }
      return http;
    },
    close: async () => http?.close(),
  };
};
