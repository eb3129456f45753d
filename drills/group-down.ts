import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { seededRandom } from '@tillmesh/clock';
import { startMesh } from '@tillmesh/local-mesh';
import type { Drill, Target } from './drill.ts';
import { bringBack, GROUP_FAULTS, type GroupFault } from './orders/group-faults.ts';
import { type GroupWatch, watchGroups } from './orders/group-watch.ts';
import { bookTargets, readOrderBooks } from './orders/order-books.ts';
import { type OrderLoad, startOrderLoad } from './orders/order-load.ts';
import { bySeconds, successOf, terminalChart } from './orders/second-chart.ts';
import { svgChart } from './orders/svg-chart.ts';
import { createMarks } from './second-table.ts';

/** An order that is answered later has failed, whatever the answer says (W11). */
const ANSWER_MS_MAX = 1_000;
const SUCCESS_MIN = 0.9999;
const AVOIDED_MS_MAX = 1_500;
const READMITTED_MS_MAX = 5_000;
/** A fault, its promotion, and the former primary's return take so long each at this rate and on two cores. */
const WAIT_MS_MAX = 60_000;
const READS_PER_ORDER = 0.5;

type Phase = {
  readonly fault: string;
  readonly groupTag: number;
  readonly avoidedAfterMs: number;
  readonly promotedInMs: number;
  /** From the moment at which the new primary took writes. */
  readonly readmittedAfterMs: number;
  readonly back: string;
};

/** One fault of one group's primary, from the fault to the former primary's return. */
const suffer = async (inputs: {
  readonly fault: GroupFault;
  readonly groupTag: number;
  readonly mesh: Awaited<ReturnType<typeof startMesh>>;
  readonly load: OrderLoad;
  readonly watch: GroupWatch;
  readonly downMs: number;
  readonly mark: (text: string) => void;
  readonly sleep: (ms: number) => Promise<void>;
}): Promise<Phase> => {
  const { fault, groupTag, mesh, load, watch, downMs, mark, sleep } = inputs;
  const group = mesh.stack.groups.find(({ tag }) => tag === groupTag);
  if (group === undefined) throw new Error(`there is no group ${groupTag}`);
  const former = group.primary();
  mark(`${fault.does} ${former.name}`);
  const faultAtMs = load.sinceBegin();
  await fault.begin(former);
  await watch.await(groupTag, true, WAIT_MS_MAX);
  const avoidedAtMs = watch.turns.findLast((turn) => turn.groupTag === groupTag && turn.isAvoided)?.atMs ?? Number.NaN;
  await sleep(Math.max(0, faultAtMs + downMs - load.sinceBegin()));

  mark('promotion');
  const promotionAtMs = load.sinceBegin();
  const promotion = await group.promote();
  const writableAtMs = promotionAtMs + (promotion.writableAfterMs ?? Number.NaN);
  await watch.await(groupTag, false, WAIT_MS_MAX);
  const readmittedAtMs =
    watch.turns.findLast((turn) => turn.groupTag === groupTag && !turn.isAvoided)?.atMs ?? Number.NaN;
  mark(`${promotion.primary} takes orders`);
  await sleep(1_000);
  await fault.fence(former);
  const back = await bringBack(group, former);
  mark(`${former.name} ${back}`);
  return {
    fault: fault.name,
    groupTag,
    avoidedAfterMs: Math.round(avoidedAtMs - faultAtMs),
    promotedInMs: Math.round(promotion.writableAfterMs ?? Number.NaN),
    readmittedAfterMs: Math.round(readmittedAtMs - writableAtMs),
    back,
  };
};

/**
 * The primary of one group after the other is killed, frozen, and cut off, while new orders come; each time a replica is promoted and the
 * former primary comes back.
 */
