import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@tillmesh/clock';
import { afterAll, describe, expect, test } from 'vitest';

const root = join(import.meta.dirname, '..', '..');
const folder = mkdtempSync(join(tmpdir(), 'tillmesh-start-'));

afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Ended = { readonly status: number | null; readonly lines: readonly string[]; readonly tookMs: number };

const begin = (words: readonly string[]) => {
  const child = spawn(
    process.execPath,
    [join(root, 'scripts', 'start.ts'), '--free-ports', '--folder', folder, ...words],
    {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const beganMs = systemClock.monotonicMs();
  const ended = new Promise<Ended>((resolve) => {
    child.once('close', (status) => {
      resolve({ status, lines: output.trimEnd().split('\n'), tookMs: systemClock.monotonicMs() - beganMs });
    });
  });
  return { child, ended, output: () => output };
};

/** What another of the scripts says. */
const saidBy = async (script: string, words: readonly string[]): Promise<string> => {
  const child = spawn(process.execPath, [join(root, 'scripts', script), ...words], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  await new Promise((resolve) => child.once('close', resolve));
  return said;
};
const npmStop = () => saidBy('stop.ts', [folder]);

/** Command lines of the processes that belong to a mesh on this folder; services know it by their environment. */
const processesOf = (meshFolder: string): string[] =>
  readdirSync('/proc')
    .filter((name) => /^[0-9]+$/.test(name) && name !== String(process.pid))
    .flatMap((pid) => {
      try {
        const commandLine = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
        const environment = readFileSync(`/proc/${pid}/environ`, 'utf8');
        return commandLine.includes(meshFolder) || environment.includes(meshFolder) ? [commandLine] : [];
      } catch {
        // It ended while it was looked at.
        return [];
      }
    });

const summaryOf = ({ lines }: Ended): unknown => JSON.parse(lines.at(-1) ?? '');

const ALL_WELL = { payments: 5, succeeded: 5, charged_twice: 0 };

describe('npm start', () => {
  test('with --exit shows five payments that end as they should, and says so in its last line', async () => {
    const ended = await begin(['--exit']).ended;
    expect(ended.status, ended.lines.join('\n')).toBe(0);
    expect(summaryOf(ended)).toMatchObject(ALL_WELL);
  });

  test('a second time is through with the demonstration within 30 s', async () => {
    const ended = await begin(['--exit']).ended;
    expect(ended.status, ended.lines.join('\n')).toBe(0);
    expect(ended.tookMs).toBeLessThan(30_000);
  });

  test('without Redis shows the same five payments ending well', async () => {
    const ended = await begin(['--exit', '--redis-down']).ended;
    expect(ended.status, ended.lines.join('\n')).toBe(0);
    expect(summaryOf(ended)).toMatchObject(ALL_WELL);
  });

  test('stays up, is told apart by a second start, and ends in order on SIGINT with nothing left behind', async () => {
    const first = begin([]);
    await expect.poll(first.output, { timeout: 90_000, interval: 250 }).toContain('Ctrl-C stops everything');
    const second = await begin([]).ended;
    expect(second.status).toBe(0);
    expect(second.lines.join('\n')).toMatch(/has been running on .* since/);
    expect(second.lines.join('\n')).toMatch(/CashierService\s+127\.0\.0\.1:\d+/);
    expect(second.lines.join('\n')).toMatch(/live page\s+http:\/\/127\.0\.0\.1:\d+/);
    expect(second.lines.join('\n')).toContain('npm stop');
    const orderNo = /[0-9]{25}/.exec(first.output())?.[0] ?? '';
    const story = await saidBy('story.ts', [orderNo, '--folder', folder]);
    expect(story).toMatch(/cashier +payment created +merchant_id=demo-/);
    expect(story).toMatch(/attempt started +attempt_no=1 account_id=/);
    expect(story).toMatch(/payment moved +state=(succeeded|declined)/);
    expect(story).toMatch(/Its trace: [0-9a-f]{32}/);
    first.child.kill('SIGINT');
    const ended = await first.ended;
    expect(ended.status).toBe(0);
    expect(await npmStop()).toContain('No mesh runs');
    expect(processesOf(folder)).toEqual([]);
  });

  test('that was killed leaves processes behind, which npm stop ends', async () => {
    const killed = begin([]);
    await expect.poll(killed.output, { timeout: 90_000, interval: 250 }).toContain('Ctrl-C stops everything');
    killed.child.kill('SIGKILL');
    await killed.ended;
    expect(processesOf(folder).length).toBeGreaterThan(10);
    expect(await npmStop()).toContain('Stopped.');
    expect(processesOf(folder)).toEqual([]);
  });
});
