import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, runTool } from '../run-program.ts';

const VERSION = 'v0.8.3';
const folder = join(root, '.tools', 'kube-linter');
const program = join(folder, 'kube-linter');

/** Its module says another name than where proxies of Go have it. */
const MODULE = `module kube-linter-here

go 1.26

require golang.stackrox.io/kube-linter ${VERSION}

replace golang.stackrox.io/kube-linter => github.com/stackrox/kube-linter ${VERSION}
`;
const IMPORTS = `//go:build tools

package tools

import _ "golang.stackrox.io/kube-linter/cmd/kube-linter"
`;

/**
 * The path of kube-linter: the one on PATH, or one that is built from Go's modules once, in some minutes.
 *
 * @param mayBuild whether it is to be built where it is not there.
 * @returns undefined where there is none.
 * @throws {Error} with Go's words where it cannot be built.
 */
export const kubeLinterPath = async (mayBuild: boolean): Promise<string | undefined> => {
  if ((await runTool('kube-linter', ['version'])).status === 0) return 'kube-linter';
  if (existsSync(program)) return program;
  if (!mayBuild) return undefined;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'go.mod'), MODULE);
  writeFileSync(join(folder, 'tools.go'), IMPORTS);
  for (const words of [
    ['mod', 'tidy'],
    ['build', '-o', program, 'golang.stackrox.io/kube-linter/cmd/kube-linter'],
  ]) {
    const { status, output } = await runTool('go', words, { folder });
    if (status !== 0) throw new Error(`kube-linter cannot be built: go ${words.join(' ')}\n${output}`);
  }
  return program;
};
