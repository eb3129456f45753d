import type { Lane } from '@tillmesh/lane';
import { Transport } from '@tillmesh/proto/tillmesh/payment/v1/outcome_pb.ts';
import type { Passage } from '@tillmesh/rpc';

type ChannelAnswer = { readonly result?: { readonly transport: Transport } };

/** The adapter is well and says that its channel is not: nobody has answered what was sent. */
const isUnanswered = ({ result }: ChannelAnswer): boolean => result?.transport === Transport.MAYBE_SENT;

/** A lane to a channel's adapter that hears what the adapter says of its channel. */
export const judgingAnswers = (lane: Lane): Passage => ({
  run: (work, call) => lane.run(work, { ...call, isSickAnswer: isUnanswered }),
});
