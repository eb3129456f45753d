import { readFileSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { type Clock, type Random, seededRandom } from '@tillmesh/clock';
import { Secret } from '@tillmesh/config';
import { firstOrderKeyAt } from '@tillmesh/domain';
import { type Mesh, startMesh } from '@tillmesh/local-mesh';
import type { NewPayment, OrderGroups } from '@tillmesh/order-groups';
import { ListSource, QueryService } from '@tillmesh/proto/tillmesh/query/v1/query_service_pb.ts';
import { createClient, type RpcClient, toRpcError } from '@tillmesh/rpc';
import { type Bench, type BenchOptions, median } from './bench.ts';
import { newPayment, openGroups } from './bench-orders.ts';

const ORDERS = 1_000_000;
/** New orders a second while the lag is measured. */
const RATE = 200;
/** Every tenth order is of the big one, the others are spread evenly. */
const MERCHANTS = 1_000;
const BIG_MERCHANT = 'merchant-big';
const LOADERS = 384;
const BATCH_ROWS = 32;
const READERS = 4;
const PAGE_SIZE = 50;
const PAGES = 3;
const TRIES_MAX = 200;
const RETRY_AFTER_MS = 200;
const CAUGHT_UP_MS_MAX = 1_800_000;

/** An order's rows, indexes and logs on nine servers: 5.7 GB were measured for 10^6, lists excluded. */
const DISK_BYTES_PER_ORDER = 8_000;

/** A full disk shows as orders that are refused, which says nothing of lists. */
const demandDisk = (folder: string, orders: number): void => {
  const { bavail, bsize } = statfsSync(folder);
  const needed = orders * DISK_BYTES_PER_ORDER;
  if (bavail * bsize >= needed) return;
  const [has, needs] = [bavail * bsize, needed].map((bytes) => (bytes / 1024 ** 3).toFixed(1));
  throw new Error(
    `${orders} orders need ${needs} GiB in ${folder} and ${has} are free: make room, set TMPDIR, or pass --orders with less`,
  );
};

const merchantOf = (number: number): string => (number % 10 === 0 ? BIG_MERCHANT : `merchant-${number % MERCHANTS}`);

const percentile = (sorted: readonly number[], part: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;

type Spread = { readonly count: number; readonly p50: number; readonly p99: number; readonly most: number };

const spreadOf = (times: readonly number[]): Spread => {
  const sorted = times.toSorted((a, b) => a - b);
  return {
    count: sorted.length,
    p50: percentile(sorted, 0.5),
    p99: percentile(sorted, 0.99),
    most: sorted.at(-1) ?? Number.NaN,
  };
};

/** A busy machine may take longer than an order's second; the same number again is the same order. */
const createPatiently = async (
  groups: OrderGroups,
  order: NewPayment,
  clock: Clock,
  onFailure: (why: string) => void,
): Promise<void> => {
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    try {
      const created = await groups.create(order);
      if (created.kind !== 'repeat') return;
      onFailure(created.why);
    } catch (error) {
      onFailure(error instanceof Error ? error.message : String(error));
    }
    await clock.sleep(RETRY_AFTER_MS);
  }
  throw new Error(`${order.merchantOrderNo} could not be written in ${TRIES_MAX} tries: the groups are overloaded`);
};

/** Writes so many orders, gathered into statements of 32 rows. */
const load = async (groups: OrderGroups, orders: number, { clock, onProgress }: BenchOptions): Promise<number> => {
  const beganMs = clock.monotonicMs();
  let begun = 0;
  let saidAt = beganMs;
  const failures = new Map<string, number>();
  const onFailure = (why: string) => failures.set(why, (failures.get(why) ?? 0) + 1);
  await Promise.all(
    Array.from({ length: LOADERS }, async () => {
      while (begun < orders) {
        const number = begun;
        begun += 1;
        const order = newPayment(number, clock.nowMs(), merchantOf(number));
        await createPatiently(groups, order, clock, onFailure);
        if (clock.monotonicMs() - saidAt > 10_000) {
          saidAt = clock.monotonicMs();
          const again = [...failures].map(([why, count]) => `, ${count} tries again: ${why}`).join('');
          onProgress(`${begun} of ${orders} orders are written${again}`);
        }
      }
    }),
  );
  return (clock.monotonicMs() - beganMs) / 1_000;
};

type Query = RpcClient<typeof QueryService>;

/** Resolves when lists are answered by their store. @returns seconds. */
const untilFollowed = async (query: Query, clock: Clock): Promise<number> => {
  const beganMs = clock.monotonicMs();
  for (;;) {
    const { source } = await query.listPayments({ merchantId: BIG_MERCHANT, pageSize: 1 });
    const tookMs = clock.monotonicMs() - beganMs;
    if (source === ListSource.PROJECTION) return tookMs / 1_000;
    if (tookMs > CAUGHT_UP_MS_MAX) throw new Error('the lists do not catch up');
    await clock.sleep(250);
  }
};

type Way = 'groups' | 'projection';
const SOURCE_OF = { groups: ListSource.GROUPS, projection: ListSource.PROJECTION } as const;

type Pages = { readonly first: number[]; readonly later: number[]; refused: number; fellBack: number };
const noPages = (): Pages => ({ first: [], later: [], refused: 0, fellBack: 0 });

/** Walks through the first pages of random merchants, one of four times of the big one; times in ms. */
const readPages = async (query: Query, way: Way, pages: Pages, clock: Clock, random: Random, isOver: () => boolean) => {
  while (!isOver()) {
    const merchantId = random.below(4) === 0 ? BIG_MERCHANT : merchantOf(1 + random.below(9) + 10 * random.below(100));
    let pageToken = '';
    for (let place = 0; place < PAGES && !isOver(); place += 1) {
      const beganMs = clock.monotonicMs();
      try {
        const page = await query.listPayments({ merchantId, pageSize: PAGE_SIZE, pageToken, fresh: way === 'groups' });
        const tookMs = clock.monotonicMs() - beganMs;
        if (page.source === SOURCE_OF[way]) (place === 0 ? pages.first : pages.later).push(tookMs);
        else pages.fellBack += 1;
        pageToken = page.nextPageToken;
        if (pageToken === '') break;
      } catch (error) {
        if (toRpcError(error).reason === '') throw error;
        pages.refused += 1;
        break;
      }
    }
  }
};

const readRound = async (query: Query, way: Way, pages: Pages, { seconds, clock }: BenchOptions, random: Random) => {
  const endMs = clock.monotonicMs() + seconds * 1_000;
  const isOver = () => clock.monotonicMs() > endMs;
  await Promise.all(Array.from({ length: READERS }, () => readPages(query, way, pages, clock, random, isOver)));
};

type LagRow = { readonly lag: string | number };
type CountRow = { readonly count: string | number };

/** Asks the store of lists itself. */
const askStore = async (mesh: Mesh, sql: string): Promise<unknown> => {
  const [first] = mesh.stack.groups;
  if (first === undefined) throw new Error('there is no group');
  return first.primary().administer(async (connection) => {
    await connection.query('USE tillmesh_lists');
    const [rows] = await connection.query(sql);
    return rows;
  });
};

const countOf = async (mesh: Mesh): Promise<number> => {
  const rows = (await askStore(mesh, 'SELECT COUNT(*) AS count FROM merchant_payment')) as CountRow[];
  return Number(rows[0]?.count);
};

/** From an order's creation to its row in the lists, ms, of all orders since a moment. */
const lagsSince = async (mesh: Mesh, sinceMs: number): Promise<number[]> => {
  const since = `SELECT applied_at - changed_at AS lag FROM merchant_payment WHERE order_no >= ${firstOrderKeyAt(sinceMs)}`;
  return ((await askStore(mesh, since)) as LagRow[]).map(({ lag }) => Number(lag));
};

/** New orders at a steady rate, and readers beside them. */
const underLoad = async (
  {
    mesh,
    query,
    groups,
    rate,
  }: { readonly mesh: Mesh; readonly query: Query; readonly groups: OrderGroups; readonly rate: number },
  options: BenchOptions,
  random: Random,
) => {
  const { clock, seconds } = options;
  const pages = noPages();
  const sinceMs = clock.nowMs();
  const beganMs = clock.monotonicMs();
  const count = rate * seconds * 2;
  let over = false;
  const reading = readPages(query, 'projection', pages, clock, random, () => over);
  let failed = 0;
  const writing: Promise<unknown>[] = [];
  for (let number = 0; number < count; number += 1) {
    const waitMs = beganMs + (number * 1_000) / rate - clock.monotonicMs();
    if (waitMs > 0) await clock.sleep(waitMs);
    const order = newPayment(number, clock.nowMs(), merchantOf(number));
    writing.push(
      groups.create(order).catch(() => {
        failed += 1;
      }),
    );
  }
  await Promise.all(writing);
  over = true;
  await reading;
  await clock.sleep(2_000);
  await untilFollowed(query, clock);
  return { pages, lags: await lagsSince(mesh, sinceMs), count, failed };
};

const cells = (words: readonly (string | number)[]): string =>
  words.map((word, place) => (place === 0 ? String(word).padEnd(40) : String(word).padStart(12))).join('');

const lineOf = (name: string, { count, p50, p99, most }: Spread): string =>
  cells([name, count, p50.toFixed(1), p99.toFixed(1), most.toFixed(1)]);

const positive = (text: string | undefined, otherwise: number): number => {
  const value = text === undefined ? otherwise : Number(text);
  if (!Number.isInteger(value) || value < 1) throw new Error(`${text} is not a whole number of 1 or more`);
  return value;
};

/** Lists by merchant from the groups and from their own store, and how far that store is behind. */
export const merchantList: Bench = {
  name: 'merchant-list',
  title: `pages of a merchant's payments by asking all groups and from the store of lists, at --orders ${ORDERS}; lag at --rate ${RATE}/s`,
  defaults: { rounds: 5, seconds: 4 },
  run: async (options) => {
    const { folder, clock, onProgress, rounds, seed, extra } = options;
    const orders = positive(extra['orders'], ORDERS);
    const rate = positive(extra['rate'], RATE);
    const random = seededRandom(seed);
    demandDisk(folder, orders);
    const mesh = await startMesh({ folder, services: ['query', 'projector'], env: process.env, clock, onProgress });
    const query = createClient(QueryService, { target: mesh.address('query'), caller: 'bench', capMs: 10_000, clock });
    const rowKey = new Secret(readFileSync(join(mesh.folder, 'row-key.hex'), 'utf8').trim());
    const groups = await openGroups(mesh.stack, BATCH_ROWS, clock, rowKey);
    try {
      // Loading is measured alone, and catching up as well.
      await mesh.services.kill('projector', 'SIGSTOP');
      const loadSeconds = await load(groups, orders, options);
      onProgress(`${orders} orders are written in ${loadSeconds.toFixed(1)} s; the lists follow`);
      await mesh.services.kill('projector', 'SIGCONT');
      const followSeconds = await untilFollowed(query, clock);
      const followed = await countOf(mesh);
      onProgress(`the lists have caught up after ${followSeconds.toFixed(1)} s, with ${followed} payments`);
      const pages = { groups: noPages(), projection: noPages() };
      const ways: readonly Way[] = ['groups', 'projection'];
      for (const way of ways) await readRound(query, way, noPages(), options, random);
      for (let round = 0; round < rounds; round += 1) {
        for (const way of round % 2 === 0 ? ways : ways.toReversed()) {
          await readRound(query, way, pages[way], options, random);
        }
        onProgress(
          `round ${round + 1} of ${rounds}: ${ways.map((way) => `${way} p50 ${median(pages[way].first).toFixed(1)} ms`).join(', ')}`,
        );
      }
      const busy = await underLoad({ mesh, query, groups, rate }, options, random);
      const spreads = {
        groups_first: spreadOf(pages.groups.first),
        groups_later: spreadOf(pages.groups.later),
        projection_first: spreadOf(pages.projection.first),
        projection_later: spreadOf(pages.projection.later),
        projection_under_load: spreadOf([...busy.pages.first, ...busy.pages.later]),
        lag: spreadOf(busy.lags),
      };
      const fellBack = pages.projection.fellBack + busy.pages.fellBack;
      const refused = pages.groups.refused + pages.projection.refused + busy.pages.refused;
      return {
        conditions: {
          orders,
          merchants: MERCHANTS,
          rounds,
          readers: READERS,
          page_size: PAGE_SIZE,
          rate,
          groups: mesh.stack.groups.length,
        },
        figures: {
          load_seconds: Number(loadSeconds.toFixed(1)),
          catch_up_seconds: Number(followSeconds.toFixed(1)),
          ...Object.fromEntries(
            Object.entries(spreads).flatMap(([name, { count, p50, p99, most }]) => [
              [`${name}_count`, count],
              [`${name}_p50_ms`, Number(p50.toFixed(1))],
              [`${name}_p99_ms`, Number(p99.toFixed(1))],
              [`${name}_max_ms`, Number(most.toFixed(1))],
            ]),
          ),
          fell_back: fellBack,
          refused,
          orders_failed_under_load: busy.failed,
        },
        lines: [
          cells(['ms', 'count', 'p50', 'p99', 'most']),
          lineOf('first page, all groups asked', spreads.groups_first),
          lineOf('first page, store of lists', spreads.projection_first),
          lineOf('later page, all groups asked', spreads.groups_later),
          lineOf('later page, store of lists', spreads.projection_later),
          lineOf(`store of lists, beside ${rate} new orders/s`, spreads.projection_under_load),
          lineOf(`lag of the lists at ${rate} new orders/s`, spreads.lag),
          '',
          `${orders} orders written in ${loadSeconds.toFixed(1)} s; followed in ${followSeconds.toFixed(1)} s.`,
          `Pages of ${PAGE_SIZE} by ${READERS} readers over gRPC. ${fellBack} pages fell back to the groups, ${refused} were refused.`,
          'Lag: from the request for an order to its row in the lists.',
        ],
        targets: [
          {
            name: 'page from the store of lists, p99, ms',
            measured: Number(spreads.projection_first.p99.toFixed(1)),
            op: '<=',
            target: 50,
          },
          {
            name: 'page from all groups, p99, ms',
            measured: Number(spreads.groups_first.p99.toFixed(1)),
            op: '<=',
            target: 150,
          },
          {
            name: 'lag of the lists under load, p99, ms',
            measured: Number(spreads.lag.p99.toFixed(1)),
            op: '<=',
            target: 1_000,
          },
          { name: 'loaded orders that the lists lack', measured: orders - followed, op: '<=', target: 0 },
          {
            name: 'orders under load that the lists lack',
            measured: busy.count - busy.failed - busy.lags.length,
            op: '<=',
            target: 0,
          },
        ],
      };
    } finally {
      await mesh.services.kill('projector', 'SIGCONT').catch(() => undefined);
      query.close();
      await groups.close();
      await mesh.stop();
    }
  },
};
