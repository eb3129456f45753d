import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { systemRandom } from '@tillmesh/clock';
import { generateKeys } from './generate-keys.ts';

// What the chart's evaluation keeps secret, made inside the cluster and written as two Secrets: the databases' passwords and row key, and
// both sides' keys of the simulated channels. A Secret that is there is left alone, so this may run again at any time.

const API_MS_MAX = 10_000;
const PASSWORDS = ['root', 'app', 'read', 'migrate', 'lists', 'events', 'replication'];

const USAGE = `usage: cluster-keys-main.ts --databases <Secret> --channels <Secret> [options]
  --host <name>       of the sandbox, for its certificate
  --api <url>         of the API server (default that of the cluster)
  --account <folder>  token, namespace and ca.crt to use there (default the pod's)`;

const { values } = parseArgs({
  options: {
    databases: { type: 'string' },
    channels: { type: 'string' },
    host: { type: 'string' },
    api: { type: 'string', default: 'https://kubernetes.default.svc' },
    account: { type: 'string', default: '/var/run/secrets/kubernetes.io/serviceaccount' },
  },
});

const ofAccount = (name: string): string => readFileSync(join(values.account, name), 'utf8').trim();

/** Asks the API server of this cluster. @returns the status of the answer. */
const ask = (method: 'GET' | 'POST', path: string, body?: object): Promise<number> =>
  new Promise((resolve, reject) => {
    const sent = request(
      new URL(path, values.api),
      {
        method,
        ca: ofAccount('ca.crt'),
        timeout: API_MS_MAX,
        headers: { authorization: `Bearer ${ofAccount('token')}`, 'content-type': 'application/json' },
      },
      (response) => {
        response.resume();
        response.on('end', () => resolve(response.statusCode ?? 0));
      },
    );
    sent.on('timeout', () => sent.destroy(new Error(`the API server answers nothing within ${API_MS_MAX} ms`)));
    sent.on('error', reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });

const keep = async (name: string, make: () => Readonly<Record<string, string>>): Promise<void> => {
  const path = `/api/v1/namespaces/${ofAccount('namespace')}/secrets`;
  const found = await ask('GET', `${path}/${name}`);
  if (found === 200) {
    process.stdout.write(`${name} is there and stays as it is\n`);
    return;
  }
  if (found !== 404) throw new Error(`the API server answers ${found} when it is asked for the Secret ${name}`);
  const metadata = { name, labels: { 'app.kubernetes.io/name': 'tillmesh', 'app.kubernetes.io/part-of': 'tillmesh' } };
  const made = await ask('POST', path, { apiVersion: 'v1', kind: 'Secret', metadata, stringData: make() });
  // Somebody else was faster: theirs counts.
  if (made !== 201 && made !== 409) throw new Error(`the API server answers ${made} to the new Secret ${name}`);
  process.stdout.write(`${name} was made\n`);
};

const channelKeys = (): Readonly<Record<string, string>> => {
  const folder = mkdtempSync(join(tmpdir(), 'keys-'));
  try {
    generateKeys({
      folder,
      wechat: ['wechat-a', 'wechat-b'],
      alipay: ['alipay-a'],
      stripe: ['stripe-a'],
      unionpay: ['unionpay-a'],
      hosts: values.host === undefined ? [] : [values.host],
    });
    const names = readdirSync(folder).filter((name) => name !== 'accounts.json');
    return Object.fromEntries(names.map((name) => [name, readFileSync(join(folder, name), 'utf8')]));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

try {
  if (values.databases === undefined || values.channels === undefined) throw new Error(USAGE);
  await keep(values.databases, () => ({
    ...Object.fromEntries(PASSWORDS.map((account) => [`${account}.password`, systemRandom.hex(16)])),
    'row-key-1': systemRandom.hex(32),
  }));
  await keep(values.channels, channelKeys);
} catch (error) {
  process.stderr.write(
    `the evaluation's keys could not be made: ${error instanceof Error ? error.message : String(error)}\n`,
  );
  process.exitCode = 1;
}
