import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '@tillmesh/clock';
import { afterEach, describe, expect, test } from 'vitest';
import { type ChildSpec, createSupervisor, type Supervisor, type SupervisorEvent } from '../src/index.ts';
import { processIdentity } from '../src/process-identity.ts';
import { eventually, removeFoldersAfterEach, temporaryFolder } from './temporary-folder.ts';

removeFoldersAfterEach();
const supervisors: Supervisor[] = [];
afterEach(async () => {
  for (const supervisor of supervisors.splice(0)) await supervisor.stopAll();
});

const superviseIn = (logFolder: string) => {
  const events: SupervisorEvent[] = [];
  const supervisor = createSupervisor({ clock: systemClock, logFolder, onEvent: (event) => events.push(event) });
  supervisors.push(supervisor);
  return { supervisor, events };
};

/** A child that runs a line of JavaScript and is ready when it has made its file. */
const scriptOf = (folder: string, name: string, script: string, changes: Partial<ChildSpec> = {}): ChildSpec => ({
  name,
  command: process.execPath,
  args: ['-e', `const ready = () => require('node:fs').writeFileSync('${name}.ready', ''); ${script}`],
  cwd: folder,
  ready: async () => {
    if (!existsSync(join(folder, `${name}.ready`))) throw new Error('not yet');
  },
  restart: false,
  stopGraceMs: 5_000,
  ...changes,
});

const LIVES_ON = 'ready(); setInterval(() => {}, 1000);';

const restartsSeen = (events: readonly SupervisorEvent[]) =>
  events.filter((event) => event.kind === 'restarting').map((event) => event.afterMs);

describe('a child', () => {
  test('is told of when it starts, is ready and ends', async () => {
    const folder = temporaryFolder();
    const { supervisor, events } = superviseIn(folder);
    await supervisor.start(scriptOf(folder, 'one', LIVES_ON));
    const pid = supervisor.pid('one');
    expect(pid).toBeTypeOf('number');
    await supervisor.stop('one');
    expect(supervisor.pid('one')).toBeUndefined();
    expect(events).toEqual([
      { kind: 'started', name: 'one', pid },
      { kind: 'ready', name: 'one', pid, tookMs: expect.any(Number) as unknown },
      { kind: 'exited', name: 'one', code: null, signal: 'SIGTERM' },
    ]);
    expect(existsSync(join(folder, 'one.pid'))).toBe(false);
  });

  test('that crashes is started again, after a longer wait each time', async () => {
    const folder = temporaryFolder();
    const { supervisor, events } = superviseIn(folder);
    await supervisor.start(
      scriptOf(folder, 'one', 'ready(); setTimeout(() => process.exit(7), 100);', { restart: true }),
    );
    await eventually('two restarts', () => (supervisor.restartsOf('one') >= 2 ? true : undefined));
    expect(restartsSeen(events).slice(0, 2)).toEqual([200, 400]);
    expect(events).toContainEqual({ kind: 'exited', name: 'one', code: 7, signal: null });
  });

  test('that is killed is started again as another process, and not any more once it is stopped', async () => {
    const folder = temporaryFolder();
    const { supervisor, events } = superviseIn(folder);
    await supervisor.start(scriptOf(folder, 'one', LIVES_ON, { restart: true }));
    const first = supervisor.pid('one');
    await supervisor.kill('one', 'SIGKILL');
    const second = await eventually('the restart', () => supervisor.pid('one'));
    expect(second).not.toBe(first);
    await supervisor.kill('one', 'SIGKILL');
    await supervisor.stop('one');
    // Longer than the wait that was announced: a restart that was not called off would have come.
    await systemClock.sleep((restartsSeen(events).at(-1) ?? 0) + 300);
    expect(supervisor.pid('one')).toBeUndefined();
  });

  test('that could not be started again for a while is tried again', async () => {
    const folder = temporaryFolder();
    const { supervisor } = superviseIn(folder);
    await supervisor.start(scriptOf(folder, 'one', LIVES_ON, { restart: true }));
    // A folder in the place of the log: the next start cannot open it.
    rmSync(supervisor.logPath('one'));
    mkdirSync(supervisor.logPath('one'));
    await supervisor.kill('one', 'SIGKILL');
    await eventually('a second try', () => (supervisor.restartsOf('one') >= 2 ? true : undefined));
    rmSync(supervisor.logPath('one'), { recursive: true });
    await eventually('the restart', () => supervisor.pid('one'));
  });

  test('without restart stays down when it is killed, and can be started by hand', async () => {
    const folder = temporaryFolder();
    const { supervisor } = superviseIn(folder);
    const spec = scriptOf(folder, 'one', LIVES_ON);
    await supervisor.start(spec);
    await expect(supervisor.start(spec)).rejects.toThrow('runs already');
    await supervisor.kill('one', 'SIGKILL');
    expect(supervisor.pid('one')).toBeUndefined();
    await supervisor.start(spec);
    expect(supervisor.pid('one')).toBeTypeOf('number');
  });

  test('leaves its output and its errors in its log', async () => {
    const folder = temporaryFolder();
    const { supervisor } = superviseIn(folder);
    await supervisor.start(scriptOf(folder, 'one', `console.log('to out'); console.error('to err'); ${LIVES_ON}`));
    expect(readFileSync(supervisor.logPath('one'), 'utf8')).toMatch(/to out\nto err\n/);
  });

  test('has only the environment it is given', async () => {
    const folder = temporaryFolder();
    const { supervisor } = superviseIn(folder);
    const script = `console.log(JSON.stringify(process.env)); ${LIVES_ON}`;
    await supervisor.start(scriptOf(folder, 'one', script, { env: { TILLMESH_CONFIG: 'one.json' } }));
    expect(JSON.parse(readFileSync(supervisor.logPath('one'), 'utf8'))).toEqual({ TILLMESH_CONFIG: 'one.json' });
  });
});

