import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { selfSigned } from '@tillmesh/testing/self-signed';
import { expect, onTestFinished, test } from 'vitest';

type Secret = { readonly metadata: { readonly name: string }; readonly stringData: Readonly<Record<string, string>> };

const PATH = '/api/v1/namespaces/payments/secrets';

const bodyOf = async (request: IncomingMessage): Promise<string> => {
  let text = '';
  for await (const part of request.setEncoding('utf8')) text += String(part);
  return text;
};

/** As much of the API server as the program asks: Secrets of one namespace, for who has the token. */
const anApi = async () => {
  const folder = mkdtempSync(join(tmpdir(), 'account-'));
  const { certificate, privateKey } = selfSigned();
  for (const [name, text] of [
    ['ca.crt', certificate],
    ['token', 'the-token\n'],
    ['namespace', 'payments'],
  ] as const) {
    writeFileSync(join(folder, name), text);
  }
  const secrets = new Map<string, Secret>();
  const state = { refuses: false };
  const server = createServer({ cert: certificate, key: privateKey }, (request, response) => {
    bodyOf(request).then(
      (text) => {
        const answer = (status: number) => response.writeHead(status).end('{}');
        if (state.refuses || request.headers.authorization !== 'Bearer the-token') return answer(403);
        const name = request.url?.slice(PATH.length + 1) ?? '';
        if (request.method === 'GET') return answer(secrets.has(name) ? 200 : 404);
        const secret = JSON.parse(text) as Secret;
        if (secrets.has(secret.metadata.name)) return answer(409);
        secrets.set(secret.metadata.name, secret);
        return answer(201);
      },
      () => response.destroy(),
    );
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const api = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const words = ['--databases', 'pay-databases', '--channels', 'pay-channels', '--host', 'pay-sandbox.payments.svc'];
  const program = join(import.meta.dirname, '../src/cluster-keys-main.ts');
  const run = () => promisify(execFile)(process.execPath, [program, ...words, '--api', api, '--account', folder]);
  return { secrets, state, run };
};

test('makes both Secrets once, with everything that the pods mount, and leaves them alone afterwards', async () => {
  const { secrets, run } = await anApi();
  expect((await run()).stdout).toBe('pay-databases was made\npay-channels was made\n');
  const databases = secrets.get('pay-databases')?.stringData ?? {};
  expect(Object.keys(databases).toSorted()).toEqual([
    ...['app', 'events', 'lists', 'migrate', 'read', 'replication', 'root'].map((name) => `${name}.password`),
    'row-key-1',
  ]);
  // Every file that the chart's configurations name lies in the Secret of the channels.
  const channels = Object.keys(secrets.get('pay-channels')?.stringData ?? {});
  const mesh = readFileSync(join(import.meta.dirname, '../../../helm/tillmesh/files/evaluation/mesh.json'), 'utf8');
  const named = [...mesh.matchAll(/\.\.\/channel-secrets\/([^"]+)/g)].map((match) => match[1] ?? '');
  expect(named.length).toBeGreaterThan(20);
  expect(named.filter((name) => !channels.includes(name))).toEqual([]);

  const before = structuredClone([...secrets]);
  expect((await run()).stdout).toBe(
    'pay-databases is there and stays as it is\npay-channels is there and stays as it is\n',
  );
  expect([...secrets]).toEqual(before);
}, 60_000);

test('fails and says why where it may not, so that the job runs again', async () => {
  const { state, run } = await anApi();
  state.refuses = true;
  await expect(run()).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining('the API server answers 403 when it is asked for the Secret pay-databases'),
  });
}, 60_000);
