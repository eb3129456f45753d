import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { Clock } from '@tillmesh/clock';
import { type AccountId, parseChannelOrderNo } from '@tillmesh/domain';
import type { Books } from '@tillmesh/order-groups';
import {
  ClassCountSchema,
  type Report,
  ReportSchema,
} from '@tillmesh/proto/tillmesh/reconciliation/v1/reconciler_service_pb.ts';
import type { SyncService } from '@tillmesh/proto/tillmesh/sync/v1/sync_service_pb.ts';
import {
  type BookEntry,
  type DiscrepancyClass,
  type Matched,
  type MatchRules,
  matchBooks,
} from '@tillmesh/reconciliation';
import { type RpcClient, rpcErrors } from '@tillmesh/rpc';
import type { Log } from '@tillmesh/telemetry';
import { type BillDay, billDayOf, type Channel, dayAt } from './channels.ts';
import { CLASS_RULES } from './class-rules.ts';
import type { ReconcilerConfig } from './config.ts';
import { billEntry, type OwnEntry } from './entries.ts';
import { type EntrySpool, openSpool, PARTS } from './entry-spool.ts';
import { compareOne, type Found, newlyFound, withoutReversals } from './found.ts';
import { lookInNeighbours } from './neighbours.ts';
import { createOwnBooks, type OwnBooks } from './own-books.ts';
import { createMerchantSums, createSums, WIRE_CLASS } from './report-messages.ts';

/** More are counted and not kept: nobody reads them. */
export const LISTED_MAX = 100_000;
/** Orders of a bill that are looked up one by one, and payments that are asked for again, in one comparison. */
export const LOOKUPS_MAX = 1_000;
export const REPAIRS_MAX = 1_000;

const DAY_MS = 86_400_000;

/** How far a comparison is; changes while it runs. */
export type Progress = {
  phase: 'bill' | 'books' | 'match' | 'neighbours' | 'rules' | 'done';
  billLines: number;
  bookEntries: number;
};

/** What a comparison came to. */
export type Compared = { readonly report: Report; readonly found: readonly Found[] };

export type CompareDeps = {
  readonly books: Books;
  readonly syncer: Pick<RpcClient<typeof SyncService>, 'retryNow'>;
  readonly settings: Pick<
    ReconcilerConfig,
    'fees' | 'feeToleranceMinor' | 'boundaryMs' | 'paymentsBackMs' | 'refundsBackMs'
  >;
  readonly spoolFolder: string;
  readonly clock: Clock;
  readonly log: Log;
};

type Matching = {
  readonly found: readonly Found[];
  readonly sums: Pick<Matched, 'equal' | 'ours' | 'theirs'> & { readonly reversed: number };
  readonly unlisted: ReadonlyMap<DiscrepancyClass, number>;
};

/** Matches part by part; what only the bill has is looked up, for it may be older than what was read. */
const matchParts = async (
  spool: EntrySpool,
  own: OwnBooks,
  rules: MatchRules,
  signal: AbortSignal,
): Promise<Matching> => {
  const found: Found[] = [];
  const unlisted = new Map<DiscrepancyClass, number>();
  const sums = { equal: 0, ours: 0, theirs: 0, reversed: 0 };
  let lookups = 0;
  for (let part = 0; part < PARTS; part += 1) {
    signal.throwIfAborted();
    const { ours, bill } = await spool.readPart(part);
    let here: Found[] = [];
    const steps = matchBooks(ours, bill, rules);
    for (;;) {
      const step = await steps.next();
      if (step.done === true) {
        sums.equal += step.value.equal;
        sums.ours += step.value.ours;
        sums.theirs += step.value.theirs;
        break;
      }
      const { theirs } = step.value;
      if (step.value.class !== 'unknown_order' || theirs === undefined || lookups >= LOOKUPS_MAX) {
        here.push(newlyFound(step.value));
        continue;
      }
      lookups += 1;
      const older = await own.find(theirs);
      if (older === undefined) {
        here.push(newlyFound(step.value));
        continue;
      }
      const differences = await compareOne(older, theirs, rules);
      sums.ours += 1;
      if (differences.length === 0) sums.equal += 1;
      here.push(...differences.map(newlyFound));
    }
    const { rest, lines } = withoutReversals(here);
    sums.reversed += lines;
    here = [...rest];
    const room = Math.max(0, LISTED_MAX - found.length);
    found.push(...here.slice(0, room));
    for (const one of here.slice(room)) unlisted.set(one.class, (unlisted.get(one.class) ?? 0) + 1);
  }
  return { found, sums, unlisted };
};

