import type { Clock } from '@tillmesh/clock';
import {
  type AccountId,
  firstOrderKeyAt,
  groupTagOf,
  type OrderNo,
  parseChannelOrderNo,
  parseOrderNo,
  toOrderKey,
} from '@tillmesh/domain';
import { type BookRange, type BookRun, type Books, DatabaseError, UnknownGroup } from '@tillmesh/order-groups';
import type { BillEntry, BookEntry } from '@tillmesh/reconciliation';
import type { Fee } from './config.ts';
import { type OwnEntry, paymentEntries, refundEntries } from './entries.ts';

/** Tries of one piece: a group may be without a primary for some seconds. */
const TRIES_MAX = 30;
const RETRY_AFTER_MS = 1_000;

/** Ms since 1970; what was made from then on, and before. */
export type Made = { readonly fromMs: number; readonly beforeMs: number };

/** What our books have of one channel account. */
export type OwnBooks = {
  /** @returns how many rows do not bear their seal. @throws {DatabaseError} after half a minute without a primary. */
  read(
    kind: 'payments' | 'refunds',
    made: Made,
    take: (entry: OwnEntry) => Promise<void>,
    signal: AbortSignal,
  ): Promise<number>;
  /** The entry that a line is about, whenever it was made; undefined where we have none. */
  find(line: Pick<BillEntry, 'kind' | 'channelOrderNo' | 'refundNo'>): Promise<BookEntry | undefined>;
};

/** Creates the view of one account over the groups' books. */
export const createOwnBooks = (deps: {
  readonly books: Books;
  readonly accountId: AccountId;
  readonly fee: Fee | undefined;
  readonly clock: Clock;
}): OwnBooks => {
  const { books, accountId, fee, clock } = deps;

  const patiently = async <T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> => {
    for (let tries = 1; ; tries += 1) {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof DatabaseError) || tries === TRIES_MAX) throw error;
        await clock.sleep(RETRY_AFTER_MS, signal);
      }
    }
  };

  const readAll = async <Item>(
    range: BookRange,
    read: (range: BookRange) => Promise<BookRun<Item>>,
    take: (item: Item) => Promise<void>,
    signal: AbortSignal,
  ): Promise<number> => {
    let tampered = 0;
    for (let { after } = range; ; ) {
      signal.throwIfAborted();
      const run = await patiently(() => read({ ...range, after }), signal);
      tampered += run.tampered;
      for (const item of run.items) await take(item);
      if (run.isEnd || run.lastKey === undefined) return tampered;
      after = run.lastKey;
    }
  };

  const alone = (number: OrderNo): BookRange => {
    const key = toOrderKey(number);
    return { after: key - 1n, before: key + 1n };
  };

  const own = async ({ kind, channelOrderNo, refundNo }: Pick<BillEntry, 'kind' | 'channelOrderNo' | 'refundNo'>) => {
    const order = parseChannelOrderNo(channelOrderNo);
    if (order === undefined) return [];
    const tag = groupTagOf(order.orderNo);
    if (kind === 'payment') {
      const { items } = await books.payments(tag, alone(order.orderNo));
      return items.flatMap((item) => paymentEntries(item, accountId, fee));
    }
    const refund = parseOrderNo(refundNo);
    if (refund === undefined) return [];
    const { items } = await books.refunds(tag, alone(refund.orderNo));
    return items.flatMap((item) => refundEntries(item, accountId, fee));
  };

  return {
    read: async (kind, { fromMs, beforeMs }, take, signal) => {
      const first = firstOrderKeyAt(fromMs);
      const range = { after: first === 0n ? 0n : first - 1n, before: firstOrderKeyAt(beforeMs) };
      let tampered = 0;
      const takeAll = async (entries: readonly OwnEntry[]): Promise<void> => {
        for (const entry of entries) await take(entry);
      };
      for (const tag of books.tags()) {
        tampered +=
          kind === 'payments'
            ? await readAll(
                range,
                (rest) => books.payments(tag, rest),
                (item) => takeAll(paymentEntries(item, accountId, fee)),
                signal,
              )
            : await readAll(
                range,
                (rest) => books.refunds(tag, rest),
                (item) => takeAll(refundEntries(item, accountId, fee)),
                signal,
              );
      }
      return tampered;
    },
    find: async (line) => {
      try {
        const entries = await patiently(() => own(line));
        return entries
          .map(({ entry }) => entry)
          .find((entry) => entry.channelOrderNo === line.channelOrderNo && entry.refundNo === line.refundNo);
      } catch (error) {
        // A number of the right form that names a group which there never was.
        if (error instanceof UnknownGroup) return undefined;
        throw error;
      }
    },
  };
};
