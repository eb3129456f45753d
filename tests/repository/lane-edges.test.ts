import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Clock, ManualClock } from '@tillmesh/clock';
import { ServerConfig } from '@tillmesh/config';
import { createLane, type Lane, type LaneConfig } from '@tillmesh/lane';
import { expect, test } from 'vitest';

// Whether what callers may have under way fits into what their neighbours take. Declared limits that do not fit are found at
// night otherwise: calls wait where nobody sees them.

const clock = new ManualClock();
const services = join(import.meta.dirname, '..', '..', 'services');

/** What a service's lanes.ts exports. Services are no libraries: their files are found by their place, as all of them have one. */
type CallersLanes = {
  readonly orderStore?: Lane;
  readonly channel?: (channelId: string) => Readonly<Record<string, Lane | undefined>>;
  readonly notify?: (channelId: string) => Lane;
};
type LanesFile = {
  readonly createLanes?: (clock: Clock) => CallersLanes;
  readonly lanes?: Readonly<Record<string, Omit<LaneConfig, 'name'>>>;
};
const fileOf = async (service: string): Promise<LanesFile> =>
  import(pathToFileURL(join(services, service, 'src', 'lanes.ts')).href) as Promise<LanesFile>;

const present = <Value>(value: Value | undefined, what: string): Value => {
  if (value === undefined) throw new Error(`${what} is not declared any more: this test has to follow`);
  return value;
};
const callersLanes = async (service: string): Promise<CallersLanes> =>
  present((await fileOf(service)).createLanes, `createLanes of ${service}`)(clock);
const [cashier, syncer, edge, routing, reconciler] = [
  await callersLanes('cashier'),
  await callersLanes('syncer'),
  await callersLanes('edge'),
  await callersLanes('routing'),
  await callersLanes('reconciler'),
];
const laneTo = (lanes: CallersLanes, channelId: string, name: string): Lane =>
  present(lanes.channel?.(channelId)[name], `the lane ${name} to a channel`);

/** What a server takes by default, and what of it questions may have: the rest is kept for what is more important. */
const { inFlightMax } = ServerConfig.parse({ port: 0 });
const QUESTIONS_SHARE = 0.8;

/** Callers of a service, and how many processes of each an installation may have for one of the service. */
type Caller = { readonly name: string; readonly lane: Lane; readonly replicasForEach: number };
const caller = (name: string, lane: Lane, replicasForEach = 1): Caller => ({ name, lane, replicasForEach });

const tooMuch = (neighbour: string, callers: readonly Caller[], most: number): string[] => {
  const sum = callers.reduce(
    (total, { lane, replicasForEach }) => total + lane.limits.concurrentMax * replicasForEach,
    0,
  );
  if (sum <= most) return [];
  const terms = callers.map(
    ({ name, lane, replicasForEach }) => `${name} ${replicasForEach} × ${lane.limits.concurrentMax}`,
  );
  return [`${neighbour} takes ${most} calls at once, and may get ${sum}: ${terms.join(' + ')}`];
};

test('what an order store may get from all its callers is what it takes, at two cashiers for each', () => {
  const callers = [
    caller('cashier', present(cashier.orderStore, 'the order store of cashier'), 2),
    caller('syncer', present(syncer.orderStore, 'the order store of syncer')),
    caller('edge', present(edge.orderStore, 'the order store of edge')),
    caller('routing', present(routing.orderStore, 'the order store of routing')),
  ];
  expect(tooMuch('order-store', callers, inFlightMax)).toEqual([]);
});

const channelIds = readdirSync(services).flatMap((folder) => /^channel-(.+)$/.exec(folder)?.[1] ?? []);

for (const channelId of channelIds) {
  const declared = present((await fileOf(`channel-${channelId}`)).lanes, `lanes of channel-${channelId}`);
  const own = (name: string): Lane =>
    createLane({ ...present(declared[name], `the lane ${name} of channel-${channelId}`), name }, clock);
  const byCashier = (name: string) => laneTo(cashier, channelId, name);
  const bySyncer = (name: string) => laneTo(syncer, channelId, name);
  const notify = present(edge.notify, 'the lane of notifications')(channelId);

  test(`what the adapter of ${channelId} may get is what its process takes, questions in their part of it`, () => {
    const all = [
      byCashier('pay'),
      byCashier('refund'),
      byCashier('query'),
      bySyncer('refund'),
      bySyncer('query'),
      laneTo(reconciler, channelId, 'describe'),
      notify,
    ];
    const questions = [byCashier('query'), bySyncer('query'), laneTo(reconciler, channelId, 'describe')];
    const callers = (lanes: readonly Lane[]) => lanes.map((lane) => caller(lane.name, lane));
    expect([
      ...tooMuch(`channel-${channelId}`, callers(all), inFlightMax),
      ...tooMuch(`channel-${channelId}, questions`, callers(questions), inFlightMax * QUESTIONS_SHARE),
    ]).toEqual([]);
  });

  test(`each lane to the adapter of ${channelId} fits into the adapter's own lane and its queue`, () => {
    const room = (name: string) => own(name).limits.concurrentMax + own(name).limits.queuedMax;
    expect([
      ...tooMuch(`channel-${channelId}.pay`, [caller('cashier', byCashier('pay'))], room('pay')),
      ...tooMuch(
        `channel-${channelId}.refund`,
        [caller('cashier', byCashier('refund')), caller('syncer', bySyncer('refund'))],
        room('refund'),
      ),
      ...tooMuch(
        `channel-${channelId}.query`,
        [caller('cashier', byCashier('query')), caller('syncer', bySyncer('query'))],
        room('query'),
      ),
      ...tooMuch(`channel-${channelId}.notify`, [caller('edge', notify)], room('notify')),
    ]).toEqual([]);
  });
}

test('limits that do not fit are named with their sum', () => {
  expect(
    tooMuch(
      'order-store',
      [caller('cashier', present(cashier.orderStore, 'the order store of cashier'), 10)],
      inFlightMax,
    ),
  ).toEqual([`order-store takes ${inFlightMax} calls at once, and may get 1280: cashier 10 × 128`]);
});
