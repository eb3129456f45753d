import { systemClock } from '@tillmesh/clock';
import { QueryService } from '@tillmesh/proto/tillmesh/query/v1/query_service_pb.ts';
import { bind, createClient, serve } from '@tillmesh/rpc';
import { createLog } from '@tillmesh/telemetry';
import { expect, onTestFinished, test } from 'vitest';
import { createQueryService } from '../src/query-service.ts';

test('pages are a quarter of what was asked for in a brownout, and never less than ten', async () => {
  const sizes: number[] = [];
  const brownout = { isOn: false };
  const nobody = () => Promise.reject(new Error('no payment is read here'));
  const service = createQueryService({
    orders: { payments: { read: nobody, readNearby: nobody, readOfMerchant: nobody, readTrajectory: nobody } },
    list: async ({ pageSize }) => {
      sizes.push(pageSize);
      return {};
    },
    brownout,
    watchMerchant: async function* () {},
    clock: systemClock,
  });
  const server = await serve({
    services: [bind(QueryService, service)],
    host: '127.0.0.1',
    port: 0,
    log: createLog('test', 'silent'),
  });
  server.setReady(true);
  const client = createClient(QueryService, { target: `127.0.0.1:${server.port}`, caller: 'test', capMs: 5_000 });
  onTestFinished(async () => {
    client.close();
    await server.drain(100);
  });
  const pages = async () => {
    for (const pageSize of [200, 50, 8, 0]) await client.listPayments({ merchantId: 'shop', pageSize });
    return sizes.splice(0);
  };
  expect(await pages()).toEqual([200, 50, 8, 50]);
  brownout.isOn = true;
  expect(await pages()).toEqual([50, 13, 8, 13]);
});
