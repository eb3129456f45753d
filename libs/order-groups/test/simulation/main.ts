import { parseArgs } from 'node:util';
import { addTallies, simulateInThreads } from './in-threads.ts';
import { MUTANTS } from './mutants.ts';
import { emptyTally, type Tally } from './simulate.ts';

// npm run simulate -- bounce [--schedules n] [--seed n] [--threads n] [--seconds-a-mutant n] [--no-mutants] [--json]
// Plays the real protocol over modelled groups. Seeds are `--seed` and those that follow; a seed that breaks the promise is printed
// and plays again by `--seed that --schedules 1`. With --json one JSON object is the last line.

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    schedules: { type: 'string', default: '200000' },
    seed: { type: 'string', default: '1' },
    threads: { type: 'string', default: '2' },
    'seconds-a-mutant': { type: 'string', default: '60' },
    'no-mutants': { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});

const say = (line = ''): void => {
  process.stdout.write(`${line}\n`);
};

if (positionals[0] !== 'bounce') {
  say(
    'npm run simulate -- bounce [--schedules n] [--seed n] [--threads n] [--seconds-a-mutant n] [--no-mutants] [--json]',
  );
  process.exit(positionals[0] === undefined ? 0 : 1);
}

const seed = Number(values.seed);
const schedules = Number(values.schedules);
const threads = Number(values.threads);
const secondsMax = Number(values['seconds-a-mutant']);
for (const [name, value] of Object.entries({ seed, schedules, threads, 'seconds-a-mutant': secondsMax })) {
  if (Number.isSafeInteger(value) && value >= 1) continue;
  say(`--${name} has to be a whole number of at least 1`);
  process.exit(1);
}

/** So many schedules between two lines of progress. */
const ROUND = 50_000;

const share = (part: number, of: number): string => `${((part / Math.max(1, of)) * 100).toFixed(1)} %`;

const beganMs = performance.now();
const elapsed = (): string => `${((performance.now() - beganMs) / 1_000).toFixed(0)} s`;

say(`The protocol over modelled groups: ${schedules} schedules from seed ${seed} on, ${threads} threads.`);
let tally: Tally = emptyTally();
while (tally.schedules < schedules) {
  const size = Math.min(ROUND, schedules - tally.schedules);
  const round = await simulateInThreads({ firstSeed: seed + tally.schedules, schedules: size }, threads);
  tally = addTallies([tally, round]);
  say(
    `  ${elapsed().padStart(7)}  ${tally.schedules} schedules, ${share(tally.paid, tally.numbers)} of ${tally.numbers} numbers paid once, ` +
      `two payable ${tally.twoPayable}, taken back ${tally.takenBack}, undecided ${tally.undecided}`,
  );
}
if (tally.firstBad !== undefined) say(`✗ the first seed that breaks the promise: ${tally.firstBad}`);

type Found = {
  readonly what: string;
  readonly seed: number | undefined;
  readonly schedules: number;
  readonly seconds: number;
};
const found: Found[] = [];
if (!values['no-mutants']) {
  say('\nKnown-bad variants, each until it is found:');
  for (const [mutant, { what }] of MUTANTS.entries()) {
    const fromMs = performance.now();
    const end = await simulateInThreads(
      { firstSeed: seed, schedules: 10_000_000, mutant, untilBad: true, secondsMax },
      threads,
    );
    const seconds = (performance.now() - fromMs) / 1_000;
    found.push({ what, seed: end.firstBad, schedules: end.schedules, seconds });
    const result = end.firstBad === undefined ? '✗ not found' : `✓ seed ${end.firstBad}`;
    say(
      `  ${result.padEnd(18)} ${String(end.schedules).padStart(8)} schedules ${seconds.toFixed(1).padStart(6)} s  ${what}`,
    );
  }
}

const targets = [
  { name: 'numbers with two payable orders', measured: tally.twoPayable, op: '==', target: 0 },
  { name: 'payable orders that were taken back', measured: tally.takenBack, op: '==', target: 0 },
  { name: 'numbers that no repeat decides', measured: tally.undecided, op: '==', target: 0 },
  ...(values['no-mutants']
    ? []
    : [
        {
          name: `known-bad variants not found within ${secondsMax} s`,
          measured: found.filter((each) => each.seed === undefined).length,
          op: '==',
          target: 0,
        },
      ]),
].map((target) => ({ ...target, held: target.measured === target.target }));
say();
for (const { name, measured, held } of targets) say(`${held ? '✓' : '✗'} ${name}: ${measured}`);
if (values.json) {
  const { firstBad: _firstBad, ...figures } = tally;
  const conditions = { threads, schedules, mutants: found.length, node: process.version };
  const held = targets.every((target) => target.held);
  say(JSON.stringify({ name: 'bounce', seed, conditions, figures, mutants: found, targets, held }));
}
