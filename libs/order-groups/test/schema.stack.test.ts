import { systemClock } from '@tillmesh/clock';
import {
  ATTEMPT_MOVES,
  ATTEMPT_STATES,
  allowedPairs,
  PAYMENT_MOVES,
  PAYMENT_STATES,
  REFUND_MOVES,
  REFUND_STATES,
} from '@tillmesh/domain';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Connection, openConnection } from '../src/connection.ts';
import { DatabaseError } from '../src/database-error.ts';
import { type GroupsUnderTest, startGroups } from './groups-under-test.ts';

// The database's own word, with the account of the services and no code of ours in between.

let underTest: GroupsUnderTest;
let open: Connection | undefined;

beforeAll(async () => {
  underTest = await startGroups([1]);
});

afterAll(async () => {
  open?.cut();
  await underTest.close();
});

/** A connection of the services' account; a refusal that is not about data has cut the one before. */
const app = async (): Promise<Connection> => {
  if (open?.usable() === true) return open;
  const endpoint = underTest.map.groups[0]?.endpoints[0];
  if (endpoint === undefined) throw new Error('there is no group');
  const { user, password } = underTest.stack.accounts.app;
  const account = { user, password: password.reveal(), database: 'tillmesh' };
  open = await openConnection(endpoint, account, { atMs: systemClock.monotonicMs() + 5_000 }, systemClock);
  return open;
};

const run = async (sql: string) =>
  (await app()).run({ summary: 'a test', sql, text: true }, [], { atMs: systemClock.monotonicMs() + 5_000 });

/** `done`, or what the database says against it. */
const outcomeOf = async (sql: string): Promise<string> => {
  try {
    const { affectedRows } = await run(sql);
    return affectedRows === 1 ? 'done' : `${affectedRows} rows`;
  } catch (error) {
    if (error instanceof DatabaseError) return error.code;
    throw error;
  }
};

let last = 0;
const fresh = (): number => {
  last += 1;
  return last;
};

type Values = Readonly<Record<string, string | number>>;

const insert = async (table: string, values: Values): Promise<void> => {
  const quoted = Object.values(values).map((value) => (typeof value === 'number' ? value : `'${value}'`));
  await run(`INSERT INTO ${table} (${Object.keys(values).join(', ')}) VALUES (${quoted.join(', ')})`);
};

/** A row that stands in the state from the beginning; its order number. */
const payment = async (changes: Values = {}): Promise<number> => {
  const no = fresh();
  const of = {
    order_no: no,
    merchant_id: 'm-1',
    merchant_order_no: `T${no}`,
    currency: 'CNY',
    amount: 1_000,
    kind: 'merchant_qr',
  };
  const what = {
    wallet: 'wechat',
    subject: 'x',
    state: 'paying',
    version: 3,
    attempt_count: 1,
    refund_reserved: 500,
    refunded: 400,
  };
  const where = {
    terminal_id: '',
    store_id: '',
    traceparent: '',
    created_at: 1,
    expire_at: 2,
    updated_at: 1,
    map_version: 1,
    seal: 's',
  };
  const first = {
    account_id: 'a',
    channel_id: 'c',
    token: 't',
    attempt_state: 'started',
    route_reason: '',
    created_by: 't',
    event_source: 't',
  };
  await insert('payment', { ...of, ...what, ...where, ...first, ...changes });
  return no;
};

const attempt = async (changes: Values = {}): Promise<number> => {
  const no = fresh();
  const row = {
    order_no: no,
    attempt_no: 2,
    account_id: 'a',
    channel_id: 'c',
    token: 't',
    attempt_state: 'started',
    route_reason: '',
    started_at: 1,
  };
  await insert('attempt', { ...row, ...changes });
  return no;
};

const refund = async (changes: Values = {}): Promise<number> => {
  const no = fresh();
  const of = {
    refund_no: no,
    order_no: no,
    merchant_refund_no: `R${no}`,
    currency: 'CNY',
    amount: 100,
    state: 'requested',
    cause: 'merchant',
  };
  const row = { reason: 'x', attempt_no: 1, version: 3, created_at: 1, updated_at: 1, seal: 's', event_source: 't' };
  await insert('refund', { ...of, ...row, ...changes });
  return no;
};

