import { seededRandom } from '@tillmesh/clock';
import { groupTag } from '@tillmesh/domain';
import { startMesh } from '@tillmesh/local-mesh';
import type { LocalGroup } from '@tillmesh/local-stack';
import { type GroupMap, placementOf } from '@tillmesh/order-groups';
import type { Drill } from './drill.ts';
import { bringBack } from './orders/group-faults.ts';
import { watchGroups } from './orders/group-watch.ts';
import { bookTargets, readOrderBooks } from './orders/order-books.ts';
import { startOrderLoad } from './orders/order-load.ts';
import type { OrderSample } from './orders/order-till.ts';
import { bySeconds, terminalChart } from './orders/second-chart.ts';
import { createMarks } from './second-table.ts';

const DEAD_TAGS = [1, 2] as const;
const ANSWER_MS_MAX = 1_000;
const WAIT_MS_MAX = 60_000;
const READS_PER_ORDER = 0.5;
/** What was begun so shortly before a change may have seen either side of it. */
const BLUR_MS = 1_500;

type Fate = 'taken' | 'refused';
type Window = {
  readonly name: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly expect: (sample: OrderSample) => Fate;
};

const fateOf = ({ firstError }: OrderSample): Fate => (firstError === undefined ? 'taken' : 'refused');

/**
 * Two of three groups fail at once: first their primaries, then every server of theirs. What is refused is what the design says, and
 * nothing else: with the primaries dead, the numbers whose home and buddy are both dead; with all servers dead, every number that has
 * one of them as its home or buddy, because nobody can say whether it is in use there.
 */
