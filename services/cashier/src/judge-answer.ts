import type { Lane } from '@tillmesh/lane';
import type { AttemptResult } from '@tillmesh/proto/tillmesh/channel/v1/channel_service_pb.ts';
import { Transport } from '@tillmesh/proto/tillmesh/payment/v1/outcome_pb.ts';
import type { Passage } from '@tillmesh/rpc';

type ChannelAnswer = { readonly result?: Pick<AttemptResult, 'transport' | 'channelMessage'> };

// What an adapter says of a call that it has not sent, although its channel may be well: too much at once, or too little time.
const OWN_REASONS: ReadonlySet<string> = new Set([
  'aborted',
  'contract_full',
  'contract_rate',
  'lane_full',
  'lane_merchant_share',
  'lane_no_time_left',
  'lane_queue_wait_too_long',
  'no_time_left',
  'nothing_to_send',
  'pool_full',
]);

/** The adapter's own lane to its channel is open: it has seen before us that the channel is sick. */
const LANE_OPEN = 'lane_open';

/** Whether a channel was asked; if not, whether for a reason that says nothing of it, or because its adapter finds it sick. */
export type Asked = 'asked' | 'held_back' | 'adapter_refuses';

/** How far an adapter says that a call came. */
export const askedOf = ({ transport, channelMessage }: Pick<AttemptResult, 'transport' | 'channelMessage'>): Asked => {
  if (transport !== Transport.NOT_SENT) return 'asked';
  if (channelMessage === LANE_OPEN) return 'adapter_refuses';
  return OWN_REASONS.has(channelMessage) ? 'held_back' : 'asked';
};

/** The adapter is well and says that its channel is not: nobody has answered what was sent, or it cannot even be sent. */
const isUnanswered = ({ result }: ChannelAnswer): boolean =>
  result !== undefined &&
  (result.transport === Transport.MAYBE_SENT ||
    (result.transport === Transport.NOT_SENT && askedOf(result) !== 'held_back'));

/** A lane to a channel's adapter that hears what the adapter says of its channel. */
export const judgingAnswers = (lane: Lane): Passage => ({
  run: (work, call) => lane.run(work, { ...call, isSickAnswer: isUnanswered }),
});
