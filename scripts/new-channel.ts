// npm run new:channel -- --id acme: a new channel's adapter, with everything it needs to be run and judged.

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { root, runTool } from './run-program.ts';

const HELP = `npm run new:channel -- --id <id> [--name <name>]

  --id    2 to 20 characters of a-z 0-9, such as acme: the folder services/channel-<id>, and the channel in routing tables
  --name  what people call the channel (default: the id, capitalised)

Copies the working template services/channel-sample. Nothing outside the new folder changes but package-lock.json.
docs/adding-a-channel.md says what to do then.`;

const { values: options } = parseArgs({
  options: { id: { type: 'string' }, name: { type: 'string' }, help: { type: 'boolean', default: false } },
});

const TEMPLATE = join(root, 'services', 'channel-sample');
/** The npm that scripts/bootstrap.mjs installs with. */
const PINNED_NPM = join(root, '.tools', 'node24', 'node_modules', 'npm', 'bin', 'npm-cli.js');

/** Copies a folder's files, each with its words and its name changed. */
const copy = (from: string, to: string, change: (text: string) => string): string[] => {
  mkdirSync(to, { recursive: true });
  return readdirSync(from, { withFileTypes: true }).flatMap((entry) => {
    if (entry.name === 'node_modules') return [];
    const target = join(to, change(entry.name));
    if (entry.isDirectory()) return copy(join(from, entry.name), target, change);
    writeFileSync(target, change(readFileSync(join(from, entry.name), 'utf8')));
    return [target];
  });
};

const main = async (id: string, name: string): Promise<number> => {
  const folder = join(root, 'services', `channel-${id}`);
  if (existsSync(folder)) {
    console.error(`services/channel-${id} is there already: choose another id, or go on with what it holds.`);
    return 1;
  }
  const capitalised = `${id.charAt(0).toUpperCase()}${id.slice(1)}`;
  const change = (text: string): string =>
    text.replaceAll('Sample Pay', name).replaceAll('Sample', capitalised).replaceAll('sample', id);
  const files = copy(TEMPLATE, folder, change);
  // The lock file names every workspace, and node_modules has a link to each.
  const install = ['install', '--ignore-scripts', '--no-audit', '--no-fund'];
  const npm = existsSync(PINNED_NPM)
    ? await runTool(process.execPath, [PINNED_NPM, ...install])
    : await runTool('npm', install);
  // The order of imports follows the names.
  const format = await runTool('biome', ['check', '--write', folder]);
  for (const { status, output } of [npm, format]) if (status !== 0) console.error(output);
  if (npm.status !== 0 || format.status !== 0) return 1;
  console.log(`services/channel-${id}: ${files.length} files. It runs and keeps the contract as it stands:

  npm test -- services/channel-${id}

Next, in this order (docs/adding-a-channel.md): test/${id}-peer.ts plays the channel as its documents describe it,
src/signature.ts, src/client.ts, src/payment.ts, src/code-table.ts speak to it, src/config.ts has an account's settings.`);
  return 0;
};

const { id = '', name } = options;
if (options.help) console.log(HELP);
else if (!/^[a-z][a-z0-9]{1,19}$/.test(id)) {
  console.error(`--id has to be 2 to 20 characters of a-z 0-9, a letter first.\n\n${HELP}`);
  process.exitCode = 1;
} else process.exitCode = await main(id, name ?? `${id.charAt(0).toUpperCase()}${id.slice(1)}`);
