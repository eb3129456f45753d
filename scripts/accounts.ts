// npm run accounts: the sealed accounts of a channel's process (docs/account-data.md).

import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import {
  type AccountSettings,
  type Channel,
  openAccount,
  parseSealingKeys,
  type SealingKeys,
  sealAccount,
} from '@tillmesh/channel-kit';
import { systemClock } from '@tillmesh/clock';
import { parseConfig, withFiles } from '@tillmesh/config';
import { ChannelService } from '@tillmesh/proto/tillmesh/channel/v1/channel_service_pb.ts';
import { createClient, useIdentityOf } from '@tillmesh/rpc';
import { root } from './run-program.ts';

const HELP = `npm run accounts -- key --key-file <file>
    makes a key and puts it in front of the file's others; the newest seals, all open

npm run accounts -- seal --channel <id> --key-file <file> --folder <folder> --in <account.json>
    checks one account's settings, as they would stand in the channel's configuration, with the files that they name,
    and writes <folder>/<account>.sealed

npm run accounts -- reseal --channel <id> --key-file <file> --folder <folder>
    seals every account of the folder with the newest key; afterwards older ones may leave the key file

npm run accounts -- refresh --target <host:port>
    makes a channel's process read its folder now, and prints what is wrong with it`;

const FILE = /^([a-z0-9-]{1,32})\.sealed$/;

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    channel: { type: 'string' },
    'key-file': { type: 'string' },
    folder: { type: 'string' },
    in: { type: 'string' },
    target: { type: 'string' },
  },
});

const wanted = (name: 'channel' | 'key-file' | 'folder' | 'in' | 'target'): string => {
  const value = options[name];
  if (value === undefined) throw new Error(`--${name} is missing\n\n${HELP}`);
  return value;
};

/** Whole or not at all: a process may be reading. */
const writeWhole = (file: string, text: string): void => {
  writeFileSync(`${file}.new`, text, { mode: 0o600 });
  renameSync(`${file}.new`, file);
};

const keysOf = (file: string): SealingKeys => {
  const keys = parseSealingKeys(readFileSync(file, 'utf8'));
  if (keys === undefined) throw new Error(`${file} does not hold lines of a name and 64 hex digits`);
  return keys;
};

const channelOf = async (id: string): Promise<Channel<AccountSettings>> => {
  const file = join(root, 'services', `channel-${id}`, 'src', 'channel.ts');
  if (!existsSync(file)) throw new Error(`there is no channel ${id}`);
  const exported = Object.values((await import(pathToFileURL(file).href)) as Record<string, unknown>);
  const channel = exported.find((value) => typeof value === 'object' && value !== null && 'account' in value);
  if (channel === undefined) throw new Error(`${file} declares no channel`);
  return channel as Channel<AccountSettings>;
};

const makeKey = (): void => {
  const file = wanted('key-file');
  const before = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const count = before.split('\n').filter((line) => line !== '').length;
  writeWhole(file, `k${count + 1}-${randomBytes(3).toString('hex')} ${randomBytes(32).toString('hex')}\n${before}`);
  console.log(`${file} has a new key in front, and ${count} before it`);
};

const seal = async (): Promise<void> => {
  const channel = await channelOf(wanted('channel'));
  const input = resolve(wanted('in'));
  const settings = JSON.parse(readFileSync(input, 'utf8')) as Record<string, unknown>;
  const files: Record<string, string> = {};
  const read = (name: string): string => {
    const text = readFileSync(resolve(dirname(input), name), 'utf8');
    files[name] = text;
    return text;
  };
  const { accountId } = withFiles(read, () => parseConfig(channel.account, settings, input));
  const folder = wanted('folder');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const text = sealAccount(channel.id, accountId, { settings, files }, keysOf(wanted('key-file')));
  writeWhole(join(folder, `${accountId}.sealed`), text);
  console.log(`${join(folder, `${accountId}.sealed`)}: ${Object.keys(files).length} files are in it`);
};

const reseal = async (): Promise<void> => {
  const { id } = await channelOf(wanted('channel'));
  const keys = keysOf(wanted('key-file'));
  const folder = wanted('folder');
  for (const accountId of readdirSync(folder).flatMap((name) => FILE.exec(name)?.[1] ?? [])) {
    const file = join(folder, `${accountId}.sealed`);
    const bundle = openAccount(id, accountId, readFileSync(file, 'utf8'), keys);
    if ('problem' in bundle) throw new Error(`${file} ${bundle.problem}`);
    writeWhole(file, sealAccount(id, accountId, bundle, keys));
    console.log(`${file} is sealed with ${[...keys.keys()][0] ?? ''}`);
  }
};

const refresh = async (): Promise<void> => {
  await useIdentityOf(process.env, systemClock);
  const client = createClient(ChannelService, { target: wanted('target'), caller: 'accounts', capMs: 10_000 });
  try {
    const { accountIds, problems } = await client.refreshAccounts({});
    console.log(`loaded: ${accountIds.join(', ')}`);
    for (const { accountId, problem } of problems) console.log(`✗ ${accountId}: ${problem}`);
    process.exitCode = problems.length === 0 ? 0 : 1;
  } finally {
    client.close();
  }
};

const COMMANDS: Readonly<Record<string, () => void | Promise<void>>> = { key: makeKey, seal, reseal, refresh };
const command = COMMANDS[positionals[0] ?? ''];
if (command === undefined) {
  console.log(HELP);
  process.exitCode = positionals.length === 0 ? 0 : 1;
} else {
  try {
    await command();
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    process.exitCode = 1;
  }
}
