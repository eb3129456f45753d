// A server whose event loop stands still for a second now and then, as one that collects garbage on a starved machine does;
// cancel-storm.test.ts runs it and hears its port. Orders that begin with 2 are answered, others never.
import { systemClock } from '@tillmesh/clock';
import { QueryService } from '@tillmesh/proto/tillmesh/query/v1/query_service_pb.ts';
import { createLog } from '@tillmesh/telemetry';
import { bind, notYet, notYetStream, serve } from '../src/index.ts';

const STILL_MS = 1_000;
const BETWEEN_MS = 1_000;

const server = await serve({
  services: [
    bind(QueryService, {
      getPayment: async ({ payment }, { signal }) => {
        if (payment?.ref.case === 'orderNo' && payment.ref.value.startsWith('2')) return {};
        await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
        return {};
      },
      listPayments: notYet('ListPayments'),
      getTrajectory: notYet('GetTrajectory'),
      watchMerchant: notYetStream('WatchMerchant'),
    }),
  ],
  host: '127.0.0.1',
  port: 0,
  log: createLog('test', 'silent'),
  // A pause on a starved machine is longer: what is looked for is a connection that is closed, not a server that is full.
  inFlightMax: 8_192,
});
server.setReady(true);
process.send?.(server.port);
// Whoever started it is gone.
process.on('disconnect', () => process.exit());
for (;;) {
  await systemClock.sleep(BETWEEN_MS);
  const endMs = systemClock.monotonicMs() + STILL_MS;
  while (systemClock.monotonicMs() < endMs);
}
