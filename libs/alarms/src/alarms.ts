import { type Clock, repeat } from '@tillmesh/clock';
import { z } from '@tillmesh/config';
import { counter, gauge, type Log, withoutSpans } from '@tillmesh/telemetry';
import { type Alarm, type AlarmNews, createAlarmBook, SEVERITIES } from './alarm-book.ts';
import { alertOf, webhookBody } from './alertmanager-format.ts';

/** Where alarms are pushed to; part of a service's configuration. */
export const AlarmsConfig = z
  .strictObject({
    url: z.url({ protocol: /^https?$/ }).describe('Where alarms are posted to, as JSON.'),
    format: z
      .enum(['webhook', 'alertmanager'])
      .default('webhook')
      .describe(
        'webhook: as Alertmanager calls its receivers (version 4), for chat, mail and SMS gateways. alertmanager: as its clients call it; the url ends in /api/v2/alerts.',
      ),
    repeatEveryMs: z
      .int()
      .min(1_000)
      .max(3_600_000)
      .default(60_000)
      .describe(
        'What stands is told again so often; an Alertmanager forgets what it does not hear of for three times as long.',
      ),
  })
  .describe('Where alarms are pushed to. Without it they are in the log, the metrics and AlarmService alone.');
export type AlarmsConfig = z.output<typeof AlarmsConfig>;

/** What a process raises. Raising never fails and never waits. */
export type Alarms = {
  raise(news: AlarmNews): void;
  /** What it was about is over; nothing where it does not stand. */
  end(alarm: Pick<AlarmNews, 'name' | 'labels'>): void;
  standing(): readonly Alarm[];
  dropped(): number;
  /** Tells what was raised last, as far as 2 s allow, and pushes no more. */
  close(): Promise<void>;
};

/** A person is looked for once a day (hand-over): an alarm that nobody raises for longer is over. */
const SILENT_MS = 25 * 3_600_000;
const LOOK_EVERY_MS = 500;
const PUSH_MS_MAX = 5_000;
const LAST_PUSH_MS_MAX = 2_000;
const RETRY_MS = { first: 1_000, max: 60_000 } as const;
const STANDS_FACTOR = 3;

const standing = gauge('tillmesh_alarms', 'Alarms that stand, by severity.', ['severity']);
const raised = counter('tillmesh_alarms_raised_total', 'Alarms that were raised and did not stand before.', ['alarm']);
const pushes = counter('tillmesh_alarm_pushes_total', 'Pushes of alarms, by how they ended.', ['end']);

/** Creates the alarms of a process and begins to push them. */
export const createAlarms = (options: {
  /** Such as `syncer`; replicas share it, so that their receiver sees one alarm and not one from each. */
  readonly service: string;
  readonly config: AlarmsConfig | undefined;
  readonly clock: Clock;
  readonly log: Log;
}): Alarms => {
  const { service, config, clock, log } = options;
  const book = createAlarmBook(SILENT_MS);
  const stop = new AbortController();
  /** What ended and was not told yet. */
  let untold: readonly Alarm[] = [];
  let hasNews = false;
  let toldAtMs = Number.NEGATIVE_INFINITY;
  let failures = 0;

  const bodyOf = (to: AlarmsConfig, alarms: readonly Alarm[]): object =>
    to.format === 'webhook'
      ? webhookBody(alarms, service)
      : alarms.map((alarm) => alertOf(alarm, service, clock.nowMs() + STANDS_FACTOR * to.repeatEveryMs));

  const push = async (to: AlarmsConfig, msMax: number): Promise<void> => {
    untold = [...untold, ...book.takeEnded()];
    const alarms = [...book.standing(), ...untold];
    hasNews = false;
    toldAtMs = clock.monotonicMs();
    if (alarms.length === 0) return;
    const told = untold.length;
    try {
      const response = await fetch(to.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(bodyOf(to, alarms)),
        redirect: 'error',
        signal: AbortSignal.timeout(msMax),
      });
      await response.body?.cancel();
      if (!response.ok) throw new Error(`it answers ${response.status}`);
      untold = untold.slice(told);
      failures = 0;
      pushes.add({ end: 'told' });
    } catch (error) {
      failures += 1;
      hasNews = true;
      pushes.add({ end: 'failed' });
      log.error({ err: error, alarms: alarms.length, failures }, 'alarms could not be pushed; they are pushed again');
    }
  };

  const retryMs = (): number => (failures === 0 ? 0 : Math.min(RETRY_MS.max, RETRY_MS.first * 2 ** (failures - 1)));

  const look = async (): Promise<void> => {
    book.endSilent(clock.nowMs());
    const now = book.standing();
    for (const severity of SEVERITIES)
      standing.set({ severity }, now.filter((alarm) => alarm.severity === severity).length);
    if (config === undefined) {
      book.takeEnded();
      return;
    }
    const sinceMs = clock.monotonicMs() - toldAtMs;
    if ((hasNews && sinceMs >= retryMs()) || sinceMs >= config.repeatEveryMs)
      await withoutSpans(() => push(config, PUSH_MS_MAX));
  };

  repeat({
    clock,
    everyMs: LOOK_EVERY_MS,
    signal: stop.signal,
    task: look,
    onError: (error) => log.error({ err: error }, 'alarms could not be looked at'),
  }).catch((error: unknown) => log.error({ err: error }, 'alarms are pushed no more'));

  return {
    raise: (news) => {
      if (!book.raise(news, clock.nowMs())) return;
      hasNews = true;
      raised.add({ alarm: news.name });
      const { name, severity, labels, summary } = news;
      log.error({ alarm: name, severity, labels }, summary);
    },
    end: (alarm) => {
      if (book.end(alarm, clock.nowMs())) hasNews = true;
    },
    standing: book.standing,
    dropped: book.dropped,
    close: async () => {
      stop.abort(new Error('the alarms were closed'));
      if (config !== undefined && hasNews) await push(config, LAST_PUSH_MS_MAX);
    },
  };
};
