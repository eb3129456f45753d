import type { Secret } from '@tillmesh/config';
import type { BillReport } from './bills/bill.ts';
import type { AttemptReport, CloseReport, NotificationReport, PayerReport, RefundReport } from './channel.ts';
import type { CallSummary } from './observe-call.ts';

const codeLabel = (ruleId: string, code: string): string => (ruleId === '' && code !== '' ? 'unlisted' : ruleId);

/** Of a call about an attempt. */
export const attemptSummary = (report: AttemptReport): CallSummary => ({
  outcome: report.outcome.kind,
  code: codeLabel(report.ruleId, report.channelCode),
  facts: report.facts,
  configAlarm: report.configAlarm,
  leftOut: report.details?.leftOut ?? [],
});
/** Of a close or a reverse. */
export const closeSummary = (report: CloseReport): CallSummary => ({
  ...attemptSummary(report.seen),
  outcome: report.end,
});
/** Of a call about a refund. */
export const refundSummary = (report: RefundReport): CallSummary => ({
  outcome: report.state,
  code: codeLabel(report.ruleId, report.channelCode),
  facts: report.facts,
  configAlarm: false,
});
/** Of a notification. */
export const notificationSummary = (report: NotificationReport): CallSummary => ({
  outcome: report.kind === 'refused' ? report.refusal : 'news',
  code: '',
  facts: undefined,
  configAlarm: false,
  leftOut:
    report.kind === 'refused' ? [] : report.payments.flatMap(({ report: { details } }) => details?.leftOut ?? []),
});

/** Of a question who pays. */
export const payerSummary = (report: PayerReport): CallSummary => ({
  outcome: report.payerId === undefined ? 'unknown' : 'known',
  code: codeLabel('', report.channelCode),
  facts: report.facts,
  configAlarm: false,
});

/** Of fetching a bill. */
export const billSummary = (report: BillReport): CallSummary => ({
  outcome: report.kind,
  code: codeLabel('', report.channelCode),
  facts: report.facts,
  configAlarm: report.kind === 'rejected',
});

/** The report without what was sent in confidence: a channel may repeat it in its text. */
export const withoutSecrets = (report: AttemptReport, secrets: readonly Secret[]): AttemptReport => {
  const hide = (text: string): string =>
    secrets
      .map((secret) => secret.reveal())
      .filter((secret) => secret !== '')
      .reduce((hidden, secret) => hidden.replaceAll(secret, '[secret]'), text);
  const { outcome, channelMessage } = report;
  return {
    ...report,
    channelMessage: hide(channelMessage),
    outcome: outcome.kind === 'unknown' ? { ...outcome, cause: hide(outcome.cause) } : outcome,
  };
};
