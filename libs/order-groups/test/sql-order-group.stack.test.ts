import { seededRandom, systemClock, systemRandom } from '@tillmesh/clock';
import { type GroupTag, groupTag, type OrderNo } from '@tillmesh/domain';
import { createLog } from '@tillmesh/telemetry';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createGroupClients, type GroupClients } from '../src/group-clients.ts';
import type { NewPayment } from '../src/index.ts';
import type { OrderGroup } from '../src/order-group.ts';
import { createOrderNumberSource } from '../src/order-number-source.ts';
import { createSqlOrderGroup } from '../src/sql-order-group.ts';
import { type GroupsUnderTest, startGroups } from './groups-under-test.ts';
import { newPayment } from './new-payment.ts';
import { rowCodec } from './row-codec.ts';
import { CALM, groupOfInstance } from './simulation/group-of-instance.ts';
import { ModelledGroup, RIGHT_RULES } from './simulation/modelled-group.ts';

// What the simulation shows of the protocol over modelled groups holds for real ones only if both answer alike.

let underTest: GroupsUnderTest;
let clients: GroupClients;
let real: OrderGroup;
const TAG: GroupTag = groupTag(1);
const seat = { workerId: 3, afterMs: 0, untilMs: () => Number.POSITIVE_INFINITY };
const numbers = createOrderNumberSource({ clock: systemClock, seatOf: async () => seat });
const drawNumber = async (): Promise<OrderNo> => {
  const number = await numbers.next(TAG);
  if (number === undefined) throw new Error('no number could be drawn');
  return number;
};

beforeAll(async () => {
  underTest = await startGroups([TAG]);
  const { app } = underTest.stack.accounts;
  clients = createGroupClients({
    map: underTest.map,
    account: { user: app.user, password: app.password.reveal(), database: 'tillmesh' },
    config: {
      pool: { connectionsMax: 4, waitersMax: 10, waitMsMax: 200, idleMin: 0 },
      circuit: { failuresToOpen: 3, windowMs: 60_000 },
      monitorEveryMs: 500,
      statementMsMax: 1_000,
    },
    instanceId: 3,
    clock: systemClock,
    log: createLog('test', 'silent'),
  });
  await clients.look();
  real = createSqlOrderGroup({ client: clients.of(TAG), rows: rowCodec(), batchRowsMax: 1, clock: systemClock });
});

afterAll(async () => {
  clients.close();
  await underTest.close();
});

/** A modelled group in which everything is acknowledged and executed as soon as it is written. */
const faultlessGroup = (): OrderGroup => {
  const group = new ModelledGroup(TAG, RIGHT_RULES, seededRandom(1));
  group.calmDown();
  const turn = async () => {
    for (let steps = 0; steps < 20; steps += 1) group.step();
  };
  return groupOfInstance(group, { turns: { turn }, chance: seededRandom(2), newestMap: () => 1, weather: CALM });
};
const within = () => ({ atMs: systemClock.monotonicMs() + 5_000 });

/** A step by any of two callers, about one of two order numbers, that holds a version. */
type Step = {
  readonly method: keyof typeof STEPS;
  readonly by: 0 | 1;
  readonly about: 0 | 1;
  readonly version: number;
};
type Subject = { readonly payments: readonly NewPayment[]; readonly numbers: readonly OrderNo[] };

type Run = (group: OrderGroup, orderNo: OrderNo, payment: NewPayment, version: number) => Promise<unknown>;

const STEPS = {
  insertPaying: (group, orderNo, payment) => group.insertPaying(orderNo, payment, 1, within()),
  insertJumped: (group, orderNo, payment) => group.insertJumped(orderNo, payment, groupTag(2), 1, within()),
  touch: (group, orderNo, payment) => group.touch(orderNo, payment, within()),
  activate: (group, orderNo, payment, version) => group.activate(orderNo, version, payment, within()),
  unbind: (group, orderNo, _payment, version) => group.unbind(orderNo, version, 'test', within()),
  voidOrder: (group, orderNo) => group.voidOrder(orderNo, 'test', within()),
  bindClaim: (group, orderNo, payment) => group.bindClaim(orderNo, payment, within()),
  abandonClaim: (group, _orderNo, payment) => group.abandonClaim(payment, within()),
  readClaim: (group, _orderNo, payment) => group.readClaim(payment, within()),
  readByQuorum: async (group, _orderNo, payment) => {
    const seen = await group.readByQuorum(payment, within());
    return seen.kind === 'sure' ? shown(seen.value) : seen;
  },
  readHolding: async (group, _orderNo, payment) => {
    const seen = await group.readHolding(payment, within());
    return seen.kind === 'sure' ? { ...seen.value, order: shown(seen.value.order) } : seen;
  },
  readOrder: async (group, _orderNo, payment) => shown(await group.readOrder(payment, within())),
  readNumber: async (group, orderNo) => shown(await group.readNumber(orderNo, within())),
  claimsToSweep: async (group, _orderNo, payment) => {
    const claims = await group.claimsToSweep(1_000, within());
    const own = claims.filter(({ merchantOrderNo }) => merchantOrderNo === payment.merchantOrderNo);
    return own.map(({ createdAtMs: _createdAtMs, ...claim }) => claim);
  },
  insertStub: (group, orderNo, payment) => group.insertStub(orderNo, payment, orderNo, within()),
  closeClaim: (group, _orderNo, payment) => group.closeClaim(payment, within()),
  insertUnderNewerMap: (group, orderNo, payment) => group.insertPaying(orderNo, payment, 2, within()),
} as const satisfies Record<string, Run>;

