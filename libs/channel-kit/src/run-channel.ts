import { systemClock, systemRandom } from '@tillmesh/clock';
import { loadConfig } from '@tillmesh/config';
import { openRedis } from '@tillmesh/delay-queue';
import { bindLanes } from '@tillmesh/lane-control';
import { runService } from '@tillmesh/rpc';
import type { AccountSettings } from './account-settings.ts';
import type { Channel } from './channel.ts';
import { createChannelHttp } from './channel-http.ts';
import { channelSettings, hostsOf, httpLimitsOf } from './channel-settings.ts';
import { holdContracts } from './contracts.ts';
import { serveChannel } from './serve-channel.ts';

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
      const http = createChannelHttp({
        channelId: channel.id,
        hosts: hostsOf(channel, settings),
        domains: {
          groups: settings.accounts.map(({ baseUrls }) => baseUrls),
          probePath: channel.probePath ?? '/',
          random: systemRandom,
          log,
        },
        limits: httpLimitsOf(settings),
        clock: systemClock,
      });
      const { accounts, lanes, sendFloorMs } = settings;
      const redis = settings.redis === undefined ? undefined : openRedis(settings.redis, log);
      const contracts = holdContracts({
        channelId: channel.id,
        accounts,
        redis,
        clock: systemClock,
        random: systemRandom,
        log,
      });
      const { binding } = serveChannel({
        channel,
        accounts,
        lanes,
        sendFloorMs,
        http,
        contractOf: contracts.of,
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
          contracts.keep(stop).catch((error: unknown) => log.fatal({ err: error }, 'contracts are kept no more'));
        },
        end: async () => {
          redis?.close();
          await http.close();
        },
      };
    },
  });
};
