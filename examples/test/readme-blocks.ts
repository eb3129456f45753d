import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './run-to-end.ts';

export const README = readFileSync(join(ROOT, 'examples', 'README.md'), 'utf8');

/** A block marked `sh`: what a reader pastes into a shell. Its first line is a comment, its title. */
export type Block = { readonly title: string; readonly script: string };

/** Every block that readers are to run, in the order in which they stand. */
export const blocks: readonly Block[] = [...README.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, script = '']) => ({
  title: /^# (.*)$/m.exec(script.split('\n')[0] ?? '')?.[1] ?? `without a title: ${script.slice(0, 60)}`,
  script,
}));

/** The variables that blocks hand on to later ones. */
export const variables: readonly string[] = [
  ...new Set(blocks.flatMap(({ script }) => [...script.matchAll(/^([A-Z_]+)=/gm)].map(([, name = '']) => name))),
];

/**
 * A block as a script that begins with the variables of the file and leaves its own there, as if all blocks were typed into
 * one shell. It ends with the first command that fails.
 */
export const asScript = ({ script }: Block, variablesFile: string): string =>
  [
    'set -eu',
    `[ -f '${variablesFile}' ] && . '${variablesFile}'`,
    `keep() { for name in ${variables.join(' ')}; do [ -n "\${!name+x}" ] && declare -p "$name"; done > '${variablesFile}' || true; }`,
    'trap keep EXIT',
    script,
  ].join('\n');