/** What the syncer calls an entry of ours; undefined for a number that we never gave. */
const itemOf = ({ kind, refundNo, channelOrderNo }: BookEntry) => {
  if (kind === 'refund') return { case: 'refundNo', value: refundNo } as const;
  const value = parseChannelOrderNo(channelOrderNo)?.orderNo;
  return value === undefined ? undefined : ({ case: 'orderNo', value } as const);
};

/** Has the channel asked again about what it knows better than we do. */
const repair = async (
  found: readonly Found[],
  rules: MatchRules,
  deps: Pick<CompareDeps, 'syncer'> & { readonly own: OwnBooks; readonly signal: AbortSignal },
): Promise<readonly Found[]> => {
  const { syncer, own, signal } = deps;
  const repairOne = async (one: Found): Promise<Found> => {
    const { ours, theirs } = one;
    if (ours === undefined || theirs === undefined) return one;
    try {
      const item = itemOf(ours);
      if (item === undefined) return one;
      const { note } = await syncer.retryNow({ item }, { signal });
      const now = await own.find(theirs);
      const differences = now === undefined ? [one] : await compareOne(now, theirs, rules);
      const isRepaired = differences.every(({ class: other }) => other === 'cross_day');
      return { ...one, note: `${isRepaired ? 'repaired' : 'asked again'}: ${note}`, isOpen: !isRepaired };
    } catch (error) {
      signal.throwIfAborted();
      return {
        ...one,
        note: `could not be asked for again: ${error instanceof Error ? error.message : String(error)}`,
      };
    }
  };
  const done: Found[] = [];
  let repairs = 0;
  for (const one of found) {
    const isRepairable = CLASS_RULES[one.class].repair === 'query' && one.ours?.state === 'open' && one.isOpen;
    if (isRepairable) repairs += 1;
    done.push(isRepairable && repairs <= REPAIRS_MAX ? await repairOne(one) : one);
  }
  return done;
};

const classCounts = (found: readonly Found[], unlisted: Matching['unlisted']) =>
  (Object.keys(CLASS_RULES) as DiscrepancyClass[]).flatMap((name) => {
    const own = found.filter((one) => one.class === name);
    const more = unlisted.get(name) ?? 0;
    if (own.length + more === 0) return [];
    const sums = createSums();
    for (const { ours, theirs } of own) {
      const about = ours ?? theirs;
      if (about !== undefined) sums.add(about);
    }
    return [
      create(ClassCountSchema, {
        class: WIRE_CLASS[name],
        count: BigInt(own.length + more),
        open: BigInt(own.filter(({ isOpen }) => isOpen).length + more),
        sums: sums.messages(),
      }),
    ];
  });

/**
 * Compares a day's bill of an account with our books, and follows the rule of each class. How much memory it takes depends on the size of a part and the number of
 * discrepancies, not on that of the bill.
 *
 * @throws {RpcError} what FetchBill and DescribeChannel are refused with; ACCOUNT_UNKNOWN, OPERATION_NOT_SUPPORTED, REQUEST_INVALID.
 * @throws {DatabaseError} where a group has no primary for half a minute: books with a hole are compared with nothing.
 */
