import { systemClock, systemRandom, untilSucceeds } from '@tillmesh/clock';
import { loadConfig } from '@tillmesh/config';
import { createOrderReader, followGroups } from '@tillmesh/order-groups';
import { runService } from '@tillmesh/rpc';
import { gauge, withoutSpans } from '@tillmesh/telemetry';
import { createApply } from './apply-changes.ts';
import { jobsOf } from './change-jobs.ts';
import { openChangeQueue } from './change-queue.ts';
import { ProjectorConfig } from './config.ts';
import { openStore } from './open-store.ts';

const PREPARE_EVERY_MS = 1_000;

const lagGauge = gauge('tillmesh_projection_lag_ms', 'How far the lists are behind a group.', ['group']);
const gapsGauge = gauge('tillmesh_projection_gaps', 'Ids of a group that were passed over and are looked for.', [
  'group',
]);

await runService({
  name: 'projector',
  version: '0.1.0',
  load: (env) => loadConfig(ProjectorConfig, env),
  build: async (config, log, stop) => {
    const clock = systemClock;
    const orders = createOrderReader({ config: config.orders, clock, log });
    const store = openStore(config, clock);
    const queue = openChangeQueue({
      redis: config.redis,
      concurrent: config.jobsMax,
      doneMsMax: config.doneMsMax,
      instance: systemRandom.hex(8),
      clock,
      log,
    });
    const { changes } = orders;
    const { everyMs, changesMax, saveEveryMs } = config;

    const begin = (): void => {
      const apply = createApply({ changes, store, clock });
      // A job is of many payments: it belongs to none of their traces.
      queue.work((job) => withoutSpans(() => apply(job)));
      followGroups(changes.tags, {
        streams: ['arrivals', 'changes'],
        changes,
        places: store,
        take: (tag, found) => queue.done(jobsOf(tag, found)),
        onLook: (tag, { lagMs, gaps }) => {
          lagGauge.set({ group: String(tag) }, lagMs);
          gapsGauge.set({ group: String(tag) }, gaps);
        },
        settings: { everyMs, changesMax, saveEveryMs },
        clock,
        log,
        signal: stop,
      }).catch((error: unknown) => log.fatal({ err: error }, 'no group is followed any more'));
    };

    /** The store may be away when we start: nothing can be followed before its tables are there. */
    const prepareAndBegin = async (): Promise<void> => {
      const isPrepared = await untilSucceeds({
        clock,
        everyMs: PREPARE_EVERY_MS,
        signal: stop,
        task: store.prepare,
        onError: (error) => log.warn({ err: error }, 'the store of lists is away; lists fall behind'),
      });
      if (isPrepared && !stop.aborted) begin();
    };

    return {
      services: [],
      begin: async () => {
        await orders.look();
        prepareAndBegin().catch((error: unknown) => log.fatal({ err: error }, 'lists are not kept'));
      },
      end: async () => {
        await queue.close();
        await orders.close();
        store.close();
      },
    };
  },
});
