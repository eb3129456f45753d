import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findServers, makeTemplate } from '@tillmesh/local-stack';
import { startAndStop } from '@tillmesh/testing';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { chartFolder } from '../../scripts/chart/chart-files.ts';
import { root } from '../../scripts/run-program.ts';

// The scripts of the chart's evaluation against real servers: what the image's entrypoint runs once, and what stands beside each server.

const ACCOUNTS = ['root', 'app', 'read', 'migrate', 'lists', 'events', 'replication'];
const files = join(chartFolder, 'files', 'evaluation');
const folder = mkdtempSync(join(tmpdir(), 'tillmesh-evaluation-'));
const passwords = join(folder, 'passwords');
const asRoot = process.getuid?.() === 0 ? ['--user=root'] : [];
const children: ChildProcess[] = [];

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
};

/** Runs a program to its end. */
const run = async (program: string, words: readonly string[], env: Record<string, string> = {}) => {
  const child = spawn(program, words, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part: Buffer) => (output += part.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, output };
};

/** The image has MariaDB's own client; a machine with only the server gets one that understands as much as the scripts need. */
const client = join(import.meta.dirname, 'mariadb-client.ts');
const clientProgram = join(folder, 'mariadb');

type Node = { readonly data: string; readonly socket: string; readonly port: number; process?: ChildProcess };
const nodes: Node[] = [];

const startServer = (node: Node, place: number, more: readonly string[] = []): ChildProcess => {
  const words = [
    `--defaults-file=${join(files, 'group.cnf')}`,
    ...asRoot,
    `--datadir=${node.data}`,
    `--socket=${node.socket}`,
    `--port=${node.port}`,
    '--bind-address=127.0.0.1',
    `--pid-file=${node.socket}.pid`,
    `--server-id=${11 + place}`,
    '--gtid-domain-id=1',
    ...more,
  ];
  const child = spawn('mariadbd', words, { stdio: ['ignore', 'ignore', 'pipe'] });
  children.push(child);
  return child;
};

const ask = (node: Node, sql: string, password = 'root') =>
  run(clientProgram, ['--batch', '--skip-column-names', `--socket=${node.socket}`, '--user=root', '--execute', sql], {
    MYSQL_PWD: password === '' ? '' : readFileSync(join(passwords, `${password}.password`), 'utf8').trim(),
  });

const answers = (node: Node, password?: string) =>
  vi.waitFor(async () => expect((await ask(node, 'SELECT 1', password)).output.trim()).toBe('1'), {
    timeout: 30_000,
    interval: 200,
  });

/** What the image's entrypoint does with an empty data folder, as far as the chart builds on it. */
const initialise = async (node: Node, place: number): Promise<void> => {
  const found = await findServers({ redis: false });
  if (found.kind !== 'found') throw new Error('there is no MariaDB on this machine');
  await makeTemplate(found.mariadb, node.data, { asRoot: asRoot.length > 0, logs: join(node.data, '..') });
  const server = startServer(node, place, ['--skip-networking']);
  await answers(node, '');
  const rootPassword = readFileSync(join(passwords, 'root.password'), 'utf8').trim();
  const set = await ask(node, `SET PASSWORD FOR root@localhost = PASSWORD('${rootPassword}')`, '');
  expect(set.code, set.output).toBe(0);
  const script = `set -eo pipefail
docker_process_sql() { MYSQL_PWD='${rootPassword}' '${clientProgram}' --socket='${node.socket}' --user=root "$@"; }
. '${join(files, 'accounts.sh')}'`;
  const accounts = await run('bash', ['-c', script], { PASSWORDS: passwords });
  expect(accounts.code, accounts.output).toBe(0);
  server.kill('SIGTERM');
  await once(server, 'close');
};

