import { expect, test } from 'vitest';
import { limitOf } from '../src/check-limits.ts';
import { SyncerConfig } from '../src/config.ts';

const settings = (checkLimits?: object) => ({
  server: { port: 0 },
  orderStore: { target: '127.0.0.1:1' },
  channels: [
    { channelId: 'wechat', target: '127.0.0.1:1' },
    { channelId: 'alipay', target: '127.0.0.1:1' },
  ],
  ...(checkLimits === undefined ? {} : { checkLimits }),
});

test('a channel without limits of its own has those of all', () => {
  const { checkLimits } = SyncerConfig.parse(settings());
  expect(limitOf(checkLimits, { channelId: 'wechat', kind: 'payment' })).toEqual({ perSecond: 300, burst: 300 });
  expect(limitOf(checkLimits, { channelId: 'constructor', kind: 'refund' })).toEqual({ perSecond: 100, burst: 100 });
});

test('a channel’s own limit of one kind leaves the other kind and the other channels as they are', () => {
  const own = { perSecond: 0.5, burst: 1 };
  const { checkLimits } = SyncerConfig.parse(settings({ channels: { wechat: { payments: own } } }));
  expect(limitOf(checkLimits, { channelId: 'wechat', kind: 'payment' })).toEqual(own);
  expect(limitOf(checkLimits, { channelId: 'wechat', kind: 'refund' })).toEqual(checkLimits.refunds);
  expect(limitOf(checkLimits, { channelId: 'alipay', kind: 'payment' })).toEqual(checkLimits.payments);
});

test.each([
  ['of a channel that is not there', { channels: { wechta: {} } }, 'there is no channel wechta'],
  ['without a burst', { payments: { perSecond: 1 } }, 'expected number'],
  ['of nothing', { payments: { perSecond: 0, burst: 1 } }, 'Too small'],
])('a limit %s is refused', (_what, checkLimits, why) => {
  const { error } = SyncerConfig.safeParse(settings(checkLimits));
  expect(error?.message).toContain(why);
});