describe('a child that does not become ready', () => {
  test('fails with the end of its log and is ended', async () => {
    const folder = temporaryFolder();
    const { supervisor } = superviseIn(folder);
    const script = "console.log('cannot read my settings'); setInterval(() => {}, 1000);";
    const start = supervisor.start(scriptOf(folder, 'one', script, { readyWithinMs: 500, restart: true }));
    await expect(start).rejects.toMatchObject({
      problem: 'child_not_ready',
      message: expect.stringMatching(
        /^one was not ready within 500 ms[^]*cannot read my settings[^]*start again/,
      ) as unknown,
    });
    expect(supervisor.pid('one')).toBeUndefined();
  });

  test('fails at once when it has ended, also when it would be restarted later', async () => {
    const folder = temporaryFolder();
    const { supervisor } = superviseIn(folder);
    const script = "console.error('wrong setting'); process.exit(3);";
    const start = supervisor.start(scriptOf(folder, 'one', script, { restart: true }));
    await expect(start).rejects.toThrow(/one ended with status 3[^]*wrong setting/);
    expect(supervisor.restartsOf('one')).toBe(0);
  });

  test('does not show what an earlier run has written', async () => {
    const folder = temporaryFolder();
    const { supervisor } = superviseIn(folder);
    const complain = (text: string) =>
      supervisor.start(scriptOf(folder, 'one', `console.error('${text}'); process.exit(3);`)).catch(String);
    await complain('the first complaint');
    const second = await complain('the second complaint');
    expect(second).toContain('    the second complaint\n');
    expect(second).not.toContain('    the first complaint');
  });

  test('fails when there is no such program', async () => {
    const { supervisor } = superviseIn(temporaryFolder());
    const start = supervisor.start(scriptOf(temporaryFolder(), 'one', '', { command: '/no/such/program' }));
    await expect(start).rejects.toThrow(/one could not be started: .*ENOENT/);
  });

  test('fails although its question hangs, and the question is told that its time is over', async () => {
    const folder = temporaryFolder();
    const { supervisor } = superviseIn(folder);
    let told = false;
    const ready = (signal: AbortSignal) =>
      new Promise<void>(() => signal.addEventListener('abort', () => (told = true), { once: true }));
    const start = supervisor.start(scriptOf(folder, 'one', LIVES_ON, { ready, readyWithinMs: 100 }));
    await expect(start).rejects.toThrow('was not ready within 100 ms');
    expect(told).toBe(true);
  });

  test('is ended when the start is given up', async () => {
    const folder = temporaryFolder();
    const { supervisor } = superviseIn(folder);
    const giveUp = new AbortController();
    const start = supervisor.start(scriptOf(folder, 'one', 'setInterval(() => {}, 1000);'), giveUp.signal);
    await eventually('the process', () => supervisor.pid('one'));
    giveUp.abort(new Error('given up'));
    await expect(start).rejects.toThrow('given up');
    expect(supervisor.pid('one')).toBeUndefined();
  });
});

