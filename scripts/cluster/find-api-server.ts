import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, runTool } from '../run-program.ts';

/** The newest Kubernetes that the chart is checked for. */
export const KUBERNETES_VERSION = 'v1.36.3';
/** Its parts are modules of their own, with a number of their own. */
const PARTS_VERSION = KUBERNETES_VERSION.replace('v1.', 'v0.');
const PACKAGE = 'k8s.io/kubernetes/cmd/kube-apiserver';
const folder = join(root, '.tools', 'kube-apiserver');
const program = join(folder, 'kube-apiserver');

const go = async (words: readonly string[]): Promise<string> => {
  const { status, output } = await runTool('go', words, { folder });
  if (status !== 0) throw new Error(`kube-apiserver cannot be built: go ${words.join(' ')}\n${output}`);
  return output;
};

/** A module of ours says again what Kubernetes' own module replaces, because a replacement counts only in the main module. */
const moduleText = (goMod: string): string => {
  const parts = [...goMod.matchAll(/^\t(k8s\.io\/[a-z-]+) => \.\/staging\//gm)].map(([, part]) => part);
  return [
    'module tillmesh.local/kube-apiserver',
    'go 1.26.0',
    `require k8s.io/kubernetes ${KUBERNETES_VERSION}`,
    ...parts.map((part) => `replace ${part} => ${part} ${PARTS_VERSION}`),
    '',
  ].join('\n');
};

const build = async (): Promise<void> => {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'go.mod'), 'module tillmesh.local/kube-apiserver\n');
  const downloaded = await go(['mod', 'download', '-json', `k8s.io/kubernetes@${KUBERNETES_VERSION}`]);
  const { GoMod } = JSON.parse(downloaded.slice(downloaded.indexOf('{'))) as { readonly GoMod: string };
  writeFileSync(join(folder, 'go.mod'), moduleText(readFileSync(GoMod, 'utf8')));
  await go(['get', '-tool', `${PACKAGE}@${KUBERNETES_VERSION}`]);
  const version = 'k8s.io/component-base/version';
  const [, minor = ''] = /^v1\.(\d+)\./.exec(KUBERNETES_VERSION) ?? [];
  const told = `-X ${version}.gitVersion=${KUBERNETES_VERSION} -X ${version}.gitMajor=1 -X ${version}.gitMinor=${minor}`;
  // One package after the other: a laptop remains usable meanwhile.
  await go(['build', '-p', '1', '-buildvcs=false', '-ldflags', `-s -w ${told}`, '-o', `${program}.part`, PACKAGE]);
  // A build that was interrupted leaves nothing that looks like a program.
  renameSync(`${program}.part`, program);
};

/**
 * The path of kube-apiserver: the one on PATH, or one that Go builds once, in some minutes.
 *
 * @param mayBuild whether it is to be built where it is not there.
 * @returns undefined where there is none.
 * @throws {Error} with Go's words where it cannot be built.
 */
export const findApiServer = async (mayBuild: boolean): Promise<string | undefined> => {
  if ((await runTool('kube-apiserver', ['--version'])).status === 0) return 'kube-apiserver';
  if (existsSync(program)) return program;
  if (!mayBuild) return undefined;
  await build();
  return program;
};
