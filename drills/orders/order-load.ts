import type { Clock, Random } from '@tillmesh/clock';
import { toRpcError } from '@tillmesh/rpc';
import { createOrderTill, newSample, type OrderSample } from './order-till.ts';

/** One read of an order by its number. Times are ms from the beginning of the load. */
export type ReadSample = {
  readonly atMs: number;
  readonly groupTag: number;
  readonly tookMs: number;
  /** Whether a replica answered it. */
  readonly fromReplica: boolean;
  /** Undefined where the order was read. */
  readonly error: string | undefined;
};

export type OrderLoadOptions = {
  /** Where the order store answers: host:port, or ipv4:host:port,host:port for several instances. */
  readonly target: string;
  /** New orders begun each second, whether or not earlier ones are answered. */
  readonly rate: number;
  /** Reads by number begun each second, of orders that were answered. */
  readonly readRate: number;
  /** How far behind an order's answer it is read at most, in orders; 400 unless told. */
  readonly readOfLast?: number;
  /** The part of the orders whose number a second till sends as well, at the same time or a few seconds later. */
  readonly twins: number;
  /** The part of the orders for which the channel's answer comes, up to 3 s later. */
  readonly paid: number;
  readonly random: Random;
  readonly clock: Clock;
};

/** New orders at a steady rate, with repeats, twins, the channel's answers and reads. */
export type OrderLoad = {
  readonly samples: readonly OrderSample[];
  readonly reads: readonly ReadSample[];
  /** Calls that ended without an answer when the time was up, by the reason of the last error. */
  readonly givenUp: ReadonlyMap<string, number>;
  /** Ms since the load began. */
  sinceBegin(): number;
  /** Begins no more orders; resolves when all that were begun are answered and paid, or `withinMs` are over. */
  end(withinMs: number): Promise<void>;
};

const PAY_AFTER_MS_MAX = 3_000;
const TWIN_AFTER_MS = [0, 0, 5, 30, 400, 3_000] as const;
/** How far behind an order's answer it is read: some at once, when no replica may have it yet. */
const READ_OF_LAST = 400;

/** Begins `work` at a steady rate until it is stopped; what falls behind is begun at once. */
const atRate = async (
  { rate, clock, signal }: { readonly rate: number; readonly clock: Clock; readonly signal: AbortSignal },
  work: () => void,
): Promise<void> => {
  if (rate === 0) return;
  const beganMs = clock.monotonicMs();
  for (let number = 0; !signal.aborted; number += 1) {
    const waitMs = beganMs + (number * 1_000) / rate - clock.monotonicMs();
    if (waitMs > 0) await clock.sleep(waitMs);
    work();
  }
};

/** Starts a load of new orders; it goes on until it is ended. */
export const startOrderLoad = (options: OrderLoadOptions): OrderLoad => {
  const { target, rate, readRate, readOfLast = READ_OF_LAST, twins, paid, random, clock } = options;
  const beganMs = clock.monotonicMs();
  const sinceBegin = () => clock.monotonicMs() - beganMs;
  const till = createOrderTill({ target, clock, beganMs });
  const samples: OrderSample[] = [];
  const answered: OrderSample[] = [];
  const reads: ReadSample[] = [];
  const stop = new AbortController();
  const underWay = new Set<Promise<void>>();
  const prefix = random.hex(3).toUpperCase();
  let endsAtMs = Number.POSITIVE_INFINITY;
  const untilMs = () => endsAtMs;

  const follow = (work: Promise<void>): void => {
    underWay.add(work);
    work.finally(() => underWay.delete(work)).catch(() => undefined);
  };

  const takeOne = async (sample: OrderSample): Promise<void> => {
    const isTwin = random.fraction() < twins;
    const twinAfterMs = TWIN_AFTER_MS[random.below(TWIN_AFTER_MS.length)] ?? 0;
    const twin = async () => {
      await clock.sleep(twinAfterMs);
      await till.sendUntilAnswered(sample, random.hex(8), untilMs);
    };
    const isPaid = random.fraction() < paid;
    const payAfterMs = random.below(PAY_AFTER_MS_MAX);
    const token = random.hex(8);
    const first = async () => {
      await till.sendUntilAnswered(sample, token, untilMs);
      if (sample.orderNo === undefined) return;
      answered.push(sample);
      if (answered.length > readOfLast) answered.shift();
      if (!isPaid || sample.grants.length === 0) return;
      await clock.sleep(payAfterMs);
      await till.pay(sample, untilMs);
    };
    await Promise.all(isTwin ? [first(), twin()] : [first()]);
  };

  const readOne = async (): Promise<void> => {
    const sample = answered[random.below(Math.max(1, answered.length))];
    if (sample?.orderNo === undefined || sample.groupTag === undefined) return;
    const { groupTag, orderNo } = sample;
    const atMs = sinceBegin();
    try {
      const payment = await till.read(orderNo);
      const error = payment?.orderNo === orderNo ? undefined : 'another order';
      reads.push({
        atMs,
        groupTag,
        tookMs: sinceBegin() - atMs,
        fromReplica: payment?.readFromReplica === true,
        error,
      });
    } catch (error) {
      const { reason } = toRpcError(error);
      reads.push({ atMs, groupTag, tookMs: sinceBegin() - atMs, fromReplica: false, error: reason });
    }
  };

  const running = Promise.all([
    atRate({ rate, clock, signal: stop.signal }, () => {
      const sample = newSample(random, prefix, sinceBegin());
      samples.push(sample);
      follow(takeOne(sample));
    }),
    atRate({ rate: readRate, clock, signal: stop.signal }, () => follow(readOne())),
  ]);

  return {
    samples,
    reads,
    givenUp: till.givenUp,
    sinceBegin,
    end: async (withinMs) => {
      stop.abort();
      endsAtMs = sinceBegin() + withinMs;
      await running;
      await Promise.all(underWay);
      till.close();
    },
  };
};
