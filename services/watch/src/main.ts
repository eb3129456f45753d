import { join } from 'node:path';
import { repeat, systemClock } from '@tillmesh/clock';
import { createChangedConfig, loadConfig } from '@tillmesh/config';
import { runService } from '@tillmesh/rpc';
import { WatchConfig } from './config.ts';
import { createTargetFollower } from './follow-targets.ts';
import { type HttpServer, startHttpServer } from './http-server.ts';
import { createLaneBoard } from './lane-board.ts';
import { createLaneFeed } from './lane-feed.ts';
import { readPageFiles } from './page-files.ts';

const EVERY_MS = 1_000;

await runService({
  name: 'watch',
  version: '0.1.0',
  load: (env) => {
    const read = () => loadConfig(WatchConfig, env);
    const config = read();
    // Processes come and go while somebody watches; everything else is read once.
    return { ...config, changed: createChangedConfig(env['TILLMESH_CONFIG'] ?? '', read) };
  },
  build: async (config, log, stop) => {
    const clock = systemClock;
    const board = createLaneBoard(clock);
    const feed = createLaneFeed(board, clock);
    const files = readPageFiles(join(import.meta.dirname, '../page'));
    const follower = createTargetFollower({ board, clock, log, signal: stop, onHeard: feed.heard });
    const every = (task: () => void, complaint: string): void => {
      const onError = (error: unknown): void => log.error({ err: error }, complaint);
      repeat({ clock, everyMs: EVERY_MS, signal: stop, task: async () => task(), onError }).catch(onError);
    };
    let http: HttpServer | undefined;
    return {
      services: [],
      begin: async () => {
        follower.follow(config.processes);
        every(feed.tick, 'a second could not be shown');
        every(() => {
          const changed = config.changed();
          if (changed !== undefined) follower.follow(changed.processes);
        }, 'the configuration cannot be read again; the processes stay as they are');
        http = await startHttpServer({ settings: config.http, files, feed, clock, log });
        log.info({ port: http.port }, 'lanes are shown');
      },
      end: async () => http?.close(),
    };
  },
});
