import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findServers, sharedMariadbConfig, sharedMysqlConfig } from '@tillmesh/local-stack';
import { describe, expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { createJudge } from '../../scripts/chart/judge.ts';
import { type Manifest, render } from '../../scripts/chart/render.ts';
import { findByRules } from '../../scripts/chart/rules.ts';
import { createWalk } from '../../scripts/chart/walk.ts';
import { root } from '../../scripts/run-program.ts';

// The manifests of k8s/, as far as they can be known without their operators: their Kubernetes parts along the schemas of Kubernetes, their
// settings along those of the local stack, and that the chart finds what they make. The fields of the operators' own kinds are listed here
// as their types have them: MOCO 0.36 (api/v1beta2), mariadb-operator 26.6 (api/v1alpha1).

const folder = join(root, 'k8s');
const read = (name: string): string => readFileSync(join(folder, name), 'utf8');

// oxlint-disable-next-line typescript/no-explicit-any -- Objects as YAML gives them.
type Part = any;

const manifestsOf = (name: string): readonly Manifest[] =>
  parseAllDocuments(read(name)).map((document): Manifest => {
    expect(document.errors).toEqual([]);
    return document.toJS() as Manifest;
  });
const [mycnf, moco] = manifestsOf('mysql-moco.yaml') as [Part, Part];
const [mariadb, backup] = manifestsOf('mariadb-operator.yaml') as [Part, Part];

const walk = createWalk();

/** Fields of the operators' kinds, as far as they are used: a name alone may hold anything. */
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  MySQLCluster: ['replicas', 'serverIDBase', 'mysqlConfigMapName', 'podTemplate.spec', 'volumeClaimTemplates'],
  MariaDB: [
    'image',
    'replicas',
    'myCnf',
    'resources',
    'rootPasswordSecretKeyRef.name',
    'rootPasswordSecretKeyRef.key',
    'storage.size',
    'affinity.antiAffinityEnabled',
    'podDisruptionBudget.maxUnavailable',
    'updateStrategy.type',
    'readinessProbe.periodSeconds',
    'readinessProbe.timeoutSeconds',
    'readinessProbe.failureThreshold',
    'replication.enabled',
    'replication.gtidStrictMode',
    'replication.semiSyncEnabled',
    'replication.semiSyncWaitPoint',
    'replication.semiSyncAckTimeout',
    'replication.syncBinlog',
    'replication.standaloneProbes',
    'replication.primary.autoFailover',
    'replication.primary.autoFailoverDelay',
    'replication.replica.replPasswordSecretKeyRef.name',
    'replication.replica.replPasswordSecretKeyRef.key',
    'replication.replica.maxLagSeconds',
    'replication.replica.syncTimeout',
    'replication.replica.recovery.enabled',
    'replication.replica.connectionRetrySeconds',
    'replication.replica.bootstrapFrom.physicalBackupTemplateRef.name',
  ],
  PhysicalBackup: [
    'mariaDbRef.name',
    'mariaDbRef.waitForIt',
    'schedule.suspend',
    'target',
    'storage.persistentVolumeClaim',
  ],
};

const unknownFields = (kind: string, value: Part, path = ''): readonly string[] => {
  if (FIELDS[kind]?.includes(path) === true) return [];
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [`${kind}: ${path}`];
  return Object.entries(value as Record<string, unknown>).flatMap(([key, each]) =>
    unknownFields(kind, each, path === '' ? key : `${path}.${key}`),
  );
};

/** A pod and its claims, as the StatefulSet that an operator makes of them. */
const statefulSetOf = (pod: Part, volumeClaimTemplates: Part): Manifest => ({
  apiVersion: 'apps/v1',
  kind: 'StatefulSet',
  metadata: { name: 'of-the-operator' },
  spec: {
    serviceName: 'x',
    selector: { matchLabels: { a: 'b' } },
    template: { metadata: { labels: { a: 'b' } }, ...pod },
    volumeClaimTemplates,
  },
});

const settingsIn = (text: string): ReadonlyMap<string, string> =>
  new Map(
    [...text.matchAll(/^([a-z_]+)\s*=\s*(\S+)$/gm)].map(([, name = '', value = '']): [string, string] => [name, value]),
  );

/** Sizes are the machine's own matter, and a laptop's are small. */
const OF_THE_MACHINE = new Set(['innodb_buffer_pool_size']);

const differing = (own: ReadonlyMap<string, string>, ofStack: ReadonlyMap<string, string>): readonly string[] =>
  [...own]
    .filter(([name, value]) => !OF_THE_MACHINE.has(name) && ofStack.has(name) && ofStack.get(name) !== value)
    .map(([name, value]) => `${name} is ${value}, and ${ofStack.get(name) ?? ''} in the local stack`);

