import { ManualClock } from '@tillmesh/clock';
import { expect, test } from 'vitest';
import { createSpentNonces } from '../src/wechat/spent-nonces.ts';

test('a nonce is spent for its own merchant, until its time stamp would be too old anyway', async () => {
  const clock = new ManualClock();
  const nonces = createSpentNonces(clock, 1_000);
  nonces.spend('m', 'a');
  await clock.advance(999);
  nonces.spend('m', 'b');
  expect([nonces.isSpent('m', 'a'), nonces.isSpent('m', 'b'), nonces.isSpent('n', 'a')]).toEqual([true, true, false]);
  await clock.advance(1);
  nonces.spend('m', 'c');
  expect([nonces.isSpent('m', 'a'), nonces.isSpent('m', 'b')]).toEqual([false, true]);
});
