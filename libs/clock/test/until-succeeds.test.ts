import { expect, test } from 'vitest';
import { ManualClock, systemClock, untilSucceeds } from '../src/index.ts';

test('a task is tried until it does not throw, and not once more', async () => {
  let tries = 0;
  const told: unknown[] = [];
  const done = await untilSucceeds({
    clock: systemClock,
    everyMs: 1,
    signal: new AbortController().signal,
    task: async () => {
      tries += 1;
      if (tries < 3) throw new Error(`try ${tries}`);
    },
    onError: (error) => told.push((error as Error).message),
  });
  expect({ done, tries, told }).toEqual({ done: true, tries: 3, told: ['try 1', 'try 2'] });
});

test('an aborted signal ends it without success, while it waits as well', async () => {
  const stop = new AbortController();
  const ended = untilSucceeds({
    clock: new ManualClock(),
    everyMs: 60_000,
    signal: stop.signal,
    task: async () => {
      throw new Error('never');
    },
    onError: () => stop.abort(),
  });
  expect(await ended).toBe(false);
});
