import type { MessageInitShape } from '@bufbuild/protobuf';
import type { ChannelOrderRefSchema } from '@tillmesh/proto/tillmesh/channel/v1/channel_service_pb.ts';
import { type Attempt, AttemptState } from '@tillmesh/proto/tillmesh/payment/v1/attempt_pb.ts';
import type { Payment } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';

/** An attempt as its channel knows it. */
export const channelOrderOf = (payment: Payment, attempt: Attempt): MessageInitShape<typeof ChannelOrderRefSchema> => ({
  accountId: attempt.accountId,
  channelOrderNo: attempt.channelOrderNo,
  channelTransactionId: attempt.channelTransactionId,
  ...(attempt.startedAt === undefined ? {} : { createdAt: attempt.startedAt }),
  kind: payment.kind,
  wallet: payment.wallet,
  ...(payment.expireAt === undefined ? {} : { expireAt: payment.expireAt }),
  ...(payment.amount === undefined ? {} : { amount: payment.amount }),
});

const LIVE: ReadonlySet<AttemptState> = new Set([
  AttemptState.STARTED,
  AttemptState.PENDING_PAYER,
  AttemptState.PROCESSING,
  AttemptState.UNKNOWN,
]);

/** The attempt under which money may still move. */
export const liveAttemptOf = (payment: Payment): Attempt | undefined =>
  payment.attempts.findLast(({ state }) => LIVE.has(state));