const pairsOf = (pairs: readonly { readonly from: string; readonly to: string }[]): ReadonlySet<string> =>
  new Set(pairs.map(({ from, to }) => `${from}>${to}`));

type Machine = {
  readonly what: string;
  readonly table: 'payment' | 'attempt' | 'refund';
  readonly column: 'state' | 'attempt_state';
  readonly states: readonly string[];
  readonly allowed: ReadonlySet<string>;
  readonly make: (changes: Values) => Promise<number>;
};

const MACHINES: readonly Machine[] = [
  {
    what: 'payment',
    table: 'payment',
    column: 'state',
    states: PAYMENT_STATES,
    allowed: pairsOf(allowedPairs(PAYMENT_MOVES)),
    make: payment,
  },
  {
    what: 'first attempt',
    table: 'payment',
    column: 'attempt_state',
    states: ATTEMPT_STATES,
    allowed: pairsOf(allowedPairs(ATTEMPT_MOVES)),
    make: payment,
  },
  {
    what: 'later attempt',
    table: 'attempt',
    column: 'attempt_state',
    states: ATTEMPT_STATES,
    allowed: pairsOf(allowedPairs(ATTEMPT_MOVES)),
    make: attempt,
  },
  {
    what: 'refund',
    table: 'refund',
    column: 'state',
    states: REFUND_STATES,
    allowed: pairsOf(allowedPairs(REFUND_MOVES)),
    make: refund,
  },
];

const FROM = MACHINES.flatMap((machine) => machine.states.map((from) => [machine.what, from, machine] as const));

describe('the database moves', () => {
  test.each(FROM)('a %s that is %s exactly as the domain’s table does', async (_what, from, machine) => {
    const { table, column, states, allowed, make } = machine;
    const outcomes: Record<string, string> = {};
    const expected: Record<string, string> = {};
    for (const to of states) {
      const no = await make({ [column]: from });
      outcomes[to] = await outcomeOf(
        `UPDATE ${table} SET ${column} = '${to}', ${column === 'state' ? 'version = version + 1' : "channel_code = 'x'"} WHERE order_no = ${no}`,
      );
      expected[to] = to === from || allowed.has(`${from}>${to}`) ? 'done' : 'ER_SIGNAL_EXCEPTION';
    }
    expect(outcomes).toEqual(expected);
    const no = await make({ [column]: from });
    expect(await outcomeOf(`UPDATE ${table} SET ${column} = 'elsewhere' WHERE order_no = ${no}`)).toMatch(/TRUNCATED/);
  });

  test('nothing by a list that lacks a machine or a state', () => {
    expect(FROM).toHaveLength(PAYMENT_STATES.length + 2 * ATTEMPT_STATES.length + REFUND_STATES.length);
    for (const { allowed, states } of MACHINES) {
      for (const pair of allowed) for (const state of pair.split('>')) expect(states).toContain(state);
    }
  });
});

