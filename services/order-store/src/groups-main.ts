import { parseArgs } from 'node:util';
import { systemClock } from '@tillmesh/clock';
import { loadConfig } from '@tillmesh/config';
import { createGroupAdministration } from '@tillmesh/order-groups';
import { useIdentityOf } from '@tillmesh/rpc';
import { createLog } from '@tillmesh/telemetry';
import { AdministrationConfig } from './config.ts';
import { createGroupMapClient } from './group-map-client.ts';
import { commands, tagOf, WrongWords } from './groups-command.ts';
import { createProgressScreen } from './progress-screen.ts';

// An operator's commands over the order groups. TILLMESH_CONFIG names the configuration file, as for migrate-main.ts.

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

const usage = (): void => {
  say('groups <command> [<tag>] [--to <tag>] [--nodes host:port,…] [--reason <text>] [--again] [--now] [--migrate]');
  for (const [name, { title }] of Object.entries(commands)) say(`  ${name.padEnd(8)} ${title}`);
};

const run = async (): Promise<void> => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      to: { type: 'string' },
      nodes: { type: 'string', default: '' },
      reason: { type: 'string' },
      again: { type: 'boolean', default: false },
      now: { type: 'boolean', default: false },
      migrate: { type: 'boolean', default: false },
    },
  });
  const [name = '', tag] = positionals;
  const command = commands[name];
  if (command === undefined) {
    usage();
    if (name !== '') throw new WrongWords(`${name} is no command`);
    return;
  }
  const words = {
    tag: tagOf(tag),
    to: tagOf(values.to),
    nodes: values.nodes.split(',').filter((node) => node !== ''),
    reason: values.reason ?? `groups ${positionals.join(' ')}`,
    again: values.again,
    now: values.now,
    migrate: values.migrate,
  };
  const config = loadConfig(AdministrationConfig, process.env);
  const clock = systemClock;
  const log = createLog('groups', 'fatal');
  await useIdentityOf(process.env, clock);
  const store = config.orderStore && createGroupMapClient(config.orderStore.target, clock);
  const administration = await createGroupAdministration({ config: config.orders, clock, log });
  const screen = createProgressScreen({ stream: process.stdout, clock });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    // The last step takes some hundred ms, and a group whose step is not ended takes no changes.
    process.on(signal, () => {
      if (screen.phase() !== 'switch') process.exit(130);
    });
  }
  try {
    await command.run({ administration, store, say: screen.say, onProgress: screen.show }, words);
  } finally {
    screen.end();
    administration.close();
    store?.close();
  }
};

try {
  await run();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
// Sockets that were closed may linger for a moment; nothing is left to be done.
process.exit();
