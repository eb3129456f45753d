import { ManualClock } from '@tillmesh/clock';
import { describe, expect, test } from 'vitest';
import { allOrNone, createGate, pollUntil, pollWhileAdvancing, within } from '../src/waiting.ts';

describe('polling', () => {
  test('asks until there is an answer', async () => {
    const clock = new ManualClock();
    let asked = 0;
    const probe = () => {
      asked += 1;
      return asked === 3 ? 'there' : undefined;
    };
    const answer = pollUntil({ clock, everyMs: 10, withinMs: 100, probe });
    await clock.advance(20);
    expect(await answer).toBe('there');
    expect(asked).toBe(3);
  });

  test('says late when the time is over', async () => {
    const clock = new ManualClock();
    const answer = pollUntil({ clock, everyMs: 10, withinMs: 25, probe: () => undefined });
    await clock.advance(30);
    expect(await answer).toBe('late');
  });

  test('ends with the reason of its signal', async () => {
    const clock = new ManualClock();
    const abort = new AbortController();
    const answer = pollUntil({ clock, everyMs: 10, withinMs: 25, signal: abort.signal, probe: () => undefined });
    abort.abort(new Error('enough'));
    await expect(answer).rejects.toThrow('enough');
  });
});

describe('polling what gets on', () => {
  const poll = (clock: ManualClock, probe: () => { readonly answer: string } | { readonly at: string }) =>
    pollWhileAdvancing({ clock, everyMs: 10, stalledMs: 30, probe: () => Promise.resolve(probe()) });

  test('waits as long as it gets on, however slowly', async () => {
    const clock = new ManualClock();
    let asked = 0;
    const answer = poll(clock, () => {
      asked += 1;
      // Stands still for two askings each time: never for 30 ms.
      return asked === 100 ? { answer: 'done' } : { at: String(Math.floor(asked / 3)) };
    });
    await clock.advance(1_000);
    expect(await answer).toBe('done');
  });

  test('gives up when it stands still, and only then', async () => {
    const clock = new ManualClock();
    let asked = 0;
    const answer = poll(clock, () => {
      asked += 1;
      return { at: String(Math.min(asked, 50)) };
    });
    await clock.advance(2_000);
    expect(await answer).toBe('stalled');
    expect(asked).toBe(53);
  });
});

describe('waiting for a promise', () => {
  test('answers late and leaves no timer behind', async () => {
    const clock = new ManualClock();
    const quick = await within(clock, 10, Promise.resolve('quick'));
    expect([quick, clock.waitingCount]).toEqual(['quick', 0]);
    const slow = within(clock, 10, new Promise<string>(() => undefined));
    await clock.advance(10);
    expect(await slow).toBe('late');
  });
});

describe('a gate', () => {
  test('lets at most so many in at a time, in the order in which they came, also after a failure', async () => {
    const gate = createGate(2);
    const entered: number[] = [];
    const leave: (() => void)[] = [];
    const works = [0, 1, 2, 3].map((index) =>
      gate(async () => {
        entered.push(index);
        await new Promise<void>((resolve) => leave.push(resolve));
        if (index === 0) throw new Error('first fails');
      }).catch((error: unknown) => error),
    );
    const turn = () => new Promise((resolve) => setImmediate(resolve));
    await turn();
    expect(entered).toEqual([0, 1]);
    leave[0]?.();
    await turn();
    expect(entered).toEqual([0, 1, 2]);
    leave[1]?.();
    await turn();
    expect(entered).toEqual([0, 1, 2, 3]);
    for (const go of leave) go();
    await Promise.all(works);
  });
});

describe('all or none', () => {
  test('tells the others of the first failure, waits for their end and throws it', async () => {
    let endedLast = '';
    const work = allOrNone([
      () => Promise.reject(new Error('broken')),
      async (signal) => {
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
        await new Promise((resolve) => setImmediate(resolve));
        endedLast = 'the other';
        throw new Error('told to end');
      },
    ]);
    await expect(work).rejects.toThrow('broken');
    expect(endedLast).toBe('the other');
  });
});
