// npm run open -- <command>: what is not at its end, and what a person can do about it.

import { parseArgs } from 'node:util';
import { durationMs, type Timestamp, timestampFromMs, timestampMs } from '@bufbuild/protobuf/wkt';
import { systemClock } from '@tillmesh/clock';
import { AlarmService, AlarmSeverity } from '@tillmesh/proto/tillmesh/alarm/v1/alarm_service_pb.ts';
import { OutcomeKind } from '@tillmesh/proto/tillmesh/payment/v1/outcome_pb.ts';
import { SyncService } from '@tillmesh/proto/tillmesh/sync/v1/sync_service_pb.ts';
import { createClient, type RpcClient, toRpcError, useIdentityOf } from '@tillmesh/rpc';
import { addressIn, meshFolder, targetOf } from './mesh-file.ts';

const HELP = `npm run open -- <command> [options]

  status                          how much is open, how old it is, and whose till waits
  retry <number>                  ask the channel about one payment now
  batch                           ask about everything that fits; prints how far it is
      --channel <id>  --merchant <id>  --minutes <n> (older than)  --everything  --dry-run
  hand <number>                   take it out of the schedule, for a person
      --person <who> --reason <why>
  settle <number>                 say what became of it; a second person has to say the same
      --person <who> --evidence <where it can be seen>
      --paid <the channel's number> --at <ISO 8601>, or --unpaid
      --attempt <n> (default 1)

  alarms                          what a person has to know of, now

  --refund                the number is that of a refund
  --folder <path>         data folder of the running mesh (default .local/mesh)
  --address <host:port>   a syncer, instead of that of a mesh on this machine`;

const CALL_MS_MAX = 25_000;
const BATCH_MS_MAX = 600_000;

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    channel: { type: 'string', default: '' },
    merchant: { type: 'string', default: '' },
    minutes: { type: 'string' },
    everything: { type: 'boolean', default: false },
    'dry-run': { type: 'boolean', default: false },
    person: { type: 'string', default: '' },
    reason: { type: 'string', default: '' },
    evidence: { type: 'string', default: '' },
    paid: { type: 'string' },
    at: { type: 'string' },
    unpaid: { type: 'boolean', default: false },
    attempt: { type: 'string', default: '1' },
    refund: { type: 'boolean', default: false },
    folder: { type: 'string', default: meshFolder },
    address: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

type Syncer = RpcClient<typeof SyncService>;

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

const itemOf = (number: string) =>
  options.refund ? ({ case: 'refundNo', value: number } as const) : ({ case: 'orderNo', value: number } as const);

const ageText = (time: Timestamp | undefined): string =>
  time === undefined ? '—' : `${Math.round((systemClock.nowMs() - timestampMs(time)) / 1_000)} s ago`;

const status = async (syncer: Syncer): Promise<void> => {
  const told = await syncer.getSyncStatus({});
  const overdueMs = told.oldestOverdue === undefined ? 0 : durationMs(told.oldestOverdue);
  say(
    `open             ${told.openPayments} payments, ${told.openRefunds} refunds; the oldest was begun ${ageText(told.oldestCreatedAt)}`,
  );
  say(`for a person     ${told.withPerson}`);
  say(`tills            ${told.aboutToBreach} have less than 15 s left, ${told.breached} have waited longer than 60 s`);
  say(
    `this worker      ${told.inFlight} checks under way, ${told.checksDone} done, ${told.settled} brought to an end, ${told.checksFailed} could not ask`,
  );
  say(
    `queue            ${told.redisAvailable ? `${told.waitingInRedis} wait in Redis` : 'Redis does not answer; the databases are swept instead'}`,
  );
  say(`last sweep       ${ageText(told.lastSweepAt)}; the latest was ${(overdueMs / 1_000).toFixed(1)} s overdue`);
  for (const flow of told.flows.filter(({ waiting }) => waiting > 0)) {
    const waitMs = flow.longestWait === undefined ? 0 : durationMs(flow.longestWait);
    say(
      `they wait        ${flow.waiting} ${flow.ofRefunds ? 'refunds' : 'payments'} of ${flow.channelId || 'no channel yet'}, the first for ${(waitMs / 1_000).toFixed(1)} s; ${flow.perSecond === 0 ? 'no limit' : `${flow.perSecond} a second`}, ${flow.inFlight} under way`,
    );
  }
  if (told.unreachableGroupTags.length > 0)
    say(`not counted      groups ${told.unreachableGroupTags.join(', ')} do not answer`);
};

