// A service's process, as main.ts of a service starts one; run-service.test.ts runs it. TEST_SETTINGS says how it behaves.
import { systemClock } from '@tillmesh/clock';
import { QueryService } from '@tillmesh/proto/tillmesh/query/v1/query_service_pb.ts';
import { bind, notYet, notYetStream, runService } from '../src/index.ts';

type Behaviour = 'good' | 'waits' | 'bad_config' | 'build_fails' | 'begin_fails' | 'end_hangs' | 'end_fails';
const behaviour = (process.env['TEST_BEHAVIOUR'] ?? 'good') as Behaviour;

/** What merchants can make this service do, by their id. */
const mischief: Readonly<Record<string, () => Promise<void>>> = {
  'throws-later': async () => {
    setImmediate(() => {
      throw new RangeError('thrown by a listener');
    });
  },
  'rejects-later': async () => {
    void Promise.reject(new RangeError('rejected and not awaited'));
  },
  'emits-error': async () => {
    const { EventEmitter } = await import('node:events');
    setImmediate(() => new EventEmitter().emit('error', new Error('nobody listens')));
  },
  'throws-text': async () => {
    setImmediate(() => {
      // oxlint-disable-next-line typescript/only-throw-error -- What a careless library may do.
      throw 'only a text';
    });
  },
  slow: () => systemClock.sleep(1_000),
  'loses-database': async () => {
    isDatabaseAway = true;
  },
};
let isDatabaseAway = false;
/** SIGUSR2: the neighbour that is waited for is there. */
const told = new Promise<void>((resolve) => process.once('SIGUSR2', () => resolve()));

await runService({
  name: 'test-service',
  version: '1',
  load: () => {
    if (behaviour === 'bad_config') {
      throw new Error('2 problems in test.json\n  server.port: is missing\n  colour: is not a setting');
    }
    return {
      server: {
        host: '127.0.0.1',
        port: 0,
        metricsPort: 0,
        probePort: Number(process.env['TEST_PROBE_PORT'] ?? 0),
        reflection: false,
        drainMs: 3_000,
        inFlightMax: 64,
      },
      logLevel: 'info',
    };
  },
  build: async (_settings, log) => {
    if (behaviour === 'build_fails') throw new Error('no database');
    return {
      services: [
        bind(QueryService, {
          getPayment: async (_request, call) => {
            await mischief[call.merchant]?.();
            return { payment: { subject: call.merchant } };
          },
          listPayments: notYet('ListPayments'),
          getTrajectory: notYet('GetTrajectory'),
          watchMerchant: notYetStream('WatchMerchant'),
        }),
      ],
      begin: async (waitsFor) => {
        if (behaviour === 'begin_fails') throw new Error('no schema');
        if (behaviour !== 'waits') return;
        waitsFor('the database at db-1:3306 does not answer');
        await told;
      },
      whyNotReady: () => (isDatabaseAway ? 'the database has gone' : undefined),
      end: async () => {
        log.info('closed everything');
        if (behaviour === 'end_fails') throw new Error('no farewell');
        if (behaviour === 'end_hangs') await systemClock.sleep(600_000);
      },
    };
  },
});
