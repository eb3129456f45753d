// One instance of a service in a process of its own, so that it can be stopped dead; watched-balancing.test.ts runs it and hears its
// port.
import { QueryService } from '@tillmesh/proto/tillmesh/query/v1/query_service_pb.ts';
import { createLog } from '@tillmesh/telemetry';
import { bind, notYet, notYetStream, serve } from '../src/index.ts';

const server = await serve({
  services: [
    bind(QueryService, {
      getPayment: async () => ({ payment: { subject: String(process.pid) } }),
      listPayments: notYet('ListPayments'),
      getTrajectory: notYet('GetTrajectory'),
      watchMerchant: notYetStream('WatchMerchant'),
    }),
  ],
  host: '127.0.0.1',
  port: 0,
  log: createLog('test', 'silent'),
});
server.setReady(true);
process.send?.(server.port);
// Whoever started it is gone.
process.on('disconnect', () => process.exit());
