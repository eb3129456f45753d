import type { Clock } from '@tillmesh/clock';
import type { LeftOut } from '@tillmesh/domain';
import { counter, durations, type Log, type Span, withSpan } from '@tillmesh/telemetry';
import type { CallFacts } from './channel.ts';

const calls = counter('tillmesh_channel_calls_total', 'Calls to a channel, by what they came to.', [
  'channel',
  'operation',
  'outcome',
  'code',
]);
const callSeconds = durations('tillmesh_channel_call_seconds', 'Time of calls to a channel, waiting included.', [
  'channel',
  'operation',
]);
const signatures = counter('tillmesh_channel_signatures_total', 'Signatures of answers and notifications.', [
  'channel',
  'signature',
]);
const configAlarms = counter(
  'tillmesh_channel_config_alarms_total',
  'Answers that speak of our configuration: the account should leave routing.',
  ['channel', 'account_id'],
);
const leftOutDetails = counter(
  'tillmesh_payment_details_left_out_total',
  'Details of payments that a channel told and that cannot be right; the payment is paid all the same.',
  ['channel', 'field', 'why'],
);

/** What can be told of a call without telling a secret. */
export type CallSummary = {
  /** An outcome, an end, a refund state or a refusal. */
  readonly outcome: string;
  /** A row of a code table, `unlisted` for a code that is on none, or empty. Never the channel's own text: it is unbounded. */
  readonly code: string;
  readonly facts: CallFacts | undefined;
  readonly configAlarm: boolean;
  /** Details of a payment that the channel told and that cannot be right. */
  readonly leftOut?: readonly LeftOut[];
};

/** Runs one call to a channel inside a span, counts it, and logs what somebody should look at. */
export const observeCall = <Report>(
  about: {
    readonly channelId: string;
    readonly operation: string;
    readonly accountId: string;
    readonly channelOrderNo: string;
    readonly clock: Clock;
    readonly log: Log;
  },
  summaryOf: (report: Report) => CallSummary,
  work: () => Promise<Report>,
): Promise<Report> => {
  const { channelId, operation, accountId, channelOrderNo, clock, log } = about;
  const attributes = {
    'tillmesh.channel_id': channelId,
    'tillmesh.account_id': accountId,
    'tillmesh.channel_order_no': channelOrderNo,
  };
  return withSpan(`${channelId} ${operation}`, { attributes }, async (span) => {
    const beganMs = clock.monotonicMs();
    const report = await work();
    const summary = summaryOf(report);
    const { outcome, code, facts, configAlarm } = summary;
    callSeconds.record({ channel: channelId, operation }, (clock.monotonicMs() - beganMs) / 1_000);
    calls.add({ channel: channelId, operation, outcome, code });
    describe(span, summary);
    const line = { operation, account_id: accountId, channel_order_no: channelOrderNo, outcome, code };
    if (facts?.signature !== undefined) signatures.add({ channel: channelId, signature: facts.signature });
    if (facts?.signature === 'invalid') log.error(line, 'a signature is wrong: a forger, or a key that has changed');
    for (const { field, why } of summary.leftOut ?? []) leftOutDetails.add({ channel: channelId, field, why });
    if (configAlarm) {
      configAlarms.add({ channel: channelId, account_id: accountId });
      log.error(line, 'the channel refuses our configuration');
    }
    log.debug({ ...line, transport: facts?.transport, http_status: facts?.httpStatus }, 'called the channel');
    return report;
  });
};

const describe = (span: Span, { outcome, code, facts }: CallSummary): void => {
  span.setAttribute('tillmesh.outcome', outcome);
  if (code !== '') span.setAttribute('tillmesh.code', code);
  if (facts === undefined) return;
  span.setAttribute('tillmesh.transport', facts.transport);
  if (facts.signature !== undefined) span.setAttribute('tillmesh.signature', facts.signature);
  if (facts.host !== '') span.setAttribute('tillmesh.host', facts.host);
  if (facts.httpStatus !== 0) span.setAttribute('http.response.status_code', facts.httpStatus);
};