const shown = (stored: Awaited<ReturnType<OrderGroup['readOrder']>>) =>
  stored === undefined
    ? 'nothing'
    : {
        orderNo: stored.payment.orderNo,
        state: stored.payment.state,
        version: stored.payment.version,
        token: stored.tokens.get(1),
        jumpedFrom: stored.jumpedFrom,
        jumpedTo: stored.jumpedTo,
        mapVersion: stored.mapVersion,
      };

const play = async (group: OrderGroup, subject: Subject, steps: readonly Step[]): Promise<unknown[]> => {
  const answers: unknown[] = [];
  for (const [place, { method, by, about, version }] of steps.entries()) {
    const orderNo = subject.numbers[method.startsWith('insert') ? place : about];
    const payment = subject.payments[by];
    if (orderNo === undefined || payment === undefined) throw new Error('no such caller or number');
    answers.push([method, await STEPS[method](group, orderNo, payment, version)]);
  }
  return answers;
};

const methods = Object.keys(STEPS) as (keyof typeof STEPS)[];
const MOVES = ['touch', 'activate', 'unbind', 'voidOrder', 'bindClaim', 'abandonClaim'] as const;
const stepOf: fc.Arbitrary<Step> = fc.record({
  method: fc.oneof(
    { weight: 2, arbitrary: fc.constantFrom(...MOVES) },
    { weight: 1, arbitrary: fc.constantFrom(...methods) },
  ),
  by: fc.constantFrom(0, 1),
  about: fc.constantFrom(0, 0, 1),
  version: fc.constantFrom(1, 1, 2, 2, 3, 4),
});
// Most histories begin with an order that is there.
const historyOf = fc
  .tuple(
    fc.constantFrom<Step['method']>('insertPaying', 'insertJumped', 'readOrder'),
    fc.array(stepOf, { maxLength: 14 }),
  )
  .map(([first, rest]): Step[] => [{ method: first, by: 0, about: 0, version: 1 }, ...rest]);

test('a real group answers every history of steps as the modelled one does', async () => {
  const met = new Set<string>();
  await fc.assert(
    fc.asyncProperty(historyOf, async (steps) => {
      const payment = newPayment();
      const subject: Subject = {
        payments: [payment, { ...payment, attempt: { ...newPayment().attempt, token: systemRandom.hex(8) } }],
        numbers: await Promise.all(steps.map(drawNumber)),
      };
      const answers = await play(real, subject, steps);
      expect(answers).toEqual(await play(faultlessGroup(), subject, steps));
      for (const answer of answers) met.add(JSON.stringify(answer).replaceAll(/[0-9a-f]{16,}/g, ''));
    }),
    { numRuns: 200 },
  );
  // The histories are worth something only if they meet the moves that matter.
  for (const method of MOVES) {
    expect(met).toContain(`["${method}","won"]`);
    expect(met).toContain(`["${method}","lost"]`);
  }
});

test('a check of the database that is broken refuses the row and does not make its group ill', async () => {
  const payment = newPayment();
  await real.insertPaying(await drawNumber(), payment, 1, within());
  const statement = {
    summary: 'a test',
    sql: `UPDATE payment SET refunded = 1 WHERE merchant_order_no = '${payment.merchantOrderNo}'`,
    text: true as const,
  };
  const refused = clients.of(TAG).write(within(), (connection) => connection.run(statement, [], within()));
  await expect(refused).rejects.toMatchObject({
    code: 'ER_CHECK_CONSTRAINT_VIOLATED',
    isRefusal: true,
    certainty: 'not_written',
  });
  expect(clients.of(TAG).status()).toMatchObject({ recentFailures: 0, circuit: 'closed' });
});
