import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { systemClock } from '@tillmesh/clock';
import { endWhenInterrupted } from '@tillmesh/local-mesh';
import { isHeld } from '../drills/drill.ts';
import type { Bench } from './bench.ts';
import { delayQueue } from './delay-queue.ts';
import { domains } from './domains.ts';
import { lane } from './lane.ts';
import { merchantList } from './merchant-list.ts';
import { orderCreate } from './order-create.ts';
import { tracing } from './tracing.ts';

// npm run bench -- <name> [--rounds n] [--seconds n] [--seed n] [--json] [--keep] [--<option> value …]
// Prints a table; with --json one JSON object as the last line. The status says whether the run was valid; `held` in the JSON
// whether every target was met.

const BENCHES: readonly Bench[] = [orderCreate, merchantList, lane, domains, delayQueue, tracing];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  strict: false,
  options: {
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    seed: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
  },
});

const say = (line = ''): void => {
  process.stdout.write(`${line}\n`);
};

const bench = BENCHES.find(({ name }) => name === positionals[0]);
if (bench === undefined) {
  say('npm run bench -- <name> [--rounds n] [--seconds n] [--seed n] [--json] [--keep]');
  for (const { name, title } of BENCHES) say(`  ${name.padEnd(16)} ${title}`);
  process.exit(positionals[0] === undefined ? 0 : 1);
}
const clock = systemClock;
const folder = mkdtempSync(join(tmpdir(), 'tillmesh-bench-'));
endWhenInterrupted(folder, values.keep === true);
const seed = Number(values.seed);
const beganMs = clock.monotonicMs();
// A bench's own options: `--orders 1000` reads as a flag and a word behind it where nothing declares it.
const words = process.argv.slice(2);
const extra = Object.fromEntries(
  words.flatMap((word, place) => (/^--[a-z-]+$/.test(word) ? [[word.slice(2), words[place + 1] ?? '']] : [])),
);
try {
  const { conditions, figures, targets, lines } = await bench.run({
    rounds: Number(values.rounds ?? bench.defaults.rounds),
    seconds: Number(values.seconds ?? bench.defaults.seconds),
    extra,
    seed,
    folder,
    clock,
    onProgress: (line) => say(`  ${((clock.monotonicMs() - beganMs) / 1_000).toFixed(1).padStart(6)} s  ${line}`),
  });
  say();
  for (const line of lines) say(line);
  say();
  for (const target of targets) {
    say(`${isHeld(target) ? '✓' : '✗'} ${target.name}: ${target.measured} (${target.op} ${target.target})`);
  }
  if (values.json === true) {
    const results = targets.map((target) => ({ ...target, held: isHeld(target) }));
    const held = targets.every(isHeld);
    say(JSON.stringify({ name: bench.name, seed, conditions, figures, targets: results, held }));
  }
} catch (error) {
  say(error instanceof Error ? (error.stack ?? error.message) : String(error));
  process.exitCode = 1;
} finally {
  if (values.keep === true) say(`data and logs: ${folder}`);
  else rmSync(folder, { recursive: true, force: true });
}
process.exit();