const startKeeper = (node: Node, place: number): ChildProcess => {
  const child = spawn('bash', [join(files, 'keep-group.sh')], {
    env: {
      ...process.env,
      HOSTNAME: `pay-db-1-${place}`,
      PRIMARY_HOST: '127.0.0.1',
      PRIMARY_PORT: String(nodes[0]?.port),
      PASSWORDS: passwords,
      SOCKET: node.socket,
      CLIENT: clientProgram,
      EVERY_SECONDS: '0.3',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  return child;
};

const said = (child: ChildProcess) => {
  let output = '';
  child.stdout?.on('data', (part: Buffer) => (output += part.toString()));
  return () => output;
};

let primaryKeeper: () => string = () => '';

beforeAll(async () => {
  mkdirSync(passwords, { recursive: true });
  for (const account of ACCOUNTS) writeFileSync(join(passwords, `${account}.password`), `${account}0123456789abcdef`);
  const real = (await run('sh', ['-c', 'command -v mariadb'])).output.trim();
  const program = real === '' ? `exec '${process.execPath}' '${client}' "$@"` : `exec '${real}' --no-defaults "$@"`;
  writeFileSync(clientProgram, `#!/bin/sh\n[ "$1" = --no-defaults ] && shift\n${program}\n`, { mode: 0o755 });
  for (const place of [0, 1, 2]) {
    const at = join(folder, `db-${place}`);
    mkdirSync(at, { recursive: true });
    nodes.push({ data: join(at, 'data'), socket: join(at, 's'), port: await freePort() });
  }
  await Promise.all(nodes.map(initialise));
  nodes.forEach((node, place) => (node.process = startServer(node, place)));
  nodes.forEach((node, place) => {
    const keeper = startKeeper(node, place);
    if (place === 0) primaryKeeper = said(keeper);
  });
}, 120_000);

afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

const [first, second] = [0, 1].map((place) => () => nodes[place] as Node) as [() => Node, () => Node];
const config = (account: string, more: object = {}) => ({
  map: { version: 1, groups: [{ tag: 1, endpoints: nodes.map(({ port }) => ({ host: '127.0.0.1', port })) }] },
  user: account,
  password: join(passwords, `${account}.password`),
  ...more,
});

test('a group of three servers makes itself: replicas follow, and the primary opens with semi-sync on', async () => {
  await expect.poll(primaryKeeper, { timeout: 60_000 }).toContain('opened with ');
  expect((await ask(first(), 'SELECT @@read_only, @@rpl_semi_sync_master_enabled')).output.trim()).toBe('0\t1');
  expect((await ask(second(), 'SELECT @@read_only')).output.trim()).toBe('1');
  await expect
    .poll(async () => (await ask(second(), "SHOW DATABASES LIKE 'tillmesh_lists'")).output.trim(), { timeout: 20_000 })
    .toBe('tillmesh_lists');
}, 90_000);

test('the order store takes it: the migration runs with its account, and no setting or grant is found unsafe', async () => {
  const migrate = join(folder, 'migrate.json');
  writeFileSync(migrate, JSON.stringify({ orders: config('migrate') }));
  const source = join(root, 'services/order-store/src');
  const migrated = await run(process.execPath, [join(source, 'migrate-main.ts')], { TILLMESH_CONFIG: migrate });
  expect(migrated.code, migrated.output).toBe(0);
  writeFileSync(join(folder, 'row-key'), '0123456789abcdef'.repeat(4));
  const settings = {
    server: { port: 0 },
    logLevel: 'info',
    orders: config('app', { rowKeys: { current: 1, keys: [{ id: 1, keyFile: 'row-key' }] } }),
  };
  const { code, output } = await startAndStop(join(source, 'main.ts'), folder, settings, process.env);
  expect(output).toContain('"msg":"ready"');
  expect(output).not.toMatch(/unsafe|finding/);
  expect(code).toBe(0);
}, 120_000);

test('a primary that was killed comes back read-only, and opens again by itself', async () => {
  const node = first();
  node.process?.kill('SIGKILL');
  if (node.process !== undefined) await once(node.process, 'close');
  node.process = startServer(node, 0);
  await answers(node);
  await expect
    .poll(async () => (await ask(node, 'SELECT @@read_only, @@rpl_semi_sync_master_enabled')).output.trim(), {
      timeout: 60_000,
    })
    .toBe('0\t1');
  expect(primaryKeeper().match(/opened with/g)).toHaveLength(2);
}, 90_000);
