import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createChannelHttp } from '@tillmesh/channel-kit';
import { seededRandom } from '@tillmesh/clock';
import { freePorts, startTcpProxy } from '@tillmesh/local-stack';
import { createLog } from '@tillmesh/telemetry';
import { percentile } from '../drills/channels/hang-phase.ts';
import { type Bench, type BenchOptions, median, spread } from './bench.ts';

/** What a healthy channel takes, ms. */
const CHANNEL_MS = 20;
const CALLS_PER_SECOND = 200;
const CALL_MS_MAX = 10_000;

type State = 'both healthy' | 'one black-holed' | 'black-holed on the way';
const STATES: readonly State[] = ['both healthy', 'one black-holed', 'black-holed on the way'];

type Measured = { readonly p50: number; readonly p99: number; readonly unanswered: number; readonly calls: number };

/** A channel behind two domains, as a switch before each makes it. */
const openChannel = async ({ clock }: BenchOptions) => {
  const server = createServer((_request, response) => void clock.after(CHANNEL_MS, () => response.end('well')));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const ports = await freePorts(2);
  const domains = await Promise.all(ports.map((own) => startTcpProxy({ clock, port: own, targetPort: () => port })));
  return {
    domains,
    close: async () => {
      await Promise.all(domains.map((domain) => domain.close()));
      server.closeAllConnections();
      server.close();
    },
  };
};

/** Calls at a steady rate, whether or not earlier ones are answered. */
const measure = async (state: State, options: BenchOptions): Promise<Measured> => {
  const { clock, seconds, seed } = options;
  const channel = await openChannel(options);
  const [first] = channel.domains;
  if (first === undefined) throw new Error('there are no domains');
  const baseUrls = channel.domains.map(({ port }) => `http://127.0.0.1:${port}`);
  if (state === 'one black-holed') await first.set({ kind: 'cut' });
  const http = createChannelHttp({
    channelId: 'bench',
    hosts: baseUrls.map((baseUrl) => ({ baseUrl })),
    domains: {
      groups: [baseUrls],
      probePath: '/',
      random: seededRandom(seed),
      log: createLog('bench', 'silent'),
    },
    limits: {
      connectionsMax: 64,
      waitingMax: 1_024,
      connectTimeoutMs: 1_000,
      headersTimeoutMs: CALL_MS_MAX,
      bodyTimeoutMs: 5_000,
      keepAliveMs: 4_000,
      answerBytesMax: 10_000,
    },
    clock,
  });
  const took: number[] = [];
  let unanswered = 0;
  const call = async (): Promise<void> => {
    const beganMs = clock.monotonicMs();
    const { kind } = await http.send({
      baseUrl: baseUrls[0] ?? '',
      method: 'GET',
      path: '/order',
      pathTemplate: '/order',
      headers: {},
      repeatable: true,
      signal: AbortSignal.timeout(CALL_MS_MAX),
    });
    took.push(clock.monotonicMs() - beganMs);
    if (kind !== 'answered') unanswered += 1;
  };
  try {
    // The first race, and sockets.
    await clock.sleep(500);
    await Promise.all(Array.from({ length: 20 }, call));
    took.length = 0;
    const beganMs = clock.monotonicMs();
    const calls: Promise<void>[] = [];
    let isCut = false;
    for (let due = 0; due < seconds * CALLS_PER_SECOND; due += 1) {
      const waitMs = beganMs + (due * 1_000) / CALLS_PER_SECOND - clock.monotonicMs();
      if (waitMs > 0) await clock.sleep(waitMs);
      if (state === 'black-holed on the way' && !isCut && due >= (seconds * CALLS_PER_SECOND) / 2) {
        isCut = true;
        await first.set({ kind: 'cut' });
      }
      calls.push(call());
    }
    await Promise.all(calls);
    return { p50: percentile(took, 0.5), p99: percentile(took, 0.99), unanswered, calls: took.length };
  } finally {
    await http.close();
    await channel.close();
  }
};

/** What one of a channel's two domains costs callers that is away. */
export const domains: Bench = {
  name: 'domains',
  title: "a channel's two domains: latency with one of them black-holed, against both healthy",
  defaults: { rounds: 5, seconds: 10 },
  run: async (options) => {
    const figures = new Map(STATES.map((state) => [state, [] as Measured[]]));
    for (let round = 1; round <= options.rounds; round += 1) {
      for (const state of STATES) {
        const measured = await measure(state, options);
        figures.get(state)?.push(measured);
        options.onProgress(
          `round ${round}, ${state}: p99 ${measured.p99.toFixed(1)} ms, ${measured.unanswered} unanswered`,
        );
      }
    }
    const of = (state: State, figure: keyof Measured) => (figures.get(state) ?? []).map((measured) => measured[figure]);
    const ratios = (state: State, figure: 'p50' | 'p99') =>
      of(state, figure).map((value, round) => value / (of('both healthy', figure)[round] ?? Number.NaN));
    const target = (state: State, limit: number) => ({
      name: `p99 ${state}, against both healthy`,
      measured: Number(median(ratios(state, 'p99')).toFixed(3)),
      op: '<=' as const,
      target: limit,
    });
    return {
      conditions: {
        rounds: options.rounds,
        seconds: options.seconds,
        calls_per_second: CALLS_PER_SECOND,
        channel_ms: CHANNEL_MS,
      },
      figures: Object.fromEntries(
        STATES.flatMap((state) => {
          const name = state.replaceAll(/\W/g, '_');
          return [
            [`${name}_p50_ms`, Number(median(of(state, 'p50')).toFixed(2))],
            [`${name}_p99_ms`, Number(median(of(state, 'p99')).toFixed(2))],
            [`${name}_unanswered`, of(state, 'unanswered').reduce((sum, each) => sum + each, 0)],
          ];
        }),
      ),
      targets: [
        target('one black-holed', 1.2),
        {
          name: 'calls without an answer',
          measured: STATES.flatMap((state) => of(state, 'unanswered')).reduce((sum, each) => sum + each, 0),
          op: '==',
          target: 0,
        },
      ],
      lines: STATES.map(
        (state) =>
          `${state.padEnd(24)} p50 ${spread(of(state, 'p50'))} ms, p99 ${spread(of(state, 'p99'))} ms; p99 against both healthy ${spread(ratios(state, 'p99'))}`,
      ),
    };
  },
};
