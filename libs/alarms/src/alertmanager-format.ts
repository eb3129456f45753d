import type { Alarm } from './alarm-book.ts';

/** An alarm in Alertmanager's words; its API and its webhooks share them. */
export type AlertmanagerAlert = {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly startsAt: string;
  readonly endsAt: string;
  readonly generatorURL: string;
};

const iso = (ms: number): string => new Date(ms).toISOString();

// Alertmanager's own way to say "not ended" in a webhook.
const NO_END = '0001-01-01T00:00:00Z';

/**
 * @param standsUntilMs what the receiver may believe of an alarm that stands, should it hear no more; undefined: until it is told.
 * @see https://prometheus.io/docs/alerting/latest/clients/
 */
export const alertOf = (alarm: Alarm, service: string, standsUntilMs: number | undefined): AlertmanagerAlert => ({
  labels: { alertname: alarm.name, severity: alarm.severity, service, ...alarm.labels },
  annotations: { summary: alarm.summary, times: String(alarm.times) },
  startsAt: iso(alarm.raisedAtMs),
  endsAt:
    alarm.endedAtMs === undefined ? (standsUntilMs === undefined ? NO_END : iso(standsUntilMs)) : iso(alarm.endedAtMs),
  generatorURL: '',
});

/**
 * The body of a webhook as Alertmanager sends it, version 4: one group for each service.
 *
 * @see https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
 */
export const webhookBody = (alarms: readonly Alarm[], service: string): object => {
  const alerts = alarms.map((alarm) => ({
    status: alarm.endedAtMs === undefined ? 'firing' : 'resolved',
    ...alertOf(alarm, service, undefined),
    fingerprint: '',
  }));
  return {
    version: '4',
    groupKey: `{service="${service}"}`,
    truncatedAlerts: 0,
    status: alerts.some(({ status }) => status === 'firing') ? 'firing' : 'resolved',
    receiver: 'tillmesh',
    groupLabels: { service },
    commonLabels: { service },
    commonAnnotations: {},
    externalURL: '',
    alerts,
  };
};
