import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { type Clock, seededRandom } from '@tillmesh/clock';
import { startMesh } from '@tillmesh/local-mesh';
import type { LocalGroup } from '@tillmesh/local-stack';
import type { Drill } from './drill.ts';
import { useMovedOrders } from './orders/after-move.ts';
import { createGroupsCommand } from './orders/groups-command.ts';
import { bookTargets, readOrderBooks } from './orders/order-books.ts';
import { startOrderLoad } from './orders/order-load.ts';
import { bySeconds, terminalChart } from './orders/second-chart.ts';
import { startSecondOrderStore } from './orders/second-order-store.ts';
import { svgChart } from './orders/svg-chart.ts';
import { createMarks } from './second-table.ts';

const ANSWER_MS_MAX = 1_000;
const WAIT_MS_MAX = 60_000;
const READS_PER_ORDER = 0.5;
/** Groups that come and go, and where their orders go. */
const COMING = [
  { tag: 4, successor: 1 },
  { tag: 5, successor: 2 },
] as const;
const LOOK_EVERY_MS = 5;

/** How many orders of a group a move has copied; 0 before it has begun. */
const copiedOf = (target: LocalGroup, source: number): Promise<number> =>
  target.primary().administer(async (connection) => {
    await connection.query(`USE ${target.database}`);
    const [rows] = await connection.query(`SELECT copied FROM group_move WHERE source_tag = ${source}`);
    const [row] = Array.isArray(rows) ? rows : [];
    return typeof row === 'object' && row !== null && 'copied' in row ? Number(row.copied) : 0;
  });

/** Waits until a move has copied something, and kills it there. Undefined where it ended before. */
const killMidway = async (inputs: {
  readonly started: ReturnType<ReturnType<typeof createGroupsCommand>['start']>;
  readonly target: LocalGroup;
  readonly source: number;
  readonly clock: Clock;
}): Promise<number | undefined> => {
  const { started, target, source, clock } = inputs;
  let hasEnded = false;
  const ended = started.ended.then(() => {
    hasEnded = true;
  });
  let copied = 0;
  while (copied === 0 && !hasEnded) {
    await clock.sleep(LOOK_EVERY_MS);
    copied = await copiedOf(target, source);
  }
  if (hasEnded) return undefined;
  started.child.kill('SIGKILL');
  await ended;
  return copied;
};

/**
 * Two groups come and take their share of new orders; then they are closed, their orders go to groups that stay, the process that moves
 * them is killed once in the middle, and their servers are stopped; all under load.
 */
