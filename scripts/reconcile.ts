// npm run reconcile -- <channel> <account> <day>: compares a bill with the books now, and shows what came of it.

import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { toJson } from '@bufbuild/protobuf';
import { systemClock } from '@tillmesh/clock';
import { BillKind } from '@tillmesh/proto/tillmesh/channel/v1/channel_service_pb.ts';
import {
  type Discrepancy,
  ReconcilerService,
  type Report,
  ReportSchema,
} from '@tillmesh/proto/tillmesh/reconciliation/v1/reconciler_service_pb.ts';
import { createClient, type RpcClient, toRpcError, useIdentityOf } from '@tillmesh/rpc';
import { tableLines } from './demo/result-table.ts';
import { meshFolder, targetOf } from './mesh-file.ts';
import { classText, reportPage, sideText, sumsText } from './reconciliation/report-page.ts';

const HELP = `npm run reconcile -- <channel> <account> <day> [options]

  Compares the channel's bill of a day (yyyy-mm-dd, its own time zone) with the books, and shows what came of it.
  For a mesh on this machine: npm run reconcile -- wechat wechat-a <today>

  --kept                  show the report that is there; compare nothing
  --html <file>           write it as a page of its own
  --json                  print it as ReconcilerService answers it
  --folder <path>         data folder of the running mesh (default .local/mesh)
  --address <host:port>   a reconciler, instead of that of a mesh on this machine`;

const CALL_MS_MAX = 10_000;
const RUN_MS_MAX = 600_000;
const PAGE = 500;
/** As many as one reads; the report counts them all. */
const SHOWN_MAX = 5_000;

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    kept: { type: 'boolean', default: false },
    html: { type: 'string' },
    json: { type: 'boolean', default: false },
    folder: { type: 'string', default: meshFolder },
    address: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

type Reconciler = RpcClient<typeof ReconcilerService>;
type Bill = { readonly channelId: string; readonly accountId: string; readonly day: string };

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

const compare = async (reconciler: Reconciler, bill: Bill): Promise<void> => {
  for await (const told of reconciler.runReconciliation({ bill, kind: BillKind.TRADE }, { capMs: RUN_MS_MAX })) {
    if (!options.json)
      say(`… ${told.phase}: ${told.billLines} lines of the bill, ${told.bookEntries} entries of our books`);
  }
};

const read = async (reconciler: Reconciler, bill: Bill): Promise<{ report: Report; discrepancies: Discrepancy[] }> => {
  const discrepancies: Discrepancy[] = [];
  for (;;) {
    const page = await reconciler.getReport({ bill, skip: discrepancies.length, limit: PAGE });
    if (page.report === undefined) throw new Error('the reconciler answered without a report');
    discrepancies.push(...page.discrepancies);
    if (page.discrepancies.length < PAGE || discrepancies.length >= SHOWN_MAX)
      return { report: page.report, discrepancies };
  }
};

const show = (report: Report, discrepancies: readonly Discrepancy[]): void => {
  say(`\nequal      ${report.equal}, reversed ${report.reversed}`);
  say(`the bill   ${report.billAbsent ? 'there is none' : `${report.billLines} lines, ${sumsText(report.billSums)}`}`);
  say(`our books  ${report.ours} entries, ${sumsText(report.ourSums)}`);
  if (report.awaitsNextBill) say('Something may still stand in the next bill; it is compared again then.');
  if (report.classes.length === 0) say('They agree.');
  for (const { class: of, count, open, sums } of report.classes)
    say(`${classText(of).padEnd(14)} ${count} found, ${open} open: ${sumsText(sums)}`);
  if (discrepancies.length === 0) return;
  const rows = discrepancies.map((one) => [
    classText(one.class),
    one.kind,
    one.channelOrderNo,
    sideText(one.ours),
    sideText(one.bill),
    one.note,
  ]);
  say('');
  for (const line of tableLines([['class', 'what', 'number', 'our books', 'the bill', 'what was done'], ...rows]))
    say(line);
};

const main = async (): Promise<number> => {
  const [channelId, accountId, day] = positionals;
  if (options.help || channelId === undefined || accountId === undefined || day === undefined) {
    say(HELP);
    return options.help ? 0 : 1;
  }
  const target = targetOf(options, 'ReconcilerService', 'a reconciler');
  if (target === undefined) return 1;
  await useIdentityOf(process.env, systemClock);
  const reconciler = createClient(ReconcilerService, { target, caller: 'reconcile', capMs: CALL_MS_MAX });
  const bill = { channelId, accountId, day };
  try {
    if (!options.kept) await compare(reconciler, bill);
    const { report, discrepancies } = await read(reconciler, bill);
    if (options.json) say(JSON.stringify(toJson(ReportSchema, report)));
    else show(report, discrepancies);
    if (options.html !== undefined) {
      writeFileSync(options.html, reportPage(report, discrepancies));
      if (!options.json) say(`\nThe page: ${options.html}`);
    }
    return 0;
  } catch (error) {
    const { reason, message } = toRpcError(error);
    process.stderr.write(`${reason}: ${message}\n`);
    return 1;
  } finally {
    reconciler.close();
  }
};

process.exitCode = await main();
