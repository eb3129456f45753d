import { systemRandom } from '@tillmesh/clock';
import { Secret } from '@tillmesh/config';
import { type LocalStack, startLocalStack } from '@tillmesh/local-stack';
import { migrateGroup, type OrderGroups } from '@tillmesh/order-groups';
import { type Bench, type BenchOptions, median, spread } from './bench.ts';
import { mapOf, newPayment, openGroups } from './bench-orders.ts';
import { openRawInserts, type RawInserts } from './raw-inserts.ts';
import { cpuOf, replicasCaughtUp } from './server-load.ts';

const TAGS = [1, 2, 3];
/** Callers at once of the single-row measurements: as many as the raw driver has connections. */
const CALLERS = 48;
/** Callers at once where orders gather: a batch needs somebody to wait. */
const BATCH_CALLERS = 384;
const BATCH_ROWS = 32;

type Measured = {
  /** Acknowledged a second, until the replicas have executed everything. */
  readonly sustained: number;
  /** Acknowledged a second. */
  readonly acknowledged: number;
  /** CPU of this process for one, ms. */
  readonly nodeMs: number;
  /** CPU of all database servers for one, ms. */
  readonly serversMs: number;
};

/** Runs `work` by so many callers at once for a time, and measures until the replicas have caught up. */
const measure = async (
  stack: LocalStack,
  { seconds, clock }: BenchOptions,
  callers: number,
  work: (caller: number) => Promise<void>,
): Promise<Measured> => {
  const serversBefore = cpuOf(stack);
  const nodeBefore = process.cpuUsage();
  const beganMs = clock.monotonicMs();
  const endMs = beganMs + seconds * 1_000;
  let done = 0;
  await Promise.all(
    Array.from({ length: callers }, async (_, caller) => {
      while (clock.monotonicMs() < endMs) {
        await work(caller);
        done += 1;
      }
    }),
  );
  const acknowledgedMs = clock.monotonicMs() - beganMs;
  const node = process.cpuUsage(nodeBefore);
  await replicasCaughtUp(stack);
  const sustainedMs = clock.monotonicMs() - beganMs;
  return {
    acknowledged: (done / acknowledgedMs) * 1_000,
    sustained: (done / sustainedMs) * 1_000,
    nodeMs: (node.user + node.system) / 1_000 / done,
    serversMs: (cpuOf(stack) - serversBefore) / done,
  };
};

const createBy = (groups: OrderGroups, clock: BenchOptions['clock']) => {
  let number = 0;
  return async (): Promise<void> => {
    number += 1;
    const created = await groups.create(newPayment(number, clock.nowMs()));
    if (created.kind !== 'payable') throw new Error(`an order of the bench was not payable: ${created.kind}`);
  };
};

const runRounds = async (
  stack: LocalStack,
  raw: RawInserts,
  single: OrderGroups,
  batched: OrderGroups,
  options: BenchOptions,
) => {
  const { rounds, onProgress, clock } = options;
  const createSingle = createBy(single, clock);
  const createBatched = createBy(batched, clock);
  const things = {
    raw: () => measure(stack, options, CALLERS, (caller) => raw.insert(caller)),
    create: () => measure(stack, options, CALLERS, createSingle),
    batched: () => measure(stack, options, BATCH_CALLERS, createBatched),
  };
  const seen = { raw: [] as Measured[], create: [] as Measured[], batched: [] as Measured[] };
  const names = Object.keys(things) as (keyof typeof things)[];
  // Caches, prepared statements and compiled code first.
  for (const name of names) await things[name]();
  for (let round = 0; round < rounds; round += 1) {
    // Each begins once: what comes first in a round is not always the same.
    for (let place = 0; place < names.length; place += 1) {
      const name = names[(round + place) % names.length] as keyof typeof things;
      seen[name].push(await things[name]());
    }
    const rates = names.map((name) => `${name} ${(seen[name].at(-1)?.sustained ?? 0).toFixed(0)}/s`);
    onProgress(`round ${round + 1} of ${rounds}: ${rates.join(', ')}`);
  }
  return seen;
};