describe('the database keeps', () => {
  const KEPT: readonly (readonly [table: string, change: string, make: (changes?: Values) => Promise<number>])[] = [
    ['payment', 'amount = 999', payment],
    ['payment', 'amount = 1001', payment],
    ['payment', "currency = 'USD'", payment],
    ['payment', "merchant_id = 'm-2'", payment],
    ['payment', "merchant_order_no = 'other'", payment],
    ['payment', 'order_no = order_no + 100000', payment],
    ['payment', "kind = 'payment_code'", payment],
    ['payment', "wallet = 'alipay'", payment],
    ['payment', 'created_at = 2', payment],
    ['payment', "account_id = 'b'", payment],
    ['payment', "channel_id = 'd'", payment],
    ['payment', 'version = version - 1', payment],
    ['payment', 'refunded = refunded - 1', payment],
    ['payment', 'paid_at = 8', () => payment({ paid_at: 7 })],
    ['payment', 'paid_at = NULL', () => payment({ paid_at: 7 })],
    ['attempt', "account_id = 'b'", attempt],
    ['attempt', "channel_id = 'd'", attempt],
    ['attempt', "token = 'u'", attempt],
    ['attempt', 'attempt_no = 3', attempt],
    ['attempt', 'order_no = order_no + 100000', attempt],
    ['attempt', 'started_at = 2', attempt],
    ['refund', 'amount = 99', refund],
    ['refund', "currency = 'USD'", refund],
    ['refund', "merchant_refund_no = 'other'", refund],
    ['refund', 'order_no = order_no + 100000', refund],
    ['refund', 'refund_no = refund_no + 100000', refund],
    ['refund', "cause = 'surplus'", refund],
    ['refund', 'attempt_no = 2', refund],
    ['refund', 'created_at = 2', refund],
    ['refund', 'version = version - 1', refund],
  ];

  test.each(KEPT)('a %s as it is, against %s', async (table, change, make) => {
    const no = await make();
    expect(await outcomeOf(`UPDATE ${table} SET ${change} WHERE order_no = ${no}`)).toBe('ER_SIGNAL_EXCEPTION');
  });

  test.each([
    ['refund_reserved = 1001', 'more reserved than was paid'],
    ['refunded = 501', 'more given back than was reserved'],
  ])('a payment from %s: %s', async (change) => {
    const no = await payment();
    expect(await outcomeOf(`UPDATE payment SET ${change} WHERE order_no = ${no}`)).toBe('ER_CHECK_CONSTRAINT_VIOLATED');
  });

  test('a payment’s time of being paid free until it is known, and its reservations free in both directions', async () => {
    const no = await payment();
    expect(await outcomeOf(`UPDATE payment SET paid_at = 7, refund_reserved = 600 WHERE order_no = ${no}`)).toBe(
      'done',
    );
    expect(await outcomeOf(`UPDATE payment SET refund_reserved = 450, refunded = 450 WHERE order_no = ${no}`)).toBe(
      'done',
    );
  });

  test('every line of a trajectory: services may neither change nor remove one', async () => {
    const no = await payment();
    await run(`UPDATE payment SET version = version + 1 WHERE order_no = ${no}`);
    expect(await outcomeOf(`UPDATE trajectory SET code = 'x' WHERE order_no = ${no}`)).toBe('ER_SIGNAL_EXCEPTION');
    expect(await outcomeOf(`DELETE FROM trajectory WHERE order_no = ${no}`)).toBe('ER_SIGNAL_EXCEPTION');
    expect(await outcomeOf('TRUNCATE trajectory')).toMatch(/DENIED/);
    expect(await outcomeOf('DROP TRIGGER trajectory_stays')).toMatch(/DENIED/);
    expect(await outcomeOf('ALTER TABLE trajectory DROP PARTITION later')).toMatch(/DENIED/);
    const { rows } = await run(`SELECT COUNT(*) AS n FROM trajectory WHERE order_no = ${no}`);
    expect(String(rows[0]?.['n'])).toBe('1');
  });

  test('every word of a person: it stays as it was said, and is a line of the trajectory', async () => {
    const no = await payment();
    await run(`INSERT INTO person_statement (order_no, item, statement_no, person, outcome, channel_transaction_id, evidence, said_at, said_through)
               VALUES (${no}, 1, 1, 'Ann', 'failed_definite', '', 'e', 5, 'test')`);
    expect(await outcomeOf(`UPDATE person_statement SET person = 'Bob' WHERE order_no = ${no}`)).toBe(
      'ER_SIGNAL_EXCEPTION',
    );
    expect(await outcomeOf(`DELETE FROM person_statement WHERE order_no = ${no}`)).toBe('ER_SIGNAL_EXCEPTION');
    const { rows } = await run(`SELECT event, state, code, learned_by FROM trajectory WHERE order_no = ${no}`);
    expect(rows).toMatchObject([{ event: 'person_said', state: 'failed_definite', code: 'Ann', learned_by: 'person' }]);
  });
});
