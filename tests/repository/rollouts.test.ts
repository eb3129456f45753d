import { expect, test } from 'vitest';
import { rolloutsOfChart } from '../../scripts/chart/rollouts.ts';

test('what the drill rolling-upgrade plays are the numbers of the chart, for every service of it', async () => {
  const rollouts = await rolloutsOfChart(4);
  const of = (name: string) => rollouts.find(({ service }) => service === name);
  expect(rollouts.map(({ service }) => service).toSorted()).toEqual([
    'cashier',
    'channel-alipay',
    'channel-stripe',
    'channel-unionpay',
    'channel-wechat',
    'edge',
    'notifier',
    'order-store',
    'projector',
    'query',
    'reconciler',
    'routing',
    'syncer',
    'watch',
  ]);
  expect(of('cashier')).toEqual({
    service: 'cashier',
    replicas: 2,
    order: 'surge',
    minReadyMs: 5_000,
    preStopMs: 8_000,
    drainMs: 45_000,
    graceMs: 75_000,
  });
  // It has a volume: nobody else can have it before.
  expect(of('routing')).toMatchObject({ order: 'in_place', replicas: 1 });
  expect((await rolloutsOfChart(1)).every(({ replicas }) => replicas === 1)).toBe(true);
});
