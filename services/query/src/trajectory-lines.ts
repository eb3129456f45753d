import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { type Attempt, groupTagOf, type Money, type Payment, toChannelOrderNo } from '@tillmesh/domain';
import type { StoredRefund, Trajectory, TrajectoryRow } from '@tillmesh/order-groups';
import type { TrajectoryLineSchema } from '@tillmesh/proto/tillmesh/query/v1/query_service_pb.ts';

type Facts = Readonly<Record<string, string | number | undefined>>;
type Line = { readonly atMs: number; readonly source: string; readonly event: string; readonly facts: Facts };

const moneyText = ({ currency, minorUnits }: Money): string => `${currency} ${minorUnits}`;

const creationOf = ({ stored, createdBy }: Trajectory): Line => {
  const { payment, jumpedFrom, mapVersion } = stored;
  return {
    atMs: payment.createdAtMs,
    source: createdBy,
    event: 'payment_created',
    facts: {
      merchant_id: payment.merchantId,
      merchant_order_no: payment.merchantOrderNo,
      amount: moneyText(payment.amount),
      kind: payment.kind,
      wallet: payment.wallet,
      group: groupTagOf(payment.orderNo),
      avoided_group: jumpedFrom,
      map_version: mapVersion,
      terminal_id: payment.terminalId,
      store_id: payment.storeId,
      expire_at: new Date(payment.expireAtMs).toISOString(),
      version: 1,
    },
  };
};

const startOf = ({ orderNo }: Payment, attempt: Attempt): Facts => ({
  attempt_no: attempt.attemptNo,
  account_id: attempt.accountId,
  channel_id: attempt.channelId,
  channel_order_no: toChannelOrderNo(orderNo, attempt.attemptNo),
  route_reason: attempt.routeReason,
});

/** What an attempt shows of itself only at its end belongs to the line that brought it there. */
const endOf = (attempt: Attempt, row: TrajectoryRow): Facts =>
  attempt.settledAtMs !== undefined && attempt.state === row.attemptState
    ? { rule_id: attempt.ruleId, channel_transaction_id: attempt.channelTransactionId }
    : {};

const refundFactsOf = (refunds: readonly StoredRefund[], row: TrajectoryRow): Facts => {
  const found = refunds.find(({ refund }) => refund.refundNo === row.refundNo);
  if (found === undefined) return { refund_no: row.refundNo };
  const { refund, needsPerson } = found;
  return {
    refund_no: refund.refundNo,
    ...(row.event === 'refund_created'
      ? { merchant_refund_no: refund.merchantRefundNo, amount: moneyText(refund.amount), cause: refund.cause }
      : {}),
    // The last line of a refund is where it stands.
    ...(row.version === refund.version ? { channel_refund_id: refund.channelRefundId, needs_person: needsPerson } : {}),
  };
};

const saidOf = (row: TrajectoryRow, { statements }: Trajectory): Line => {
  const said = statements.find(({ person, saidAtMs }) => person === row.code && saidAtMs === row.happenedAtMs);
  return {
    atMs: row.happenedAtMs,
    source: row.source,
    event: row.event,
    facts: {
      refund_no: row.refundNo,
      attempt_no: row.attemptNo,
      outcome: row.state,
      person: row.code,
      channel_transaction_id: said?.channelTransactionId,
      money_moved_at: said?.happenedAtMs === undefined ? undefined : new Date(said.happenedAtMs).toISOString(),
      evidence: said?.evidence,
    },
  };
};

const changeOf = (row: TrajectoryRow, trajectory: Trajectory): Line => {
  if (row.event === 'person_said') return saidOf(row, trajectory);
  const {
    stored: { payment },
    refunds,
  } = trajectory;
  const attempt = payment.attempts.find(({ attemptNo }) => attemptNo === row.attemptNo);
  const isStart = row.refundNo === undefined && row.attemptState === 'started' && attempt !== undefined;
  return {
    atMs: row.happenedAtMs,
    source: row.source,
    event: isStart ? 'attempt_started' : row.event,
    facts: {
      state: row.state,
      version: row.version,
      attempt_no: row.attemptNo,
      attempt_state: row.attemptState,
      learned_by: row.learnedBy,
      code: row.code,
      ...(isStart ? startOf(payment, attempt) : {}),
      ...(attempt !== undefined && row.refundNo === undefined ? endOf(attempt, row) : {}),
      ...(row.refundNo === undefined ? {} : refundFactsOf(refunds, row)),
      ...(row.code === 'needs_person' ? { needs_person: payment.needsPerson } : {}),
    },
  };
};

const toWire = ({ atMs, source, event, facts }: Line): MessageInitShape<typeof TrajectoryLineSchema> => ({
  happenedAt: timestampFromMs(atMs),
  source,
  event,
  facts: Object.fromEntries(
    Object.entries(facts).flatMap(([name, value]) =>
      value === undefined || value === '' ? [] : [[name, String(value)]],
    ),
  ),
});

/**
 * A payment's story, line by line. The order's creation and its first attempt stand in the order itself; each later change has the
 * line that a trigger wrote in its commit. Lines keep the order of their changes, whatever the clocks of those who made them said.
 */
export const linesOf = (trajectory: Trajectory): MessageInitShape<typeof TrajectoryLineSchema>[] => {
  const { payment } = trajectory.stored;
  const creation = creationOf(trajectory);
  const [first] = payment.attempts;
  const begin: Line[] =
    first === undefined
      ? [creation]
      : [creation, { ...creation, event: 'attempt_started', facts: { ...startOf(payment, first), version: 1 } }];
  return [...begin, ...trajectory.rows.map((row) => changeOf(row, trajectory))].map(toWire);
};