const row = (cells: readonly string[]): string =>
  cells.map((cell, place) => (place === 0 ? cell.padEnd(26) : cell.padStart(24))).join('');

/** What it costs to write a new order, beside the driver's plain INSERT of the same row. */
export const orderCreate: Bench = {
  name: 'order-create',
  title:
    'fenced creates of orders against raw mysql2 INSERTs of the same row, on the same servers, in interleaved rounds',
  defaults: { rounds: 7, seconds: 3 },
  run: async (options) => {
    const { folder, clock, onProgress, rounds, seconds } = options;
    const stack = await startLocalStack({ folder, groupTags: TAGS, redis: false, clock, onProgress });
    const map = mapOf(stack);
    const { migrate } = stack.accounts;
    const account = { user: migrate.user, password: migrate.password.reveal(), database: 'tillmesh' };
    const rowKey = new Secret(systemRandom.hex(32));
    const opened: { close(): Promise<void> }[] = [];
    try {
      for (const group of map.groups) await migrateGroup({ group, account, clock });
      const raw = await openRawInserts(stack, CALLERS, clock);
      opened.push(raw);
      const single = await openGroups(stack, 1, clock, rowKey);
      opened.push(single);
      const batched = await openGroups(stack, BATCH_ROWS, clock, rowKey);
      opened.push(batched);
      const seen = await runRounds(stack, raw, single, batched, options);
      const ratios = (name: 'create' | 'batched', of: 'sustained' | 'acknowledged') =>
        seen[name].map((each, round) => each[of] / (seen.raw[round]?.[of] ?? Number.NaN));
      const of = (name: keyof typeof seen, what: keyof Measured) => seen[name].map((each) => each[what]);
      const figures = Object.fromEntries(
        (['raw', 'create', 'batched'] as const).flatMap((name) =>
          (['sustained', 'acknowledged', 'nodeMs', 'serversMs'] as const).map((what) => [
            `${name}_${what}`,
            Number(median(of(name, what)).toFixed(3)),
          ]),
        ),
      );
      return {
        conditions: {
          rounds,
          seconds_each: seconds,
          callers: CALLERS,
          batch_callers: BATCH_CALLERS,
          batch_rows: BATCH_ROWS,
          groups: 3,
        },
        figures,
        lines: [
          row(['', 'raw INSERT', 'create', 'create, gathered']),
          row([
            'sustained, a second',
            ...(['raw', 'create', 'batched'] as const).map((name) => spread(of(name, 'sustained'), 0)),
          ]),
          row([
            'acknowledged, a second',
            ...(['raw', 'create', 'batched'] as const).map((name) => spread(of(name, 'acknowledged'), 0)),
          ]),
          row([
            'sustained, to raw',
            '1',
            spread(ratios('create', 'sustained')),
            spread(ratios('batched', 'sustained')),
          ]),
          row([
            'acknowledged, to raw',
            '1',
            spread(ratios('create', 'acknowledged')),
            spread(ratios('batched', 'acknowledged')),
          ]),
          row([
            'CPU-ms here for one',
            ...(['raw', 'create', 'batched'] as const).map((name) => spread(of(name, 'nodeMs'), 3)),
          ]),
          row([
            'CPU-ms of servers for one',
            ...(['raw', 'create', 'batched'] as const).map((name) => spread(of(name, 'serversMs'), 3)),
          ]),
          '',
          'Sustained: until all replicas have executed everything. Medians, and between what the rounds lie.',
        ],
        targets: [
          {
            name: 'create to raw INSERT, sustained, median',
            measured: Number(median(ratios('create', 'sustained')).toFixed(3)),
            op: '>=',
            target: 0.85,
          },
          {
            name: 'gathered create to raw INSERT, sustained, median',
            measured: Number(median(ratios('batched', 'sustained')).toFixed(3)),
            op: '>=',
            target: 3,
          },
        ],
      };
    } finally {
      for (const each of opened) await each.close();
      await stack.stop();
    }
  },
};
