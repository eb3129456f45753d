import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '@tillmesh/clock';
import { createSupervisor, freePorts } from '@tillmesh/local-stack';
import { type ApiClient, createApiClient } from './api-client.ts';

/** An API server on loopback with nobody behind it: what it accepts is kept, and nothing of it runs. */
export type ApiServer = {
  readonly client: ApiClient;
  /** For helm and kubectl. */
  readonly kubeconfig: string;
  stop(): Promise<void>;
};

const HOST = '127.0.0.1';
const READY_WITHIN_MS = 90_000;
const STOP_GRACE_MS = 10_000;

const kubeconfigOf = (port: number, certificateFile: string, token: string): object => ({
  apiVersion: 'v1',
  kind: 'Config',
  clusters: [
    { name: 'local', cluster: { server: `https://${HOST}:${port}`, 'certificate-authority': certificateFile } },
  ],
  users: [{ name: 'local', user: { token } }],
  contexts: [{ name: 'local', context: { cluster: 'local', user: 'local' } }],
  'current-context': 'local',
});

/**
 * Starts etcd and kube-apiserver.
 *
 * @param options.folder an empty one, which they fill: logs where `endWhenInterrupted` looks for what was left running.
 * @throws {LocalStackError} with the end of its log where one does not come up.
 */
export const startApiServer = async (options: {
  readonly etcd: string;
  readonly program: string;
  readonly folder: string;
  readonly clock: Clock;
}): Promise<ApiServer> => {
  const { etcd, program, folder, clock } = options;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const [etcdPort = 0, peerPort = 0, port = 0] = await freePorts(3);
  const store = `http://${HOST}:${etcdPort}`;
  const peer = `http://${HOST}:${peerPort}`;
  const token = randomBytes(24).toString('hex');
  const keys = generateKeyPairSync('rsa', {
    modulusLength: 2_048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  const write = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };
  const keyFile = write('accounts.key', keys.privateKey);
  const publicKeyFile = write('accounts.pub', keys.publicKey);
  const tokenFile = write('tokens.csv', `${token},administrator,administrator,"system:masters"\n`);
  const certificates = join(folder, 'certificates');
  const certificateFile = join(certificates, 'apiserver.crt');

  const supervisor = createSupervisor({ clock, logFolder: join(folder, 'logs') });
  const common = { restart: false, readyWithinMs: READY_WITHIN_MS, stopGraceMs: STOP_GRACE_MS };
  try {
    await supervisor.start({
      ...common,
      name: 'etcd',
      command: etcd,
      args: [
        `--data-dir=${join(folder, 'etcd')}`,
        `--listen-client-urls=${store}`,
        `--advertise-client-urls=${store}`,
        `--listen-peer-urls=${peer}`,
        `--initial-advertise-peer-urls=${peer}`,
        `--initial-cluster=default=${peer}`,
        // Nothing here has to survive the machine.
        '--unsafe-no-fsync',
      ],
      ready: async (signal) => {
        const { ok, status } = await fetch(`${store}/health`, { signal });
        if (!ok) throw new Error(`etcd answers ${status}`);
      },
    });
    const client = () => createApiClient({ port, token, certificate: readFileSync(certificateFile, 'utf8') });
    await supervisor.start({
      ...common,
      name: 'kube-apiserver',
      command: program,
      args: [
        `--etcd-servers=${store}`,
        `--bind-address=${HOST}`,
        `--secure-port=${port}`,
        `--cert-dir=${certificates}`,
        `--token-auth-file=${tokenFile}`,
        '--authorization-mode=RBAC',
        '--service-account-issuer=https://kubernetes.default.svc',
        `--service-account-key-file=${publicKeyFile}`,
        `--service-account-signing-key-file=${keyFile}`,
        '--service-cluster-ip-range=10.96.0.0/16',
      ],
      ready: async () => {
        const { status } = await client().ask('GET', '/readyz');
        if (status !== 200) throw new Error(`it answers ${status}`);
      },
    });
    const kubeconfig = write('kubeconfig.json', JSON.stringify(kubeconfigOf(port, certificateFile, token)));
    return { client: client(), kubeconfig, stop: supervisor.stopAll };
  } catch (error) {
    await supervisor.stopAll();
    throw error;
  }
};
