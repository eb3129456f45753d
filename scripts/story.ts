// npm run story -- <order number>: what happened to a payment, for a person.

import { parseArgs } from 'node:util';
import { type Timestamp, timestampMs } from '@bufbuild/protobuf/wkt';
import { systemClock } from '@tillmesh/clock';
import { QueryService, type TrajectoryLine } from '@tillmesh/proto/tillmesh/query/v1/query_service_pb.ts';
import { createClient, toRpcError, useIdentityOf } from '@tillmesh/rpc';
import { tableLines } from './demo/result-table.ts';
import { meshFolder, targetOf } from './mesh-file.ts';

const HELP = `npm run story -- <order number> [options]

  Tells what happened to a payment, in order: who did what, what the channels said, and how it was learned.

  --folder <path>         data folder of the running mesh (default .local/mesh)
  --address <host:port>   the query service, instead of that of a mesh on this machine
  --json                  the lines as QueryService.GetTrajectory answers them`;

const CALL_MS_MAX = 5_000;

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    folder: { type: 'string', default: meshFolder },
    address: { type: 'string' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const msOf = (time: Timestamp | undefined): number => (time === undefined ? 0 : timestampMs(time));

/** 0.012 s; 3 min 4 s: as much as one wants to know of how much later it was. */
const sinceText = (ms: number): string => {
  const seconds = ms / 1_000;
  if (seconds < 100) return `+${seconds.toFixed(3)} s`;
  return `+${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
};

/** In this order; what a sentence has said already is left out. */
const factsText = ({ facts }: TrajectoryLine): string =>
  Object.entries(facts)
    .map(([name, value]) => `${name}=${/[\s=]/.test(value) ? JSON.stringify(value) : value}`)
    .join(' ');

const tell = async (orderNo: string): Promise<number> => {
  const target = targetOf(options, 'QueryService', 'its query service');
  if (target === undefined) return 1;
  await useIdentityOf(process.env, systemClock);
  const query = createClient(QueryService, { target, caller: 'story', capMs: CALL_MS_MAX });
  try {
    const { lines, isCut, traceId, readFromReplica } = await query.getTrajectory({ orderNo });
    if (options.json) {
      const plain = lines.map((line) => ({
        happenedAt: new Date(msOf(line.happenedAt)).toISOString(),
        source: line.source,
        event: line.event,
        facts: line.facts,
      }));
      process.stdout.write(`${JSON.stringify({ orderNo, traceId, isCut, lines: plain }, null, 2)}\n`);
      return 0;
    }
    const beganMs = msOf(lines[0]?.happenedAt);
    const rows = lines.map((line) => [
      sinceText(msOf(line.happenedAt) - beganMs),
      line.source,
      line.event.replaceAll('_', ' '),
      factsText(line),
    ]);
    const notes = [
      isCut ? 'There are more lines than are read; the last ones are missing.' : '',
      readFromReplica ? 'Read from a replica: the last moments may be missing.' : '',
      traceId === '' ? '' : `Its trace: ${traceId}`,
    ].filter((note) => note !== '');
    process.stdout.write(
      `${[`Payment ${orderNo}, ${new Date(beganMs).toISOString()}`, '', ...tableLines([['when', 'who', 'what', 'facts'], ...rows]), '', ...notes].join('\n')}\n`,
    );
    return 0;
  } catch (error) {
    const { reason, message } = toRpcError(error);
    process.stderr.write(`${reason}: ${message}\n`);
    return 1;
  } finally {
    query.close();
  }
};

const main = async (): Promise<number> => {
  const [orderNo] = positionals;
  if (!options.help && orderNo !== undefined && positionals.length === 1) return tell(orderNo);
  process.stdout.write(`${HELP}\n`);
  return options.help ? 0 : 1;
};

process.exitCode = await main();