describe('stopping all children', () => {
  test('asks them in the reverse order of their starts and kills one that does not listen', async () => {
    const folder = temporaryFolder();
    const { supervisor, events } = superviseIn(folder);
    await supervisor.start(scriptOf(folder, 'first', LIVES_ON));
    await supervisor.start(
      scriptOf(folder, 'deaf', `process.on('SIGTERM', () => {}); ${LIVES_ON}`, { stopGraceMs: 300 }),
    );
    await supervisor.start(scriptOf(folder, 'last', `process.on('SIGTERM', () => process.exit(0)); ${LIVES_ON}`));
    await supervisor.stopAll();
    expect(events.filter((event) => event.kind === 'exited')).toEqual([
      { kind: 'exited', name: 'last', code: 0, signal: null },
      { kind: 'exited', name: 'deaf', code: null, signal: 'SIGKILL' },
      { kind: 'exited', name: 'first', code: null, signal: 'SIGTERM' },
    ]);
    await expect(supervisor.start(scriptOf(folder, 'more', LIVES_ON))).rejects.toThrow('has been stopped');
  });

  test('also ends what a child has started, and a child that is frozen', async () => {
    const folder = temporaryFolder();
    const { supervisor } = superviseIn(folder);
    const script = `
      const child = require('node:child_process').spawn('sleep', ['100'], { stdio: 'ignore' });
      require('node:fs').writeFileSync('grandchild', String(child.pid)); ${LIVES_ON}`;
    await supervisor.start(scriptOf(folder, 'one', script));
    const grandchild = Number(readFileSync(join(folder, 'grandchild'), 'utf8'));
    expect(processIdentity(grandchild)).toBeDefined();
    await supervisor.kill('one', 'SIGSTOP');
    await supervisor.stopAll();
    await eventually('the end of the grandchild', () => (processIdentity(grandchild) === undefined ? true : undefined));
  });
});

test('a name that cannot be a file name is refused', async () => {
  const { supervisor } = superviseIn(temporaryFolder());
  await expect(supervisor.start(scriptOf(temporaryFolder(), '../one', ''))).rejects.toThrow('cannot be the name');
});

test('the log of a child goes on in a new file when it has grown to its limit', async () => {
  const folder = temporaryFolder();
  const { supervisor } = superviseIn(folder);
  writeFileSync(join(folder, 'one.log'), Buffer.alloc(10 * 1024 * 1024 + 1, 'x'));
  await supervisor.start(scriptOf(folder, 'one', `${LIVES_ON} setInterval(() => console.log('line'), 50);`));
  await eventually('the older log', () => (existsSync(join(folder, 'one.log.1')) ? true : undefined));
  const newer = () => readFileSync(join(folder, 'one.log'), 'utf8');
  await eventually('lines in the new log', () => (/^(line\n)+$/.test(newer()) ? true : undefined));
});