export const groupsDown: Drill = {
  name: 'groups-down',
  title: 'two of three groups fail at once: their primaries, then all of their servers',
  defaults: { seconds: 60, rate: 40 },
  run: async ({ seconds, rate, seed, folder, env, clock, onProgress }) => {
    const mesh = await startMesh({ folder, env, clock, services: ['order-store'], logLevel: 'warn', onProgress });
    try {
      const target = mesh.address('order-store');
      const { groups } = mesh.stack;
      // Placement asks for nothing but the tags of the open groups.
      const map: GroupMap = {
        version: 1,
        groups: groups.map(({ tag }) => ({ tag: groupTag(tag), state: 'open', endpoints: [] })),
      };
      const dead = groups.filter(({ tag }) => (DEAD_TAGS as readonly number[]).includes(tag));
      const isDead = (tag: number | undefined) => (DEAD_TAGS as readonly (number | undefined)[]).includes(tag);
      const placed = ({ merchantId, merchantOrderNo }: OrderSample) => placementOf(map, merchantId, merchantOrderNo);

      const load = startOrderLoad({
        target,
        rate,
        readRate: rate * READS_PER_ORDER,
        twins: 0.1,
        paid: 0.5,
        random: seededRandom(seed),
        clock,
      });
      const watch = watchGroups(target, clock, load.sinceBegin);
      const { marks, mark } = createMarks(load.sinceBegin, onProgress);
      const all = async (isAvoided: boolean) => {
        await Promise.all(DEAD_TAGS.map((tag) => watch.await(tag, isAvoided, WAIT_MS_MAX)));
      };
      const windows: Window[] = [];
      const during = async (name: string, expect: Window['expect'], ms: number) => {
        await clock.sleep(BLUR_MS);
        const fromMs = load.sinceBegin();
        await clock.sleep(ms);
        windows.push({ name, fromMs, toMs: load.sinceBegin(), expect });
        await clock.sleep(BLUR_MS);
      };
      const partMs = (seconds * 1_000) / 6;
      await during('all well', () => 'taken', partMs);

      mark(`kill -9 of the primaries of groups ${DEAD_TAGS.join(' and ')}`);
      const formers = dead.map((group) => group.primary());
      await Promise.all(formers.map((primary) => primary.kill('SIGKILL')));
      await all(true);
      await during(
        'two primaries dead',
        (sample) => (isDead(placed(sample).home) && isDead(placed(sample).buddy) ? 'refused' : 'taken'),
        partMs,
      );
      await Promise.all(dead.map((group) => group.promote()));
      await all(false);
      mark('promoted');
      await Promise.all(dead.map((group, place) => bringBack(group, formers[place] ?? group.primary())));
      await during('healed', () => 'taken', partMs);

      mark(`kill -9 of all servers of groups ${DEAD_TAGS.join(' and ')}`);
      const killAll = (group: LocalGroup) => Promise.all(group.nodes.map((node) => node.kill('SIGKILL')));
      await Promise.all(dead.map(killAll));
      await all(true);
      await during(
        'two groups dead',
        (sample) => (isDead(placed(sample).home) || isDead(placed(sample).buddy) ? 'refused' : 'taken'),
        partMs,
      );
      await Promise.all(dead.flatMap((group) => group.nodes.map((node) => node.start())));
      await all(false);
      mark('started again');
      await during('healed again', () => 'taken', partMs);

      const lastedMs = load.sinceBegin();
      await load.end(WAIT_MS_MAX);
      watch.close();
      onProgress('no more orders; waiting for the sweep');
      const books = await readOrderBooks(groups, load.samples, clock);
      const unanswered = load.samples.filter(({ orderNo }) => orderNo === undefined).length;

      const judged = windows.map((window) => {
        const within = load.samples.filter(({ atMs }) => atMs >= window.fromMs && atMs < window.toMs);
        const otherwise = within.filter((sample) => fateOf(sample) !== window.expect(sample));
        const late = within.filter(({ firstTookMs }) => firstTookMs > ANSWER_MS_MAX).length;
        return {
          ...window,
          count: within.length,
          refused: within.filter((sample) => fateOf(sample) === 'refused').length,
          otherwise,
          late,
        };
      });
      const tags = groups.map(({ tag }) => tag);
      return {
        conditions: { seconds: Math.round(lastedMs / 1_000), rate, groups: groups.length, dead: DEAD_TAGS.join(' ') },
        figures: {
          orders: load.samples.length,
          ...Object.fromEntries(
            judged.flatMap(({ name, count, refused }) => {
              const key = name.replaceAll(' ', '_');
              return [
                [`${key}_orders`, count],
                [`${key}_refused`, refused],
              ];
            }),
          ),
          unanswered_in_the_end: unanswered,
          lost: books.lost,
        },
        targets: [
          ...judged.flatMap(({ name, count, otherwise, late }) => [
            {
              name: `${name}: orders begun`,
              measured: count,
              op: '>=' as const,
              target: Math.floor((rate * partMs) / 2_000),
            },
            {
              name: `${name}: answered otherwise than the design says`,
              measured: otherwise.length,
              op: '==' as const,
              target: 0,
            },
            { name: `${name}: answered later than 1 s`, measured: late, op: '==' as const, target: 0 },
          ]),
          { name: 'orders without an answer in the end', measured: unanswered, op: '==', target: 0 },
          ...bookTargets(books),
        ],
        lines: [
          ...terminalChart(bySeconds(load.samples, load.reads, marks, ANSWER_MS_MAX), tags, ANSWER_MS_MAX),
          ...judged.map(({ name, count, refused }) => `${name}: ${count} orders, ${refused} refused`),
          ...judged.flatMap(({ name, otherwise }) =>
            otherwise.slice(0, 5).map((sample) => {
              const { home, buddy } = placed(sample);
              return `✗ ${name}: ${sample.merchantOrderNo} of home ${home} and buddy ${buddy}: ${sample.errors[0] ?? 'taken'}`;
            }),
          ),
          ...books.complaints.map((complaint) => `✗ ${complaint}`),
        ],
      };
    } finally {
      await mesh.stop();
    }
  },
};
