import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { LISTENERS, type MeshPorts, readGeneratedKeys, simulatedSide } from '@tillmesh/local-mesh';
import { root } from '../run-program.ts';

/** Listener n of a mesh has port 7000 + n in the sandbox's pod. */
const BASE_PORT = 7_000;
const ports = Object.fromEntries(LISTENERS.map((listener, place) => [listener, BASE_PORT + place])) as MeshPorts;

/** The accounts of npm start. */
const ACCOUNTS = {
  wechat: ['wechat-a', 'wechat-b'],
  alipay: ['alipay-a'],
  stripe: ['stripe-a'],
  unionpay: ['unionpay-a'],
};

type KeysModule = { readonly generateKeys: (options: { readonly folder: string } & typeof ACCOUNTS) => unknown };

/**
 * What sandbox and channels of the chart's evaluation know of each other: the accounts, routing table and sandbox of `npm start`, with
 * the names sandbox.invalid and edge.invalid, for which the chart puts its own. Keys are made in the cluster; here stand their files.
 */
export const evaluationMesh = async (): Promise<object> => {
  const keysModule = (await import(
    pathToFileURL(join(root, 'services/sandbox/src/generate-keys.ts')).href
  )) as KeysModule;
  const folder = mkdtempSync(join(tmpdir(), 'tillmesh-keys-'));
  try {
    keysModule.generateKeys({ folder, ...ACCOUNTS });
    const keys = readGeneratedKeys(join(folder, 'accounts.json'));
    const side = simulatedSide({ keys, ports, channels: [], agreed: {} });
    const edge = `127.0.0.1:${ports['edge-http']}`;
    return JSON.parse(
      JSON.stringify({ ...side, sandbox: { host: '0.0.0.0', ...side.sandbox } }, (_key, value: unknown) => {
        if (typeof value !== 'string') return value;
        if (value.startsWith(folder)) return `../channel-secrets/${basename(value)}`;
        return value.replace(edge, 'edge.invalid').replace('127.0.0.1', 'sandbox.invalid');
      }),
    ) as object;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};
