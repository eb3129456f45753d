import { systemClock, systemRandom } from '@tillmesh/clock';
import { loadConfig } from '@tillmesh/config';
import { openRedis } from '@tillmesh/delay-queue';
import { bindLanes } from '@tillmesh/lane-control';
import { runService } from '@tillmesh/rpc';
import type { AccountSettings } from './account-settings.ts';
import { createAccountBook, fixedAccounts } from './accounts/account-book.ts';
import { readAccountFolder } from './accounts/account-folder.ts';
import { createLiveHttp } from './accounts/live-http.ts';
import type { Channel } from './channel.ts';
import { channelSettings } from './channel-settings.ts';
import { holdContracts } from './contracts.ts';
import { serveChannel } from './serve-channel.ts';
import { keepUp } from './upkeep.ts';

/** Runs a channel as a process of its own: its configuration is the JSON file that TILLMESH_CONFIG names. */
export const runChannel = <Account extends AccountSettings>(
  channel: Channel<Account>,
  version: string,
): Promise<void> => {
  const schema = channelSettings(channel);
  return runService({
    name: `channel-${channel.id}`,
    version,
    load: (env) => loadConfig(schema, env),
    build: async (settings, log, stop) => {
      const { lanes, sendFloorMs, accountData, bills } = settings;
      const accounts =
        accountData === undefined
          ? fixedAccounts(settings.accounts)
          : createAccountBook({
              channelId: channel.id,
              fixed: settings.accounts,
              read: () => readAccountFolder(channel, accountData.folder, accountData.keyFile),
              lifetimeMs: accountData.lifetimeMs,
              clock: systemClock,
              log,
            });
      const redis = settings.redis === undefined ? undefined : openRedis(settings.redis, log);
      const contracts = holdContracts({
        channelId: channel.id,
        accounts: accounts.accounts().values(),
        redis,
        clock: systemClock,
        random: systemRandom,
        log,
      });
      const http = createLiveHttp({ channel, settings, clock: systemClock, random: systemRandom, log });
      // Races of domains begin with the process.
      http.to(accounts.accounts());
      let agreedOf = accounts.accounts();
      const { binding } = serveChannel({
        channel,
        accounts,
        lanes,
        sendFloorMs,
        bills,
        http: http.to,
        contractOf: (accountId) => {
          const now = accounts.accounts();
          if (now !== agreedOf) contracts.take(now.values());
          agreedOf = now;
          return contracts.of(accountId);
        },
        clock: systemClock,
        random: systemRandom,
        log,
      });
      const { host, port } = settings.server;
      const lanesBinding = bindLanes({
        service: `channel-${channel.id}`,
        instance: `${host}:${port}`,
        clock: systemClock,
        log,
      });
      return {
        services: [binding, lanesBinding],
        begin: async () => {
          contracts.keep(stop);
          keepUp({
            channel,
            accounts: accounts.accounts,
            http: http.to,
            clock: systemClock,
            random: systemRandom,
            log,
            signal: stop,
          }).catch((error: unknown) => log.fatal({ err: error }, 'accounts are kept up no more'));
          accounts.follow(stop).catch((error: unknown) => log.fatal({ err: error }, 'accounts are followed no more'));
        },
        end: async () => {
          redis?.close();
          await http.close();
        },
      };
    },
  });
};
