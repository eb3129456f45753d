import { seededRandom } from '@tillmesh/clock';
import { startMesh } from '@tillmesh/local-mesh';
import type { LocalGroup } from '@tillmesh/local-stack';
import { tableLines } from '../scripts/demo/result-table.ts';
import type { Drill } from './drill.ts';
import { CHAOS_FAULTS, makeWhole } from './orders/chaos-faults.ts';
import { watchGroups } from './orders/group-watch.ts';
import { bookTargets, readOrderBooks } from './orders/order-books.ts';
import { startOrderLoad } from './orders/order-load.ts';
import { createOrderTill } from './orders/order-till.ts';
import { startSecondOrderStore } from './orders/second-order-store.ts';

/** Faults of groups at the same time. */
const AT_ONCE = 2;
/** Between two faults of one group: long enough for it to take orders again now and then. */
const REST_MS_MAX = 2_500;
/** Between faults of the order stores themselves. */
const STORE_REST_MS_MAX = 12_000;
const DISK_MEGABYTES = 1_024;
const WAIT_MS_MAX = 90_000;
const READS_PER_ORDER = 0.25;
const TWINS = 0.3;
const PAID = 0.6;
const ROUTED_AT_ONCE = 16;

type Done = { readonly name: string; readonly tookMs: number; readonly trouble: string | undefined };

/**
 * Faults of every kind, two groups at a time and an order store besides, while orders come, many of them twice at the same time; then
 * what the databases hold is compared with what every till was told.
 */
