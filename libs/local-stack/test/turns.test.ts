import { ManualClock } from '@tillmesh/clock';
import { expect, test } from 'vitest';
import { createStepWatch } from '../src/step-watch.ts';
import { createTurns } from '../src/turns.ts';

test('work that runs alone waits for what was begun before and holds up what comes later', async () => {
  const clock = new ManualClock();
  const turns = createTurns();
  const story: string[] = [];
  const work = (name: string, ms: number) => async () => {
    story.push(`${name} begins`);
    await clock.sleep(ms);
    story.push(`${name} ends`);
  };
  const all = [
    turns.together(work('a', 20)),
    turns.together(work('b', 10)),
    turns.alone(work('alone', 10)),
    turns.together(work('c', 5)),
    turns.alone(work('last', 5)),
  ];
  await clock.advance(100);
  await Promise.all(all);
  expect(story).toEqual([
    'a begins',
    'b begins',
    'b ends',
    'a ends',
    'alone begins',
    'alone ends',
    'c begins',
    'c ends',
    'last begins',
    'last ends',
  ]);
});

test('a failure is told to its caller and holds up nobody', async () => {
  const turns = createTurns();
  const failing = turns.alone(() => Promise.reject(new Error('broken')));
  const next = turns.together(() => Promise.resolve('goes on'));
  await expect(failing).rejects.toThrow('broken');
  expect(await next).toBe('goes on');
  expect(await turns.alone(() => Promise.resolve('alone too'))).toBe('alone too');
});

test('a watch tells each step and the whole, also of a step that failed', async () => {
  const clock = new ManualClock();
  const watch = createStepWatch(clock);
  const first = watch.step('first', () => clock.sleep(30));
  await clock.advance(30);
  await first;
  const second = watch.step('second', async () => {
    await clock.sleep(10);
    throw new Error('broken');
  });
  second.catch(() => undefined);
  await clock.advance(10);
  await expect(second).rejects.toThrow('broken');
  expect(watch.steps()).toEqual([
    { name: 'first', tookMs: 30 },
    { name: 'second', tookMs: 10 },
  ]);
  expect(watch.tookMs()).toBe(40);
});
