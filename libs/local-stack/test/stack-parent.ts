import { systemClock } from '@tillmesh/clock';
import { startLocalStack } from '../src/index.ts';

/** A program that runs a stack until it is told to end: what a test kills. Prints the process numbers when it is up. */
const [, , folder = ''] = process.argv;
const stack = await startLocalStack({ folder, groupTags: [1], redis: true, clock: systemClock });
process.once('SIGTERM', () => {
  void stack.stop().then(() => process.exit(0));
});
const servers = [...stack.groups.flatMap((group) => group.nodes), ...(stack.redis === undefined ? [] : [stack.redis])];
process.stdout.write(`${JSON.stringify(servers.map((server) => server.pid))}\n`);
