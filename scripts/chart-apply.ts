import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { systemClock } from '@tillmesh/clock';
import { endWhenInterrupted } from '@tillmesh/local-mesh';
import { parseAllDocuments } from 'yaml';
import { chartFolder } from './chart/chart-files.ts';
import { helm } from './chart/helm.ts';
import { type Manifest, type RenderOptions, renderManifests } from './chart/render.ts';
import { rightValues, type ValuesFile } from './chart/values-files.ts';
import { applyAll, changedSince, createNamespace } from './cluster/apply-chart.ts';
import { findApiServer, KUBERNETES_VERSION } from './cluster/find-api-server.ts';
import { chartOf, nextChart } from './cluster/next-version.ts';
import { startApiServer } from './cluster/start-api-server.ts';
import { debianProgram } from './debian-program.ts';
import { root } from './run-program.ts';

// npm run chart:apply: a real kube-apiserver on a real etcd judges what the chart makes. Nobody runs what it accepts.

const HELP = `npm run chart:apply [-- options]

  --build          where they are not there: build kube-apiserver ${KUBERNETES_VERSION} with Go (once, some minutes), fetch etcd from Debian
  --from <commit>  besides, upgrade from the chart of that commit
  --keep           leave the logs and the data`;

const { values: options } = parseArgs({
  options: {
    build: { type: 'boolean', default: false },
    from: { type: 'string' },
    keep: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};
if (options.help) {
  say(HELP);
  process.exit(0);
}

const clock = systemClock;
const k8sFolder = join(root, 'k8s');
/** Of MOCO and mariadb-operator. */
const OF_OPERATORS = /^(?:moco\.cybozu|k8s\.mariadb)\.com\//;
const beganMs = clock.monotonicMs();
let findings = 0;
const tell = (what: string, complaints: readonly string[]): void => {
  findings += complaints.length;
  const seconds = ((clock.monotonicMs() - beganMs) / 1_000).toFixed(1).padStart(6);
  say(`${seconds} s  ${complaints.length === 0 ? 'ok    ' : 'wrong '}  ${what}`);
  for (const complaint of complaints) say(`             ${complaint.replaceAll('\n', '\n             ')}`);
};

const etcd = await debianProgram({ name: 'etcd', packageName: 'etcd-server', mayFetch: options.build });
const program = await findApiServer(options.build);
if (etcd === undefined || program === undefined) {
  const missing = [...(etcd === undefined ? ['etcd'] : []), ...(program === undefined ? ['kube-apiserver'] : [])];
  say(
    `skipped: ${missing.join(' and ')} not on PATH. npm run chart:apply -- --build gets them with Debian's apt and with Go 1.26.`,
  );
  process.exit(0);
}

const folder = mkdtempSync(join(tmpdir(), 'tillmesh-apply-'));
endWhenInterrupted(folder, options.keep);
const api = await startApiServer({ etcd, program, folder, clock });
try {
  const { client, kubeconfig } = api;
  tell(
    `kube-apiserver answers: ${JSON.stringify((await client.ask('GET', '/version')).body, ['gitVersion', 'platform'])}`,
    [],
  );

  const next = nextChart(folder);
  const namespaceOf = (what: string, { name }: ValuesFile): string => `${what}-${name.replaceAll(/[^a-z]+/g, '-')}`;
  const kubeVersion = KUBERNETES_VERSION.slice(1);
  // What helm makes only for `helm test` is applied as well; hooks are objects like others to the API server.
  const rendered = (file: ValuesFile, more: RenderOptions): Promise<readonly Manifest[]> =>
    renderManifests({ ...file.options, kubeVersion, ...more });

  const files = rightValues().filter((file) => {
    const isServed = (file.options.apis ?? []).length === 0;
    if (!isServed) say(`             ${file.name} is left out: it needs ${file.options.apis?.join(', ') ?? ''}`);
    return isServed;
  });
  for (const file of files) {
    const namespace = namespaceOf('apply', file);
    await createNamespace(client, namespace);
    const manifests = await rendered(file, { namespace });
    const first = await applyAll(client, manifests, namespace);
    tell(`${file.name}: ${manifests.length} objects, applied by the server, unknown fields refused`, first.complaints);
    const second = await applyAll(client, manifests, namespace);
    const changed = changedSince(first, second).map((name) => `${name} changed although nothing did`);
    tell(`${file.name}: applied again, nothing changes`, [...second.complaints, ...changed]);
    const upgraded = await applyAll(client, await rendered(file, { namespace, chart: next }), namespace);
    const count = changedSince(second, upgraded).length;
    tell(`${file.name}: upgraded to the next version of chart and image, ${count} objects change`, upgraded.complaints);
  }

  // What the manifests beside the chart have of Kubernetes' own; their operators are not here.
  await createNamespace(client, 'pay');
  const beside = readdirSync(k8sFolder)
    .filter((name) => name.endsWith('.yaml') && !/^(?:values-|kind)/.test(name))
    .flatMap((name) => parseAllDocuments(readFileSync(join(k8sFolder, name), 'utf8')))
    .map((document): Manifest => document.toJS() as Manifest)
    .filter(({ apiVersion }) => !OF_OPERATORS.test(apiVersion));
  tell(`k8s/: ${beside.length} objects`, (await applyAll(client, beside, 'pay')).complaints);

  const inNamespace = async (file: ValuesFile, namespace: string) => {
    await createNamespace(client, namespace);
    const given = (file.options.values ?? []).flatMap((path) => ['--values', join(root, path)]);
    const where = ['--namespace', namespace, '--kubeconfig', kubeconfig];
    return async (what: string, words: readonly string[], takesValues = true): Promise<void> => {
      const { status, output } = await helm([...words, ...where, ...(takesValues ? given : [])]);
      const warned = output.split('\n').filter((line) => /warning/i.test(line));
      tell(`${file.name}: ${what}`, status === 0 ? warned : [output]);
    };
  };
  for (const file of files.filter(({ name }) => name === 'evaluation' || name === 'production')) {
    const run = await inNamespace(file, namespaceOf('helm', file));
    await run('helm install', ['install', 'pay', chartFolder]);
    await run('helm upgrade to the same', ['upgrade', 'pay', chartFolder]);
    await run('helm upgrade to the next version', ['upgrade', 'pay', next]);
    await run('helm rollback to the first', ['rollback', 'pay', '1'], false);
    if (options.from !== undefined) {
      const upgrade = await inNamespace(file, namespaceOf('from', file));
      await upgrade(`helm install of the chart of ${options.from}`, [
        'install',
        'pay',
        await chartOf(options.from, folder),
      ]);
      await upgrade(`helm upgrade from ${options.from} to this chart`, ['upgrade', 'pay', chartFolder]);
    }
  }
} finally {
  await api.stop();
  if (options.keep) say(`data and logs: ${folder}`);
  else rmSync(folder, { recursive: true, force: true });
}
say(findings === 0 ? '\n0 findings' : `\n${findings} findings`);
process.exitCode = findings === 0 ? 0 : 1;
