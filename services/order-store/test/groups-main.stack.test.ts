import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@tillmesh/clock';
import { freePorts, type LocalStack, startLocalStack } from '@tillmesh/local-stack';
import { SCHEMA_VERSION } from '@tillmesh/order-groups';
import { startAndStop } from '@tillmesh/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';

// Each test goes on where the one before has left the groups: from two without a schema to one that has the other's orders.

const ORDERS = 3_000;
const WAIT_MS_MAX = 60_000;
const folder = mkdtempSync(join(tmpdir(), 'tillmesh-groups-main-'));
const source = join(import.meta.dirname, '../src');
let stack: LocalStack;
let settings: { readonly orderStore: object; readonly migrate: object };
let store: ChildProcess | undefined;

beforeAll(async () => {
  stack = await startLocalStack({
    folder: join(folder, 'stack'),
    groupTags: [1, 2],
    redis: false,
    clock: systemClock,
  });
  const [port = 0] = await freePorts(1);
  const map = {
    version: 1,
    groups: stack.groups.map(({ tag, nodes }) => ({
      tag,
      endpoints: nodes.map(({ host, port: at }) => ({ host, port: at })),
    })),
  };
  writeFileSync(join(folder, 'row-key'), `${'0123456789abcdef'.repeat(4)}\n`);
  const account = (name: 'app' | 'migrate') => {
    const { user, passwordFile } = stack.accounts[name];
    return { map, user, password: passwordFile };
  };
  settings = {
    orderStore: {
      server: { port },
      logLevel: 'info',
      orders: { ...account('app'), rowKeys: { current: 1, keys: [{ id: 1, keyFile: 'row-key' }] } },
    },
    migrate: { orders: account('migrate'), orderStore: { target: `127.0.0.1:${port}` } },
  };
  writeFileSync(join(folder, 'migrate.json'), JSON.stringify(settings.migrate));
  writeFileSync(join(folder, 'store.json'), JSON.stringify(settings.orderStore));
});

afterAll(async () => {
  store?.kill('SIGTERM');
  await stack.stop();
  rmSync(folder, { recursive: true, force: true });
});

type Run = { readonly code: number | null; readonly output: string };

