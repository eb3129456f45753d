import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { systemClock } from '@tillmesh/clock';
import { endWhenInterrupted } from '@tillmesh/local-mesh';
import { ambiguity } from './ambiguity.ts';
import { cancelStorm } from './cancel-storm.ts';
import { chaos } from './chaos.ts';
import { contract } from './contract.ts';
import { deadMerchant } from './dead-merchant.ts';
import { type Drill, isHeld } from './drill.ts';
import { expandShrink } from './expand-shrink.ts';
import { greedyMerchant } from './greedy-merchant.ts';
import { groupDown } from './group-down.ts';
import { groupsDown } from './groups-down.ts';
import { hang } from './hang.ts';
import { overload } from './overload.ts';
import { primaryKilled } from './primary-killed.ts';
import { rollingRestart } from './rolling-restart.ts';
import { rollingUpgrade } from './rolling-upgrade.ts';
import { serviceKilled } from './service-killed.ts';
import { syncer } from './syncer.ts';
import { truth } from './truth.ts';

// npm run drill -- <name> [--seconds n] [--rate n] [--seed n] [--svg file] [--png file] [--json] [--keep]
// Prints a table; with --json one JSON object as the last line. The status says whether the run was valid; `held` in the JSON
// whether every target was met.

const DRILLS: readonly Drill[] = [
  primaryKilled,
  serviceKilled,
  groupDown,
  groupsDown,
  expandShrink,
  chaos,
  hang,
  ambiguity,
  greedyMerchant,
  cancelStorm,
  contract,
  deadMerchant,
  overload,
  rollingRestart,
  rollingUpgrade,
  syncer,
  truth,
];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string' },
    rate: { type: 'string' },
    seed: { type: 'string', default: '1' },
    svg: { type: 'string' },
    png: { type: 'string' },
    json: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
  },
});

const say = (line = ''): void => {
  process.stdout.write(`${line}\n`);
};

const drill = DRILLS.find(({ name }) => name === positionals[0]);
if (drill === undefined) {
  say('npm run drill -- <name> [--seconds n] [--rate n] [--seed n] [--svg file] [--png file] [--json] [--keep]');
  for (const { name, title } of DRILLS) say(`  ${name.padEnd(16)} ${title}`);
  process.exit(positionals[0] === undefined ? 0 : 1);
}
const clock = systemClock;
const folder = mkdtempSync(join(tmpdir(), 'tillmesh-drill-'));
endWhenInterrupted(folder, values.keep);
const seed = Number(values.seed);
const beganMs = clock.monotonicMs();
try {
  const { conditions, figures, targets, lines } = await drill.run({
    seconds: Number(values.seconds ?? drill.defaults.seconds),
    rate: Number(values.rate ?? drill.defaults.rate),
    seed,
    folder,
    svgFile: resolve(values.svg ?? join('.local', 'drills', `${drill.name}.svg`)),
    ...(values.png === undefined ? {} : { pngFile: resolve(values.png) }),
    env: process.env,
    clock,
    onProgress: (line) => say(`  ${((clock.monotonicMs() - beganMs) / 1_000).toFixed(1).padStart(5)} s  ${line}`),
  });
  say();
  for (const line of lines) say(line);
  say();
  for (const target of targets)
    say(`${isHeld(target) ? '✓' : '✗'} ${target.name}: ${target.measured} (${target.op} ${target.target})`);
  const held = targets.every(isHeld);
  if (values.json) {
    const results = targets.map((target) => ({ ...target, held: isHeld(target) }));
    say(JSON.stringify({ name: drill.name, seed, conditions, figures, targets: results, held }));
  }
} catch (error) {
  say(error instanceof Error ? (error.stack ?? error.message) : String(error));
  process.exitCode = 1;
} finally {
  if (values.keep) say(`data and logs: ${folder}`);
  else rmSync(folder, { recursive: true, force: true });
}
process.exit();
