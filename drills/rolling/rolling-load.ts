import { PaymentState } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import type { ChannelSample } from '../channels/channel-load.ts';
import type { DrillChannel } from '../channels/eight-channels.ts';
import { percentile } from '../channels/hang-phase.ts';
import { nameOf } from '../final-accounts.ts';

/** The channels of the demonstration, and merchants whose payments go there. */
export const SOURCES: readonly DrillChannel[] = [
  { channelId: 'wechat', wallet: 'wechat', accountId: 'wechat-a', merchantId: 'demo-cafe' },
  { channelId: 'alipay', wallet: 'alipay', accountId: 'alipay-a', merchantId: 'demo-books' },
];
const SHOWN_MAX = 20;

export const isFailed = ({ answer }: ChannelSample): boolean =>
  answer === undefined || (answer.state !== PaymentState.SUCCEEDED && answer.state !== PaymentState.PAYING);

export const p99Of = (samples: readonly ChannelSample[]): number =>
  percentile(
    samples.map(({ tookMs }) => tookMs),
    0.99,
  );

const endOf = ({ errors, answer }: ChannelSample): string => {
  if (answer === undefined) return errors.join(', ');
  const attempts = answer.attempts.map(({ accountId, channelCode }) => `${accountId} ${channelCode}`);
  return `${nameOf(PaymentState, answer.state)} [${attempts.join('; ')}]`;
};

/** The first of those that failed, in words. */
export const reasonsOf = (samples: readonly ChannelSample[]): readonly string[] =>
  samples
    .filter(isFailed)
    .slice(0, SHOWN_MAX)
    .map((sample) => {
      const { merchantId, merchantOrderNo, atMs, tookMs } = sample;
      return `✗ ${merchantId} ${merchantOrderNo} at ${Math.round(atMs)} ms, after ${Math.round(tookMs)} ms: ${endOf(sample)}`;
    });
