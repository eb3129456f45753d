import type { Clock, Random } from '@tillmesh/clock';
import type { Mesh } from '@tillmesh/local-mesh';
import { CashierService } from '@tillmesh/proto/tillmesh/cashier/v1/cashier_service_pb.ts';
import { PaymentKind } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { Code, createClient, toRpcError } from '@tillmesh/rpc';
import type { Sample } from '../payment-stream.ts';
import { SUBJECTS } from './channel-scripts.ts';
import type { DrillChannel } from './eight-channels.ts';

/** A payment by code at one channel. Sent once unless told: a repeat would hide what the first call was told. */
export type ChannelSample = Sample & { readonly channelId: string };

export type ChannelLoad = {
  readonly samples: readonly ChannelSample[];
  /** A merchant's payments a second from now on. */
  setRate(merchantId: string, perSecond: number): void;
  /** Begins no more; resolves when all are answered. */
  stop(): Promise<void>;
};

const CODES_AT_ONCE = 200;
const TICK_MS = 5;
const CALL_MS_MAX = 40_000;

/** Payment codes of payers with money, fetched ahead: what the drill measures is the mesh alone. */
const createCodes = (address: string, wallet: 'wechat' | 'alipay') => {
  let codes: string[] = [];
  let fetching: Promise<void> | undefined;
  const fetchMore = async (): Promise<void> => {
    const response = await fetch(`http://${address}/control/payment-codes`, {
      method: 'POST',
      body: JSON.stringify({ wallet, count: CODES_AT_ONCE, validForSeconds: 3_600 }),
    });
    const { codes: more } = (await response.json()) as { codes: { paymentCode: string }[] };
    codes = [...more.map(({ paymentCode }) => paymentCode), ...codes];
  };
  const refill = (): Promise<void> => {
    fetching ??= fetchMore().finally(() => {
      fetching = undefined;
    });
    return fetching;
  };
  return {
    refill,
    take: (): string => {
      if (codes.length < CODES_AT_ONCE / 2) refill().catch(() => undefined);
      const code = codes.pop();
      if (code === undefined) throw new Error('the sandbox gives payment codes too slowly');
      return code;
    },
  };
};

/** Begins payments at every channel at its rate, whether or not earlier ones are answered, as customers do. */
export const startChannelLoad = async (options: {
  readonly mesh: Mesh;
  /** Who sells, and where it is paid. */
  readonly sources: readonly DrillChannel[];
  /** Payments a second of each. */
  readonly rate: number;
  readonly random: Random;
  readonly clock: Clock;
  /** When the load began, of the monotonic clock. */
  readonly beganMs: number;
  /** Whether a call whose connection broke is repeated with its number, as tills do. */
  readonly repeats?: boolean;
}): Promise<ChannelLoad> => {
  const { mesh, sources, random, clock, beganMs } = options;
  const cashier = createClient(CashierService, {
    target: mesh.target('cashier'),
    caller: 'drill',
    capMs: CALL_MS_MAX,
    clock,
  });
  const control = mesh.address('sandbox-control');
  const codes = { wechat: createCodes(control, 'wechat'), alipay: createCodes(control, 'alipay') };
  await Promise.all([codes.wechat.refill(), codes.alipay.refill()]);
  const samples: ChannelSample[] = [];
  const rates = new Map(sources.map(({ merchantId }) => [merchantId, options.rate]));
  const running = new Set<Promise<void>>();

  const pay = async (channel: DrillChannel): Promise<void> => {
    const { merchantId, channelId } = channel;
    const startedMs = clock.monotonicMs();
    const sample: ChannelSample = {
      what: SUBJECTS[random.below(SUBJECTS.length)] ?? SUBJECTS[0],
      channelId,
      merchantId,
      merchantOrderNo: `DRILL-${random.hex(8)}`,
      minorUnits: BigInt(100 + random.below(50_000)),
      atMs: startedMs - beganMs,
      tookMs: 0,
      answer: undefined,
      errors: [],
    };
    samples.push(sample);
    const paymentCode = codes[channel.wallet].take();
    do {
      try {
        const { payment } = await cashier.createPayment(
          {
            merchantId,
            merchantOrderNo: sample.merchantOrderNo,
            amount: { currency: 'CNY', minorUnits: sample.minorUnits },
            subject: sample.what,
            kind: PaymentKind.PAYMENT_CODE,
            paymentCode,
          },
          { capMs: CALL_MS_MAX - (clock.monotonicMs() - startedMs) },
        );
        sample.answer = payment;
      } catch (error) {
        const { code, reason } = toRpcError(error);
        sample.errors.push(`${reason} ${Code[code]}`);
        if (code !== Code.UNAVAILABLE) break;
      }
    } while (
      options.repeats === true &&
      sample.answer === undefined &&
      clock.monotonicMs() - startedMs < CALL_MS_MAX / 2
    );
    sample.tookMs = clock.monotonicMs() - startedMs;
  };

  // Each channel's next payment is due by itself: a channel's rate changes nothing for the others.
  const nextAtMs = new Map(
    sources.map(({ merchantId }) => [merchantId, clock.monotonicMs() + random.fraction() * (1_000 / options.rate)]),
  );
  let stopped = false;
  const loop = (async () => {
    while (!stopped) {
      const nowMs = clock.monotonicMs();
      for (const source of sources) {
        const rate = rates.get(source.merchantId) ?? 0;
        for (let dueMs = nextAtMs.get(source.merchantId) ?? nowMs; dueMs <= nowMs; dueMs += 1_000 / rate) {
          const payment = pay(source);
          running.add(payment);
          void payment.finally(() => running.delete(payment));
          nextAtMs.set(source.merchantId, dueMs + 1_000 / rate);
        }
      }
      await clock.sleep(TICK_MS);
    }
  })();
  return {
    samples,
    setRate: (merchantId, perSecond) => {
      rates.set(merchantId, perSecond);
    },
    stop: async () => {
      stopped = true;
      await loop;
      await Promise.all(running);
      cashier.close();
    },
  };
};