describe('the order groups', () => {
  test('have no field that their operators do not know', () => {
    for (const object of [moco, mariadb, backup]) expect(unknownFields(object.kind as string, object.spec)).toEqual([]);
    expect(unknownFields('MariaDB', { ...mariadb.spec, replicaz: 3 })).toEqual(['MariaDB: replicaz']);
  });

  test('are three servers each, whose pods and volumes are as Kubernetes knows them', () => {
    expect([moco.spec.replicas, mariadb.spec.replicas]).toEqual([3, 3]);
    expect(walk(statefulSetOf(moco.spec.podTemplate, moco.spec.volumeClaimTemplates))).toEqual([]);
    expect(walk(mycnf as Manifest)).toEqual([]);
    const claim = { metadata: { name: 'backup' }, spec: backup.spec.storage.persistentVolumeClaim };
    expect(walk(statefulSetOf({ spec: { containers: [] } }, [claim]))).toEqual([]);
    expect(moco.spec.podTemplate.spec.containers[0].name).toBe('mysqld');
    expect(moco.spec.volumeClaimTemplates[0].metadata.name).toBe('mysql-data');
    expect(moco.spec.mysqlConfigMapName).toBe(mycnf.metadata.name);
  });

  test('lose no acknowledged write and fail over: what the defaults of mariadb-operator do not do', () => {
    const { replication, readinessProbe } = mariadb.spec;
    expect(replication).toMatchObject({
      semiSyncEnabled: true,
      semiSyncWaitPoint: 'AfterSync',
      semiSyncAckTimeout: '24h',
      gtidStrictMode: true,
      syncBinlog: 1,
      standaloneProbes: true,
      primary: { autoFailover: true },
      replica: {
        recovery: { enabled: true },
        bootstrapFrom: { physicalBackupTemplateRef: { name: backup.metadata.name } },
      },
    });
    // Kubernetes counts a node as lost after 50 s; an orphaned replica has to be ready for longer.
    expect(readinessProbe.periodSeconds * readinessProbe.failureThreshold).toBeGreaterThan(50);
    expect(backup.spec.mariaDbRef.name).toBe(mariadb.metadata.name);
  });

  test('have the settings of the local stack, in which everything here is tested', () => {
    const ofMariadb = settingsIn(mariadb.spec.myCnf as string);
    expect(ofMariadb.size).toBeGreaterThan(15);
    expect(differing(ofMariadb, settingsIn(sharedMariadbConfig()))).toEqual([]);
    const ofMysql = new Map(Object.entries(mycnf.data as Record<string, string>));
    expect(ofMysql.size).toBeGreaterThan(10);
    expect(differing(ofMysql, settingsIn(sharedMysqlConfig()))).toEqual([]);
    expect(differing(new Map([['sync_binlog', '0']]), settingsIn(sharedMariadbConfig()))).toHaveLength(1);
  });

  test('have settings that a real MariaDB knows', async () => {
    const found = await findServers();
    if (found.kind === 'missing') throw new Error('MariaDB is not installed: npm test installs it');
    const ended = mkdtempSync(join(tmpdir(), 'tillmesh-mycnf-'));
    try {
      const file = join(ended, 'my.cnf');
      writeFileSync(file, mariadb.spec.myCnf as string);
      const text = execFileSync(found.mariadb.path, [`--defaults-file=${file}`, '--verbose', '--help'], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      expect(text).toMatch(/^rpl-semi-sync-master-wait-no-slave\s+TRUE$/m);
    } finally {
      rmSync(ended, { recursive: true, force: true });
    }
  });
});

describe('the chart over them', async () => {
  const judge = await createJudge();
  const overlays = readdirSync(folder).filter((name) => name.startsWith('values-'));
  const hosts = {
    'values-mysql-moco.yaml': (group: string, place: number) => `moco-${group}-${place}.moco-${group}`,
    'values-mariadb-operator.yaml': (group: string, place: number) => `${group}-${place}.${group}-internal`,
  };

  test('has one values file for each operator', () =>
    expect(overlays.toSorted()).toEqual(Object.keys(hosts).toSorted()));

  for (const [file, hostOf] of Object.entries(hosts)) {
    test(`${file} names each server of each group, and what it makes is right`, async () => {
      const options = { values: ['helm/tillmesh/values-production.yaml', `k8s/${file}`], namespace: 'pay' };
      expect(await judge.right({ name: file, options, says: '' })).toEqual([]);
      const values: Part = parse(read(file));
      for (const { tag, endpoints } of values.orders.groups as Part[]) {
        expect(endpoints).toEqual(
          [0, 1, 2].map((place) => ({ host: `${hostOf(`order-g${tag}`, place)}.pay.svc.cluster.local`, port: 3306 })),
        );
      }
      const rendered = await render(options);
      const text = rendered.kind === 'rendered' ? rendered.text : rendered.message;
      expect(text).toContain(hostOf('order-g2', 2));
    }, 60_000);
  }

  test('Valkey is where they say, with the secret that they name, and as strict as our own pods', () => {
    const manifests = manifestsOf('valkey.yaml');
    expect(manifests.flatMap(walk)).toEqual([]);
    // The policy that denies everything besides is the chart's own, of its release; here it stands alone.
    expect(findByRules(manifests).filter(({ rule }) => rule !== 'network-policy')).toEqual([]);
    const service = manifests.find(({ kind }) => kind === 'Service') as Part;
    const pod = (manifests.find(({ kind }) => kind === 'StatefulSet') as Part).spec.template.spec;
    for (const file of overlays) {
      const { redis }: Part = parse(read(file));
      expect(redis.host).toBe(`${service.metadata.name}.${service.metadata.namespace}.svc.cluster.local`);
      expect(pod.volumes.find((volume: Part) => volume.secret)?.secret.secretName).toBe(redis.secretName);
    }
    const { data } = manifests.find(({ kind }) => kind === 'ConfigMap') as Part;
    expect(data['valkey.conf']).toMatch(/^maxmemory-policy noeviction$/m);
    expect(data['valkey.conf']).toMatch(/^appendonly yes$/m);
  });
});

test('kind has three zones with a node each', () => {
  const cluster: Part = parse(read('kind.yaml'));
  expect(cluster).toMatchObject({ kind: 'Cluster', apiVersion: 'kind.x-k8s.io/v1alpha4' });
  expect(Object.keys(cluster as object)).toEqual(['kind', 'apiVersion', 'name', 'nodes']);
  const workers = (cluster.nodes as Part[]).filter(({ role }) => role === 'worker');
  const zones = workers.map(({ labels }) => labels['topology.kubernetes.io/zone'] as string);
  expect(new Set(zones).size).toBe(3);
  expect(cluster.nodes.filter(({ role }: Part) => role === 'control-plane')).toHaveLength(1);
});