export const chaos: Drill = {
  name: 'chaos',
  title: 'faults of every kind in two groups at a time and in the order stores; then the books are checked',
  defaults: { seconds: 1_800, rate: 30 },
  run: async ({ seconds, rate, seed, folder, env, clock, onProgress }) => {
    const random = seededRandom(seed);
    // Small disks have to be mounted.
    const hasDisks = process.platform === 'linux' && process.getuid?.() === 0;
    const smallDisks = Object.fromEntries(['g1-a', 'g1-b', 'g1-c'].map((node) => [node, DISK_MEGABYTES]));
    const mesh = await startMesh({
      folder,
      env,
      clock,
      services: ['order-store'],
      proxies: true,
      ...(hasDisks ? { smallDisks } : {}),
      logLevel: 'warn',
      onProgress,
    });
    const second = await startSecondOrderStore(mesh, env, clock);
    try {
      const { groups } = mesh.stack;
      const target = `ipv4:${mesh.address('order-store')},${second.address}`;
      const load = startOrderLoad({
        target,
        rate,
        readRate: rate * READS_PER_ORDER,
        twins: TWINS,
        paid: PAID,
        random: seededRandom(seed + 1),
        clock,
      });
      const watch = watchGroups(target, clock, load.sinceBegin);
      const done: Done[] = [];
      let rebuilt = 0;
      const endsAtMs = clock.monotonicMs() + seconds * 1_000;
      const isOver = () => clock.monotonicMs() >= endsAtMs;

      const note = async (name: string, where: string, work: () => Promise<void>) => {
        const beganMs = clock.monotonicMs();
        let trouble: string | undefined;
        try {
          await work();
        } catch (error) {
          trouble = error instanceof Error ? error.message : String(error);
        }
        done.push({ name, tookMs: clock.monotonicMs() - beganMs, trouble });
        onProgress(
          `${String(done.length).padStart(4)} ${where}: ${name}${trouble === undefined ? '' : ` (${trouble})`}`,
        );
      };

      let running = 0;
      const oneOfFew = async (work: () => Promise<void>) => {
        while (running >= AT_ONCE) await clock.sleep(50);
        running += 1;
        await work().finally(() => {
          running -= 1;
        });
      };
      const sufferOn = async (group: LocalGroup, own = seededRandom(random.below(2 ** 31))) => {
        const kinds = CHAOS_FAULTS.filter(({ needsDisks }) => needsDisks !== true || (hasDisks && group.tag === 1));
        while (!isOver()) {
          await clock.sleep(own.below(REST_MS_MAX));
          await oneOfFew(async () => {
            const fault = kinds[own.below(kinds.length)];
            if (fault === undefined || isOver()) return;
            await note(fault.name, `group ${group.tag}`, () => fault.run({ group, random: own, clock, hasDisks }));
            // A fault that could not go its way leaves a group that nobody has brought back.
            for (const node of group.nodes) {
              await node.network().everything.heal();
              if (node.isRunning()) await node.kill('SIGCONT');
            }
            rebuilt += await makeWhole(group);
          });
        }
      };
      const stores = [
        { name: 'order-store', processes: mesh.services },
        { name: second.name, processes: second.processes },
      ] as const;
      const sufferOnStores = async (own = seededRandom(random.below(2 ** 31))) => {
        while (!isOver()) {
          await clock.sleep(own.below(STORE_REST_MS_MAX));
          const store = stores[own.below(stores.length)] ?? stores[0];
          if (store.processes.pid(store.name) === undefined || isOver()) continue;
          if (own.fraction() < 0.5) {
            await note('order store killed', store.name, () => store.processes.kill(store.name, 'SIGKILL'));
          } else {
            await note('order store frozen for a while', store.name, async () => {
              await store.processes.kill(store.name, 'SIGSTOP');
              await clock.sleep(100 + own.below(4_000));
              await store.processes.kill(store.name, 'SIGCONT');
            });
          }
        }
      };
      await Promise.all([...groups.map((group) => sufferOn(group)), sufferOnStores()]);
      onProgress('no more faults; waiting until every group takes orders');
      const healed = await Promise.all(groups.map(({ tag }) => watch.await(tag, false, WAIT_MS_MAX)));
      await load.end(WAIT_MS_MAX);
      watch.close();
      onProgress('no more orders; waiting for the sweep');
      const books = await readOrderBooks(groups, load.samples, clock);

      onProgress('reading every order by its number');
      const till = createOrderTill({ target, clock, beganMs: clock.monotonicMs() });
      const toRead = load.samples.flatMap(({ orderNo }) => orderNo ?? []);
      const unroutable: string[] = [];
      await Promise.all(
        Array.from({ length: ROUTED_AT_ONCE }, async () => {
          for (let orderNo = toRead.pop(); orderNo !== undefined; orderNo = toRead.pop()) {
            const read = await till.read(orderNo).catch(() => undefined);
            if (read?.orderNo !== orderNo) unroutable.push(orderNo);
          }
        }),
      );
      till.close();

      const unanswered = load.samples.filter(({ orderNo }) => orderNo === undefined).length;
      const refusedFirst = load.samples.filter(({ firstError }) => firstError !== undefined).length;
      const kinds = [...new Set(done.map(({ name }) => name))].toSorted();
      return {
        conditions: {
          seconds,
          rate,
          groups: groups.length,
          order_stores: stores.length,
          full_disks: hasDisks ? 1 : 0,
          at_once: AT_ONCE,
        },
        figures: {
          faults: done.length,
          kinds: kinds.length,
          rebuilt,
          orders: load.samples.length,
          rows: books.orders,
          answered: books.answered,
          refused_at_first: refusedFirst,
          unanswered,
          reads: load.reads.length,
          reads_failed: load.reads.filter(({ error }) => error !== undefined).length,
          paid: load.samples.filter(({ isPaid }) => isPaid).length,
          lost: books.lost,
          two_payable: books.twoPayable,
          two_granted: books.twoGranted,
          answers_lost: books.answersLost,
          moved_back: books.movedBack,
          unroutable: unroutable.length,
        },
        targets: [
          ...bookTargets(books),
          { name: 'orders that cannot be read by their number', measured: unroutable.length, op: '==', target: 0 },
          { name: 'orders without an answer in the end', measured: unanswered, op: '==', target: 0 },
          {
            name: 'groups that take orders again',
            measured: healed.filter(Boolean).length,
            op: '==',
            target: groups.length,
          },
        ],
        lines: [
          ...tableLines([
            ['fault', 'times', 'did not go its way'],
            ...kinds.map((kind) => {
              const own = done.filter(({ name }) => name === kind);
              return [kind, String(own.length), String(own.filter(({ trouble }) => trouble !== undefined).length)];
            }),
          ]),
          ...[...load.givenUp].map(([reason, times]) => `given up ${times}×: ${reason}`),
          ...books.complaints.map((complaint) => `✗ ${complaint}`),
          ...unroutable.slice(0, 10).map((orderNo) => `✗ ${orderNo} cannot be read`),
        ],
      };
    } finally {
      await second.stop();
      await mesh.stop();
    }
  },
};