export const groupDown: Drill = {
  name: 'group-down',
  title: 'the primary of one group is killed, frozen and cut off, each with a promotion, while orders go on',
  defaults: { seconds: 75, rate: 60 },
  run: async ({ seconds, rate, seed, folder, svgFile, env, clock, onProgress }) => {
    const mesh = await startMesh({
      folder,
      env,
      clock,
      services: ['order-store'],
      proxies: true,
      logLevel: 'warn',
      onProgress,
    });
    try {
      const target = mesh.address('order-store');
      const tags = mesh.stack.groups.map(({ tag }) => tag);
      const load = startOrderLoad({
        target,
        rate,
        readRate: rate * READS_PER_ORDER,
        twins: 0,
        paid: 0.5,
        random: seededRandom(seed),
        clock,
      });
      const watch = watchGroups(target, clock, load.sinceBegin);
      const { marks, mark } = createMarks(load.sinceBegin, onProgress);
      // A share for each fault: some of it before, when everything is well, the rest while the group is down.
      const shareMs = (seconds * 1_000) / GROUP_FAULTS.length;
      const phases: Phase[] = [];
      for (const [place, fault] of GROUP_FAULTS.entries()) {
        await clock.sleep(shareMs * 0.2);
        const groupTag = tags[place % tags.length] ?? 0;
        const sleep = (ms: number) => clock.sleep(ms);
        phases.push(await suffer({ fault, groupTag, mesh, load, watch, downMs: shareMs * 0.3, mark, sleep }));
      }
      await clock.sleep(shareMs * 0.2);
      const lastedMs = load.sinceBegin();
      await load.end(WAIT_MS_MAX);
      watch.close();
      onProgress('no more orders; waiting for the sweep');
      const books = await readOrderBooks(mesh.stack.groups, load.samples, clock);

      const chart = bySeconds(load.samples, load.reads, marks, ANSWER_MS_MAX);
      const worst = Math.min(...chart.map(successOf));
      const failed = load.samples.filter(
        ({ firstError, firstTookMs }) => firstError !== undefined || firstTookMs > ANSWER_MS_MAX,
      );
      const reads = load.reads.filter(({ error }) => error !== undefined);
      mkdirSync(dirname(svgFile), { recursive: true });
      const title = `One group after the other loses its primary: ${GROUP_FAULTS.map(({ name }) => name).join(', ')}`;
      writeFileSync(svgFile, svgChart(title, chart, tags, ANSWER_MS_MAX));

      const phaseTargets = phases.flatMap(({ fault, avoidedAfterMs, readmittedAfterMs }): Target[] => [
        { name: `${fault}: avoided after, ms`, measured: avoidedAfterMs, op: '<=', target: AVOIDED_MS_MAX },
        {
          name: `${fault}: takes orders again after it is writable, ms`,
          measured: readmittedAfterMs,
          op: '<=',
          target: READMITTED_MS_MAX,
        },
      ]);
      return {
        conditions: { seconds: Math.round(lastedMs / 1_000), rate, groups: tags.length },
        figures: {
          orders: load.samples.length,
          failed_first_tries: failed.length,
          worst_second_success: worst,
          slowest_ms: Math.round(Math.max(...load.samples.map(({ firstTookMs }) => firstTookMs))),
          reads: load.reads.length,
          reads_by_replicas: load.reads.filter(({ fromReplica }) => fromReplica).length,
          reads_failed: reads.length,
          ...Object.fromEntries(
            phases.flatMap(({ fault, avoidedAfterMs, promotedInMs, readmittedAfterMs }) => [
              [`${fault}_avoided_after_ms`, avoidedAfterMs],
              [`${fault}_promoted_in_ms`, promotedInMs],
              [`${fault}_readmitted_after_ms`, readmittedAfterMs],
            ]),
          ),
          rows: books.orders,
          lost: books.lost,
        },
        targets: [
          { name: 'success of new orders in the worst second', measured: worst, op: '>=', target: SUCCESS_MIN },
          { name: 'reads by number that failed', measured: reads.length, op: '==', target: 0 },
          ...phaseTargets,
          ...bookTargets(books),
        ],
        lines: [
          ...terminalChart(chart, tags, ANSWER_MS_MAX),
          `the curve as a picture: ${svgFile}`,
          ...failed
            .slice(0, 10)
            .map(
              ({ atMs, merchantId, merchantOrderNo, firstTookMs, firstError }) =>
                `✗ at ${Math.round(atMs)} ms: ${merchantId}/${merchantOrderNo} ${firstError ?? 'late'} after ${Math.round(firstTookMs)} ms`,
            ),
          ...reads
            .slice(0, 10)
            .map(({ atMs, groupTag, error }) => `✗ at ${Math.round(atMs)} ms: read in group ${groupTag}: ${error}`),
          ...books.complaints.map((complaint) => `✗ ${complaint}`),
        ],
      };
    } finally {
      await mesh.stop();
    }
  },
};
