import { ManualClock } from '@tillmesh/clock';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createHeartbeat } from '../src/heartbeat.ts';

type Write = { readonly beganAt: number; readonly end: PromiseWithResolvers<void> };

/** A heartbeat whose writes begin by themselves and end when the test says so. Each event has a place in one order. */
const heartbeatUnderTest = () => {
  const clock = new ManualClock();
  const writes: Write[] = [];
  let place = 0;
  const heartbeat = createHeartbeat(() => {
    place += 1;
    const write = { beganAt: place, end: Promise.withResolvers<void>() };
    writes.push(write);
    return write.end.promise;
  }, clock);
  const ask = () => {
    place += 1;
    const askedAt = place;
    let end: 'waits' | 'confirmed' | 'failed' = 'waits';
    const settled = heartbeat.confirm().then(
      () => {
        end = 'confirmed';
      },
      () => {
        end = 'failed';
      },
    );
    return { askedAt, settled, end: () => end };
  };
  return { clock, writes, ask };
};

test('one write serves everybody who asked before it began', async () => {
  const { clock, writes, ask } = heartbeatUnderTest();
  const readers = [ask(), ask()];
  await clock.advance(1);
  readers.push(ask());
  await clock.advance(1);
  expect(writes).toHaveLength(1);
  writes[0]?.end.resolve();
  await Promise.all(readers.map(({ settled }) => settled));
  expect(readers.map(({ end }) => end())).toEqual(['confirmed', 'confirmed', 'confirmed']);
  expect(writes).toHaveLength(1);
});

test('a write never serves anybody who asked after it began', async () => {
  const { clock, writes, ask } = heartbeatUnderTest();
  const first = ask();
  await clock.advance(2);
  const second = ask();
  writes[0]?.end.resolve();
  await first.settled;
  await clock.advance(0);
  expect(second.end()).toBe('waits');
  await clock.advance(2);
  expect(writes).toHaveLength(2);
  writes[1]?.end.resolve();
  await second.settled;
  expect(second.end()).toBe('confirmed');
});

test('a write that fails confirms nobody, and the next reader gets a write of its own', async () => {
  const { clock, writes, ask } = heartbeatUnderTest();
  const first = ask();
  await clock.advance(2);
  writes[0]?.end.reject(new Error('not acknowledged'));
  await first.settled;
  expect(first.end()).toBe('failed');
  const second = ask();
  await clock.advance(2);
  writes[1]?.end.resolve();
  await second.settled;
  expect(second.end()).toBe('confirmed');
});

test('whatever the order of asking, waiting and writing, each reader is confirmed by a write that began after it asked', async () => {
  const steps = fc.array(fc.constantFrom('ask', 'wait', 'end_oldest', 'end_newest'), { maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(steps, async (history) => {
      const { clock, writes, ask } = heartbeatUnderTest();
      const readers: ReturnType<typeof ask>[] = [];
      const ended = new Set<Write>();
      const finish = (write: Write | undefined) => {
        if (write === undefined) return;
        ended.add(write);
        write.end.resolve();
      };
      for (const step of history) {
        if (step === 'ask') readers.push(ask());
        else if (step === 'wait') await clock.advance(1);
        else {
          const open = writes.filter((write) => !ended.has(write));
          finish(step === 'end_oldest' ? open[0] : open.at(-1));
          await clock.advance(0);
        }
        for (const reader of readers) {
          if (reader.end() !== 'confirmed') continue;
          expect([...ended].some(({ beganAt }) => beganAt > reader.askedAt)).toBe(true);
        }
      }
      expect(writes.length).toBeLessThanOrEqual(readers.length);
    }),
    { numRuns: 200 },
  );
});