export const compareBill = async (
  bill: { readonly channel: Channel; readonly accountId: AccountId; readonly day: string },
  deps: CompareDeps,
  progress: Progress,
  signal: AbortSignal,
): Promise<Compared> => {
  const { channel, accountId } = bill;
  const { books, settings, spoolFolder, clock, log } = deps;
  const { accountIds, calendar } = await channel.describe();
  if (!accountIds.includes(accountId))
    throw rpcErrors.accountUnknown(`${channel.channelId} has no account ${accountId}`, {
      metadata: { account_id: accountId },
    });
  if (calendar === undefined)
    throw rpcErrors.operationNotSupported(`${channel.channelId} has no bills of trade`, {
      metadata: { channel_id: channel.channelId, operation: 'FetchBill' },
    });
  const day = billDayOf(bill.day, calendar);
  if (day === undefined) throw rpcErrors.requestInvalid(`no calendar has the day ${bill.day}`);
  const rules: MatchRules = {
    day: { beginsMs: day.beginsMs, endsMs: day.endsMs },
    boundaryMs: settings.boundaryMs,
    feeToleranceMinor: BigInt(settings.feeToleranceMinor),
  };
  const own = createOwnBooks({
    books,
    accountId,
    fee: settings.fees.find((fee) => fee.accountId === accountId),
    clock,
  });
  const spool = await openSpool(spoolFolder);
  try {
    const billSums = createSums();
    let otherLines = 0n;
    const fetched = await channel.fetchBill(
      { accountId, day: day.day },
      async (line) => {
        progress.billLines += 1;
        const entry = billEntry(line);
        if (entry === undefined) {
          otherLines += 1n;
          return;
        }
        billSums.add(entry);
        await spool.addBill(entry);
      },
      signal,
    );

    progress.phase = 'books';
    const ourSums = createSums();
    const merchants = createMerchantSums();
    const takeOurs = async (one: OwnEntry): Promise<void> => {
      const { entry } = one;
      progress.bookEntries += 1;
      if (entry.state === 'settled' && day.beginsMs <= entry.atMs && entry.atMs < day.endsMs) {
        ourSums.add(entry);
        merchants.add(one);
      }
      await spool.addOurs(entry);
    };
    const beforeMs = day.endsMs + settings.boundaryMs;
    const payments = { fromMs: day.beginsMs - settings.boundaryMs - settings.paymentsBackMs, beforeMs };
    const refunds = { fromMs: day.beginsMs - settings.boundaryMs - settings.refundsBackMs, beforeMs };
    const tampered =
      (await own.read('payments', payments, takeOurs, signal)) + (await own.read('refunds', refunds, takeOurs, signal));

    progress.phase = 'match';
    const matched = await matchParts(spool, own, rules, signal);

    progress.phase = 'neighbours';
    const neighbours = await lookInNeighbours(matched.found, {
      before: dayAt(day.beginsMs - DAY_MS / 2, calendar),
      after: dayAt(day.endsMs + DAY_MS / 2, calendar),
      rules,
      nowMs: clock.nowMs(),
      fetch: (neighbour: BillDay, take) => channel.fetchBill({ accountId, day: neighbour.day }, take, signal),
      onFailed: (neighbour, error) => {
        signal.throwIfAborted();
        log.warn({ err: error, accountId, day: neighbour.day }, 'a neighbouring bill could not be read');
      },
    });

    progress.phase = 'rules';
    const found = await repair(neighbours.found, rules, { syncer: deps.syncer, own, signal });
    progress.phase = 'done';
    const { sums, unlisted } = matched;
    const report = create(ReportSchema, {
      bill: { channelId: channel.channelId, accountId, day: day.day },
      madeAt: timestampFromMs(clock.nowMs()),
      equal: BigInt(sums.equal),
      reversed: BigInt(sums.reversed),
      ours: BigInt(sums.ours),
      billLines: BigInt(sums.theirs),
      otherLines,
      billAbsent: fetched.kind === 'absent',
      billSums: billSums.messages(),
      ourSums: ourSums.messages(),
      classes: classCounts(found, unlisted),
      awaitsNextBill: neighbours.awaitsNextBill,
      tamperedRows: BigInt(tampered),
      billSha256: fetched.kind === 'whole' ? fetched.rawSha256 : '',
      merchants: merchants.messages(),
      unlisted: BigInt([...unlisted.values()].reduce((sum, count) => sum + count, 0)),
    });
    return { report, found };
  } finally {
    await spool.remove();
  }
};