export const expandShrink: Drill = {
  name: 'expand-shrink',
  title: '3 groups become 5 and 3 again under load; every order is where its number leads',
  defaults: { seconds: 90, rate: 50 },
  run: async ({ seconds, rate, seed, folder, svgFile, env, clock, onProgress }) => {
    const mesh = await startMesh({ folder, env, clock, services: ['order-store'], logLevel: 'warn', onProgress });
    const second = await startSecondOrderStore(mesh, env, clock);
    try {
      const target = `ipv4:${mesh.address('order-store')},${second.address}`;
      const random = seededRandom(seed);
      const load = startOrderLoad({
        target,
        rate,
        readRate: rate * READS_PER_ORDER,
        readOfLast: Number.POSITIVE_INFINITY,
        twins: 0.1,
        paid: 0.5,
        random,
        clock,
      });
      const { marks, mark } = createMarks(load.sinceBegin, onProgress);
      const groups = createGroupsCommand(mesh, env, clock);
      const groupOf = (tag: number): LocalGroup => {
        const group = mesh.stack.groups.find((candidate) => candidate.tag === tag);
        if (group === undefined) throw new Error(`there is no group ${tag}`);
        return group;
      };
      const partMs = (seconds * 1_000) / 4;
      await clock.sleep(partMs / 2);

      for (const { tag } of COMING) {
        const { nodes } = await mesh.stack.addGroup(tag);
        const addresses = nodes.map(({ host, port }) => `${host}:${port}`).join(',');
        await groups.run(['add', String(tag), '--nodes', addresses, '--reason', 'a drill expands']);
        mark(`group ${tag} takes orders`);
      }
      await clock.sleep(partMs * 2);

      let killedAfter: number | undefined;
      const moved: string[] = [];
      for (const { tag, successor } of COMING) {
        await groups.run(['close', String(tag)]);
        mark(`group ${tag} is closed`);
        const words = ['migrate', String(tag), '--to', String(successor)];
        if (killedAfter === undefined) {
          const started = groups.start(words);
          killedAfter = await killMidway({ started, target: groupOf(successor), source: tag, clock });
          mark(`kill -9 of the move of group ${tag} after ${killedAfter ?? 'all'} orders`);
        }
        moved.push(...(await groups.run(words)).split('\n').filter((line) => line !== ''));
        mark(`the orders of group ${tag} are in group ${successor}`);
      }
      for (const { tag } of COMING) {
        await groups.run(['retire', String(tag), '--now']);
        await mesh.stack.removeGroup(tag);
        mark(`the servers of group ${tag} are stopped`);
      }
      await clock.sleep(partMs / 2);
      const came = load.samples.filter(({ groupTag }) => COMING.some(({ tag }) => tag === groupTag));
      const movedOrders = came.filter(({ grants }) => grants.length > 0);
      await clock.sleep(partMs / 2);
      const lastedMs = load.sinceBegin();
      await load.end(WAIT_MS_MAX);
      onProgress('no more orders; using those that have moved');
      const after = await useMovedOrders(target, movedOrders, { clock, token: random.hex(6) });
      const books = await readOrderBooks(mesh.stack.groups, load.samples, clock);

      const chart = bySeconds(load.samples, load.reads, marks, ANSWER_MS_MAX);
      const tags = [...new Set([...mesh.stack.groups.map(({ tag }) => tag), ...COMING.map(({ tag }) => tag)])];
      const refused = load.samples.flatMap(({ merchantOrderNo, errors }) =>
        errors.map((error) => `${merchantOrderNo}: ${error}`),
      );
      const late = load.samples.filter(({ firstTookMs }) => firstTookMs > ANSWER_MS_MAX).length;
      const readsFailed = load.reads.filter(({ error }) => error !== undefined);
      const readsOfMoved = load.reads.filter(({ groupTag }) => COMING.some(({ tag }) => tag === groupTag));
      const unanswered = load.samples.filter(({ orderNo }) => orderNo === undefined).length;
      const closedMs = moved.flatMap((line) => /no changes for (\d+) ms/.exec(line)?.[1] ?? []).map(Number);
      mkdirSync(dirname(svgFile), { recursive: true });
      writeFileSync(svgFile, svgChart('3 groups become 5 and 3 again', chart, tags, ANSWER_MS_MAX));
      const none = { op: '==', target: 0 } as const;
      return {
        conditions: { seconds: Math.round(lastedMs / 1_000), rate, groups: '3 → 5 → 3', order_stores: 2 },
        figures: {
          orders: load.samples.length,
          orders_of_groups_that_came: came.length,
          reads: load.reads.length,
          reads_of_groups_that_came: readsOfMoved.length,
          slowest_ms: Math.round(Math.max(...load.samples.map(({ firstTookMs }) => firstTookMs))),
          closed_for_changes_ms: Math.max(0, ...closedMs),
          commands_run_again: groups.repeats(),
          copied_before_kill: killedAfter ?? 0,
          moved_read: after.read,
          moved_repeated: after.repeated,
          moved_paid: after.paid,
          moved_refunded: after.refunded,
          rows: books.orders,
        },
        targets: [
          { name: 'requests that failed', measured: refused.length, ...none },
          { name: 'new orders answered later than 1 s', measured: late, ...none },
          { name: 'orders without an answer in the end', measured: unanswered, ...none },
          { name: 'reads by number that failed', measured: readsFailed.length, ...none },
          { name: 'orders taken by the groups that came', measured: came.length, op: '>=', target: 1 },
          { name: 'moves killed in the middle', measured: killedAfter === undefined ? 0 : 1, op: '==', target: 1 },
          {
            name: 'moved orders that cannot be read, repeated, paid and refunded',
            measured: after.wrong.length,
            ...none,
          },
          { name: 'orders in the groups that are left', measured: books.orders, op: '>=', target: books.answered },
          ...bookTargets(books),
        ],
        lines: [
          ...terminalChart(chart, tags, ANSWER_MS_MAX),
          `the curve as a picture: ${svgFile}`,
          ...moved,
          ...refused.slice(0, 10).map((line) => `✗ ${line}`),
          ...readsFailed
            .slice(0, 10)
            .map(({ atMs, groupTag, error }) => `✗ at ${Math.round(atMs)} ms: read in group ${groupTag}: ${error}`),
          ...after.wrong.slice(0, 10).map((line) => `✗ ${line}`),
          ...books.complaints.map((complaint) => `✗ ${complaint}`),
        ],
      };
    } finally {
      await second.stop();
      await mesh.stop();
    }
  },
};