/** Starts a program; `seen` hears everything that it has printed so far. */
const start = (
  file: string,
  words: readonly string[],
  config: string,
  seen: (output: string) => void = () => undefined,
) => {
  const child = spawn(process.execPath, [join(source, file), ...words], {
    env: { ...process.env, TILLMESH_CONFIG: join(folder, config) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const hear = (chunk: Buffer) => {
    output += chunk.toString();
    seen(output);
  };
  child.stdout.on('data', hear);
  child.stderr.on('data', hear);
  const ended = new Promise<Run>((resolve) => child.once('close', (code) => resolve({ code, output })));
  return { child, ended };
};

const groups = (...words: readonly string[]): Promise<Run> => start('groups-main.ts', words, 'migrate.json').ended;

/** Runs a command and kills it as soon as it has printed this. */
const killedAt = async (text: string, ...words: readonly string[]): Promise<Run> => {
  const { child, ended } = start('groups-main.ts', words, 'migrate.json', (output) => {
    if (output.includes(text)) child.kill('SIGKILL');
  });
  return ended;
};

const ask = async (tag: number, sql: string): Promise<readonly Record<string, unknown>[]> => {
  const group = stack.groups.find((candidate) => candidate.tag === tag);
  if (group === undefined) throw new Error(`no group ${tag}`);
  return group.primary().administer(async (connection) => {
    await connection.query(`USE ${group.database}`);
    const [rows] = await connection.query(sql);
    return Array.isArray(rows) ? rows.flatMap((row) => (Array.isArray(row) ? [] : [{ ...row }])) : [];
  });
};

test('an order store is not ready on groups without their schema, says what to do, and does not end', async () => {
  const { code, output } = await startAndStop(
    join(source, 'main.ts'),
    folder,
    settings.orderStore,
    process.env,
    '"msg":"not ready"',
  );
  expect(output).toContain('the schema is behind: group 1 has version 0, group 2 has version 0');
  expect(output).toContain('npm run groups -- schema --migrate');
  expect(output).not.toContain('"msg":"ready"');
  // It ended when it was told to, in order.
  expect(code).toBe(0);
});

test('the schema is shown group by group, and brought up to date by a command that may be killed and run again', async () => {
  const before = await groups('schema');
  expect(before.output).toContain('group 1: version 0\ngroup 2: version 0\n');
  expect(before.code).toBe(1);

  const killed = await killedAt('group 1: version 0 → 1', 'schema', '--migrate');
  expect(killed.code).toBeNull();
  const after = await groups('schema', '--migrate');
  expect(after.output).toContain('group 1: version 1 → 1, 0 days got their partition');
  expect(after.output).toContain(`group 1: version ${SCHEMA_VERSION}\ngroup 2: version ${SCHEMA_VERSION}\n`);
  expect(after.code).toBe(0);
});

test('a command that is typed wrong says what is missing and changes nothing', async () => {
  expect(await groups('shrink')).toMatchObject({ code: 1, output: expect.stringContaining('shrink is no command') });
  expect(await groups('close')).toMatchObject({
    code: 1,
    output: expect.stringContaining('the group’s tag is missing'),
  });
  expect(await groups('close', '128')).toMatchObject({
    code: 1,
    output: expect.stringContaining('128 is no group tag'),
  });
  expect(await groups('migrate', '2')).toMatchObject({ code: 1, output: expect.stringContaining('--to <tag>') });
});

test('the orders of a group go to another one although the command is killed at every step of it', async () => {
  const { child, ended } = start('main.ts', [], 'store.json', (output) => {
    if (output.includes('"msg":"ready"')) ready();
  });
  store = child;
  let ready: () => void = () => undefined;
  const isReady = new Promise<void>((resolve) => {
    ready = resolve;
  });
  const first = await Promise.race([isReady, ended]);
  expect(first).toBeUndefined();

  // Keys are day, ms, group, worker and sequence: orders of group 2, one a ms.
  await ask(
    2,
    `INSERT INTO payment (order_no, merchant_id, merchant_order_no, currency, amount, kind, wallet, subject, state, version, attempt_count,
       terminal_id, store_id, traceparent, created_at, expire_at, updated_at, map_version, seal, account_id, channel_id, token, attempt_state,
       route_reason, created_by, event_source)
     WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < ${ORDERS / 3})
     SELECT (300 << 49) | ((n.i * 3 + k.j) << 22) | (2 << 15), 'm', CONCAT('order-', n.i, '-', k.j), 'CNY', n.i, 'merchant_qr', 'wechat', '',
       'closed', 1, 1, '', '', '', 1, 1, 1, 1, '', 'a', 'wechat', 't', 'closed', '', 'test', 'test'
     FROM n JOIN (SELECT 0 AS j UNION SELECT 1 UNION SELECT 2) k`,
  );
  expect(await groups('migrate', '2', '--to', '1')).toMatchObject({
    code: 1,
    output: expect.stringContaining('first: npm run groups -- close 2'),
  });
  expect((await groups('close', '2')).output).toContain('group 2 is closed by map version 2');

  const words = ['migrate', '2', '--to', '1'] as const;
  const copying = start('groups-main.ts', words, 'migrate.json');
  const untilMs = systemClock.monotonicMs() + WAIT_MS_MAX;
  let copied = 0;
  while (copied === 0 && systemClock.monotonicMs() < untilMs) {
    copied = Number((await ask(1, 'SELECT copied FROM group_move'))[0]?.['copied'] ?? 0);
  }
  copying.child.kill('SIGKILL');
  await copying.ended;
  expect(copied).toBeGreaterThan(0);
  expect(copied).toBeLessThan(ORDERS);

  const verifying = await killedAt('verify ', ...words);
  expect(verifying.code).toBeNull();
  // It went on where the first one was.
  expect(Number(/copy +\[.*\] (\d+) of 3000/.exec(verifying.output)?.[1])).toBeGreaterThanOrEqual(copied);
  expect((await killedAt('switch ', ...words)).code).toBeNull();
  const last = await groups(...words);
  expect(last.output).toContain(
    'group 1 has the orders of group 2: 3000 of payment, 0 of attempt, 0 of refund, 0 of trajectory',
  );
  expect(last.code).toBe(0);
  expect((await groups(...words)).output).toContain('group 2 is retired already: group 1 has its orders');

  const [sum] = await ask(1, 'SELECT COUNT(*) AS n, CAST(SUM(amount) AS CHAR) AS total FROM payment');
  const [numbers] = await ask(1, 'SELECT COUNT(*) AS n FROM merchant_order');
  expect([sum?.['n'], sum?.['total'], numbers?.['n']].map(Number)).toEqual([3_000, 1_501_500, 3_000]);
  expect((await groups('show')).output).toMatch(/^ +2 {2}retired, successor 1 /m);
});

test('a retired group’s servers are given free when no map is consulted that placed orders there, or on demand', async () => {
  const kept = await groups('retire', '2');
  expect(kept.output).toContain('placed orders in group 2 within the idempotency window');
  expect(kept.code).toBe(1);
  const free = await groups('retire', '2', '--now');
  expect(free.output).toContain('the servers of group 2 may be stopped: 127.0.0.1:');
  expect(free.code).toBe(0);
  expect((await groups('retire', '1')).output).toContain('group 1 is open: its orders go first');
});
