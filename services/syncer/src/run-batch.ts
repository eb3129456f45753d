import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Clock } from '@tillmesh/clock';
import type { CheckItem } from '@tillmesh/delay-queue';
import type { OrderStoreService } from '@tillmesh/proto/tillmesh/orderstore/v1/order_store_service_pb.ts';
import type { RunBatchRequest, RunBatchResponseSchema } from '@tillmesh/proto/tillmesh/sync/v1/sync_service_pb.ts';
import { type RpcClient, rpcErrors, runAsCall } from '@tillmesh/rpc';
import type { Log } from '@tillmesh/telemetry';
import type { Checked } from './check-payment.ts';
import { itemFromWire } from './wire-item.ts';

/** Checks of one batch at once: what a person starts leaves room for what is due. */
const CHECKS_AT_ONCE = 8;
const PAGE_SIZE = 200;
const PAGE_MS_MAX = 5_000;
const TELL_EVERY_MS = 1_000;

type Progress = MessageInitShape<typeof RunBatchResponseSchema>;

const checkFilter = (request: RunBatchRequest): void => {
  const narrows = request.channelId !== '' || request.merchantId !== '' || request.createdBefore !== undefined;
  if (!narrows && !request.everything) {
    throw rpcErrors.requestInvalid(
      'no filter is set, so this would check everything that is open: set channel_id, merchant_id or created_before, or everything where that is meant',
    );
  }
  if (narrows && request.everything)
    throw rpcErrors.requestInvalid('everything does not go with a filter: unset one of them');
};

/**
 * Checks what is open and fits the filter, a few at once, and tells how far it is about once a second. Ends early when the caller goes
 * away; checks that were begun are carried to their end.
 */
export const runBatch = async function* (
  request: RunBatchRequest,
  signal: AbortSignal,
  deps: {
    readonly orderStore: Pick<RpcClient<typeof OrderStoreService>, 'listOpenWork'>;
    readonly check: (item: CheckItem) => Promise<Checked>;
    readonly clock: Clock;
    readonly log: Log;
  },
): AsyncGenerator<Progress> {
  const { orderStore, check, clock, log } = deps;
  checkFilter(request);
  const { channelId, merchantId, createdBefore, dryRun } = request;
  const counts = { matched: 0, done: 0, settled: 0, failed: 0 };
  const unreachable = new Set<number>();
  const ends = (): Progress => ({
    matched: BigInt(counts.matched),
    done: BigInt(counts.done),
    settled: BigInt(counts.settled),
    failed: BigInt(counts.failed),
    unreachableGroupTags: [...unreachable],
  });
  log.warn(
    {
      channelId,
      merchantId,
      createdBefore: createdBefore?.seconds,
      everything: request.everything,
      dryRun,
      audit: true,
    },
    'a batch of checks was asked for',
  );

  const pageAfter = (pageToken: string) =>
    runAsCall({ name: 'syncer/batch', caller: 'syncer', priority: 'query', budgetMs: PAGE_MS_MAX, clock }, () =>
      orderStore.listOpenWork({
        channelId,
        merchantId,
        ...(createdBefore === undefined ? {} : { createdBefore }),
        pageSize: PAGE_SIZE,
        pageToken,
      }),
    );

  const checkOne = async (item: CheckItem): Promise<void> => {
    try {
      const { settled, nextAfterMs } = await check(item);
      if (settled) counts.settled += 1;
      else if (nextAfterMs === undefined) counts.failed += 1;
    } catch (error) {
      counts.failed += 1;
      log.error({ err: error, ...item }, 'a check of a batch ended in a way it should not');
    }
    counts.done += 1;
  };

  const checkAll = async (items: readonly CheckItem[]): Promise<void> => {
    const rest = [...items];
    const work = async (): Promise<void> => {
      for (let item = rest.shift(); item !== undefined && !signal.aborted; item = rest.shift()) await checkOne(item);
    };
    await Promise.all(Array.from({ length: CHECKS_AT_ONCE }, work));
  };

  const run = async (): Promise<void> => {
    for (let pageToken = ''; !signal.aborted; ) {
      const page = await pageAfter(pageToken);
      for (const tag of page.unreachableGroupTags) unreachable.add(tag);
      counts.matched += page.items.length;
      if (!dryRun) {
        await checkAll(page.items.flatMap(({ item }) => itemFromWire(item) ?? []));
      }
      pageToken = page.nextPageToken;
      if (pageToken === '') return;
    }
  };

  let isOver = false;
  const running = run().finally(() => {
    isOver = true;
  });
  running.catch(() => undefined);
  while (!isOver && !signal.aborted) {
    await Promise.race([running.catch(() => undefined), clock.sleep(TELL_EVERY_MS, signal).catch(() => undefined)]);
    if (!isOver) yield ends();
  }
  await running;
  yield { ...ends(), finished: !signal.aborted };
};
