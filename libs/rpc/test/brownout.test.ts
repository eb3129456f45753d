import { ManualClock } from '@tillmesh/clock';
import { expect, test } from 'vitest';
import { LEVEL_ALL } from '../src/admission-level.ts';
import { BROWNOUT_MS, Brownout } from '../src/brownout.ts';

test('a brownout begins with the first word of too much to do and ends five seconds after the last', async () => {
  const clock = new ManualClock();
  const brownout = new Brownout(clock);
  expect(brownout.isOn).toBe(false);
  brownout.note(LEVEL_ALL);
  expect(brownout.isOn).toBe(false);
  brownout.note(LEVEL_ALL - 1);
  expect(brownout.isOn).toBe(true);
  await clock.advance(BROWNOUT_MS - 1);
  // Somebody who has enough room does not end it.
  brownout.note(LEVEL_ALL);
  expect(brownout.isOn).toBe(true);
  brownout.note(200);
  await clock.advance(BROWNOUT_MS - 1);
  expect(brownout.isOn).toBe(true);
  await clock.advance(1);
  expect(brownout.isOn).toBe(false);
});