const batch = async (syncer: Syncer): Promise<void> => {
  const { minutes } = options;
  const request = {
    channelId: options.channel,
    merchantId: options.merchant,
    everything: options.everything,
    dryRun: options['dry-run'],
    ...(minutes === undefined
      ? {}
      : { createdBefore: timestampFromMs(systemClock.nowMs() - Math.round(Number(minutes) * 60_000)) }),
  };
  for await (const told of syncer.runBatch(request, { capMs: BATCH_MS_MAX })) {
    const { matched, done, settled, failed, unreachableGroupTags, finished } = told;
    say(
      `${finished ? 'finished:' : '…'} ${matched} found, ${done} checked, ${settled} brought to an end, ${failed} could not be asked${unreachableGroupTags.length === 0 ? '' : `; groups ${unreachableGroupTags.join(', ')} do not answer`}`,
    );
  }
};

const settle = async (syncer: Syncer, number: string): Promise<void> => {
  const { paid, at, unpaid, person, evidence, attempt, refund } = options;
  if ((paid === undefined) !== unpaid) throw new Error('say either --paid with --at, or --unpaid');
  const atMs = Date.parse(at ?? '');
  if (paid !== undefined && Number.isNaN(atMs))
    throw new Error('--at has to say when the money moved, as 2026-11-27T08:00:00Z');
  const told = await syncer.settleByPerson({
    item: itemOf(number),
    attemptNo: refund ? 0 : Number(attempt),
    outcome: unpaid ? OutcomeKind.FAILED_DEFINITE : OutcomeKind.SUCCEEDED,
    ...(paid === undefined ? {} : { channelTransactionId: paid, happenedAt: timestampFromMs(atMs) }),
    person,
    evidence,
  });
  say(told.note);
  if (told.contradictingPersons.length > 0) say(`spoken have: ${told.contradictingPersons.join(', ')}`);
};

/** What one process raises; it is asked where the services that raise alarms listen. */
const alarmsOf = async (name: string, target: string): Promise<void> => {
  const client = createClient(AlarmService, { target, caller: 'open', capMs: CALL_MS_MAX });
  try {
    const { alarms, dropped } = await client.listAlarms({});
    say(`${name}: ${alarms.length} stand${dropped === 0n ? '' : `, ${dropped} more found no place`}`);
    for (const { severity, name: kind, labels, summary, raisedAt, times } of alarms) {
      const what = Object.entries(labels).map(([label, value]) => `${label}=${value}`);
      say(
        `  ${severity === AlarmSeverity.URGENT ? 'URGENT' : 'watch '} ${kind} ${what.join(' ')}: ${summary} (since ${ageText(raisedAt)}, ${times}×)`,
      );
    }
  } finally {
    client.close();
  }
};

const alarms = async (syncerTarget: string): Promise<void> => {
  await alarmsOf('syncer', syncerTarget);
  const orderStore = options.address === undefined ? addressIn(options.folder, 'OrderStoreService') : undefined;
  if (orderStore !== undefined) await alarmsOf('order-store', orderStore);
};

const run = async (syncer: Syncer, target: string, [command, number = '']: readonly string[]): Promise<boolean> => {
  switch (command) {
    case 'status':
      await status(syncer);
      return true;
    case 'alarms':
      await alarms(target);
      return true;
    case 'retry': {
      const { note, settled } = await syncer.retryNow({ item: itemOf(number) });
      say(`${settled ? 'at its end' : 'still open'}: ${note}`);
      return true;
    }
    case 'batch':
      await batch(syncer);
      return true;
    case 'hand':
      await syncer.handToPerson({ item: itemOf(number), person: options.person, reason: options.reason });
      say('the syncer looks once a day from now on; retry asks at once');
      return true;
    case 'settle':
      await settle(syncer, number);
      return true;
    case undefined:
    default:
      return false;
  }
};

const main = async (): Promise<number> => {
  if (options.help || positionals.length === 0) {
    say(HELP);
    return options.help ? 0 : 1;
  }
  const target = targetOf(options, 'SyncService', 'a syncer');
  if (target === undefined) return 1;
  await useIdentityOf(process.env, systemClock);
  const syncer = createClient(SyncService, { target, caller: 'open', capMs: CALL_MS_MAX });
  try {
    if (await run(syncer, target, positionals)) return 0;
    say(HELP);
    return 1;
  } catch (error) {
    const { reason, message, violations } = toRpcError(error);
    const words = error instanceof Error && reason === 'TRANSPORT' ? error.message : `${reason}: ${message}`;
    process.stderr.write(
      `${words}\n${violations.map(({ field, description }) => `  ${field}: ${description}\n`).join('')}`,
    );
    return 1;
  } finally {
    syncer.close();
  }
};

process.exitCode = await main();
