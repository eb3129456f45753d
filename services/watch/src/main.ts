import { join } from 'node:path';
import { repeat, systemClock } from '@tillmesh/clock';
import { loadConfig } from '@tillmesh/config';
import { runService } from '@tillmesh/rpc';
import { WatchConfig } from './config.ts';
import { followTarget } from './follow-target.ts';
import { type HttpServer, startHttpServer } from './http-server.ts';
import { createLaneBoard } from './lane-board.ts';
import { createLaneFeed } from './lane-feed.ts';
import { readPageFiles } from './page-files.ts';

const EVERY_MS = 1_000;

await runService({
  name: 'watch',
  version: '0.1.0',
  load: (env) => loadConfig(WatchConfig, env),
  build: async (config, log, stop) => {
    const clock = systemClock;
    const board = createLaneBoard(clock);
    const feed = createLaneFeed(board, clock);
    const files = readPageFiles(join(import.meta.dirname, '../page'));
    let http: HttpServer | undefined;
    return {
      services: [],
      begin: async () => {
        for (const { service, target } of config.processes) {
          followTarget({ service, target, board, clock, log, signal: stop, onHeard: feed.heard }).catch(
            (error: unknown) => log.error({ err: error, service, target }, 'a target is not followed any more'),
          );
        }
        repeat({
          clock,
          everyMs: EVERY_MS,
          signal: stop,
          task: async () => feed.tick(),
          onError: (error) => log.error({ err: error }, 'a second could not be shown'),
        }).catch((error: unknown) => log.error({ err: error }, 'nothing is shown any more'));
        http = await startHttpServer({ settings: config.http, files, feed, clock, log });
        log.info({ port: http.port }, 'lanes are shown');
      },
      end: async () => http?.close(),
    };
  },
});
