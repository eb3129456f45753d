import { createLane, type Lane } from '@tillmesh/lane';
import { bulkhead, ConsecutiveBreaker, circuitBreaker, handleAll, TimeoutStrategy, timeout, wrap } from 'cockatiel';
import CircuitBreaker from 'opossum';
import { type Bench, type BenchOptions, median, spread } from './bench.ts';

/** Calls between two looks at the clock. */
const CALLS_AT_ONCE = 2_000;
const PLACES = 64;
const TIMEOUT_MS = 30_000;

type Contender = {
  readonly name: string;
  /** A call that goes through, and one that is refused because all places are taken. */
  readonly call: () => Promise<unknown>;
  readonly refused: () => Promise<unknown>;
  readonly end: () => void;
};

const work = async (): Promise<number> => 7;
const ignore = (): undefined => undefined;

/** Calls that hold every place until they are let go. */
const hold = (places: number, call: (held: () => Promise<void>) => Promise<unknown>): (() => void) => {
  const end = Promise.withResolvers<void>();
  for (let place = 0; place < places; place += 1) call(() => end.promise).catch(ignore);
  return () => end.resolve();
};

const aLane = (name: string, concurrentMax: number, { clock }: BenchOptions): Lane =>
  createLane(
    { name, concurrentMax, queuedMax: 0, queueWaitMsMax: 0, timeoutMs: TIMEOUT_MS, halfOpenAfterMs: 1_000 },
    clock,
  );

const ourLane = (options: BenchOptions): Contender => {
  const lane = aLane('bench', PLACES, options);
  const full = aLane('bench-full', 1, options);
  const call = { merchant: 'merchant-1', budgetMs: TIMEOUT_MS };
  const end = hold(1, (held) => full.run(held));
  return { name: 'lane', call: () => lane.run(work, call), refused: () => full.run(work, call).catch(ignore), end };
};

const cockatielsWrap = (): Contender => {
  const breaker = () => circuitBreaker(handleAll, { halfOpenAfter: 1_000, breaker: new ConsecutiveBreaker(10) });
  const policyOf = (places: number) =>
    wrap(bulkhead(places, 0), breaker(), timeout(TIMEOUT_MS, TimeoutStrategy.Cooperative));
  const policy = policyOf(PLACES);
  const full = policyOf(1);
  const end = hold(1, (held) => full.execute(held));
  return {
    name: 'cockatiel wrap(bulkhead, breaker, timeout)',
    call: () => policy.execute(work),
    refused: () => full.execute(work).catch(ignore),
    end,
  };
};

const opossums = (): Contender => {
  const breaker = new CircuitBreaker(work, { timeout: TIMEOUT_MS, capacity: PLACES });
  const release = Promise.withResolvers<void>();
  const full = new CircuitBreaker(() => release.promise, { timeout: TIMEOUT_MS, capacity: 1, volumeThreshold: 1e9 });
  full.fire().catch(ignore);
  return {
    name: 'opossum',
    call: () => breaker.fire(),
    refused: () => full.fire().catch(ignore),
    end: () => {
      release.resolve();
      breaker.shutdown();
      full.shutdown();
    },
  };
};

const alone = (): Contender => ({ name: 'the work alone', call: work, refused: work, end: ignore });

type Cost = { readonly nanos: number; readonly bytes: number };

/** Calls one after the other for so long. Bytes are those that the heap has grown by; 0 where a collection came in between. */
const measure = async (call: () => Promise<unknown>, forMs: number): Promise<Cost> => {
  const beganMs = performance.now();
  let calls = 0;
  let bytes = 0;
  let measured = 0;
  while (performance.now() - beganMs < forMs) {
    const before = process.memoryUsage().heapUsed;
    for (let n = 0; n < CALLS_AT_ONCE; n += 1) await call();
    const grown = process.memoryUsage().heapUsed - before;
    calls += CALLS_AT_ONCE;
    if (grown > 0) {
      bytes += grown;
      measured += CALLS_AT_ONCE;
    }
  }
  return {
    nanos: ((performance.now() - beganMs) * 1e6) / calls,
    bytes: measured === 0 ? Number.NaN : bytes / measured,
  };
};

type Rounds = { readonly call: Cost[]; readonly refused: Cost[] };

/** What a lane adds to a call, beside the libraries. */
export const lane: Bench = {
  name: 'lane',
  title: 'ns and bytes of a call through a lane, and of a refusal, beside cockatiel and opossum',
  defaults: { rounds: 7, seconds: 1 },
  run: async (options) => {
    const { rounds, seconds, onProgress } = options;
    const contenders = [alone(), ourLane(options), cockatielsWrap(), opossums()];
    const costs = new Map<string, Rounds>(contenders.map(({ name }) => [name, { call: [], refused: [] }]));
    const costOf = (name: string): Rounds => costs.get(name) ?? { call: [], refused: [] };
    // Half of the time for each; the first round warms up and is not counted.
    const forMs = (seconds * 1_000) / 2;
    for (let round = 0; round <= rounds; round += 1) {
      const order = round % 2 === 0 ? contenders : contenders.toReversed();
      for (const { name, call, refused } of order) {
        const own = { call: await measure(call, forMs), refused: await measure(refused, forMs) };
        if (round === 0) continue;
        costOf(name).call.push(own.call);
        costOf(name).refused.push(own.refused);
      }
      onProgress(`round ${round} of ${rounds}`);
    }
    for (const { end } of contenders) end();
    const nanosOf = (name: string, what: keyof Rounds) => costOf(name)[what].map(({ nanos }) => nanos);
    const bytesOf = (name: string, what: keyof Rounds) =>
      costOf(name)
        [what].map(({ bytes }) => bytes)
        .filter((bytes) => !Number.isNaN(bytes));
    const wrapName = 'cockatiel wrap(bulkhead, breaker, timeout)';
    const times = nanosOf(wrapName, 'call').map(
      (nanos, round) => nanos / (nanosOf('lane', 'call')[round] ?? Number.NaN),
    );
    const row = (cells: readonly string[]) =>
      cells.map((cell, at) => (at === 0 ? cell.padEnd(44) : cell.padStart(26))).join('');
    return {
      conditions: { rounds, seconds, places: PLACES },
      figures: Object.fromEntries(
        contenders.flatMap(({ name }) =>
          (['call', 'refused'] as const).flatMap((what) => [
            [`${name} ${what} ns`, Math.round(median(nanosOf(name, what)))],
            [`${name} ${what} bytes`, Math.round(median(bytesOf(name, what)))],
          ]),
        ),
      ),
      lines: [
        row([
          'median (least to most) of the rounds',
          'a call, ns',
          'a refusal, ns',
          'a call, bytes',
          'a refusal, bytes',
        ]),
        ...contenders.map(({ name }) =>
          row([
            name,
            spread(nanosOf(name, 'call'), 0),
            spread(nanosOf(name, 'refused'), 0),
            spread(bytesOf(name, 'call'), 0),
            spread(bytesOf(name, 'refused'), 0),
          ]),
        ),
        '',
        'The lane counts and times each call, shares among merchants and watches for stalls; cockatiel does none of these, opossum counts.',
      ],
      targets: [
        {
          name: 'a call through the lane, ns',
          measured: Math.round(median(nanosOf('lane', 'call'))),
          op: '<=',
          target: 4_000,
        },
        { name: 'a refusal, ns', measured: Math.round(median(nanosOf('lane', 'refused'))), op: '<=', target: 2_000 },
        {
          name: 'cheaper than cockatiel’s wrap, times',
          measured: Number(median(times).toFixed(1)),
          op: '>=',
          target: 3,
        },
      ],
    };
  },
};
