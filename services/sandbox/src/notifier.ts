import { atWallTime, type Clock } from '@tillmesh/clock';
import { assert } from '@tillmesh/domain';
import type { Log } from '@tillmesh/telemetry';
import { post } from './post.ts';
import type { ChannelName, NotificationPlan, NotificationSignature } from './script.ts';
import type { State } from './state.ts';

/** News for a merchant, with how often it was tried. */
export type Notification = {
  readonly notificationId: string;
  readonly channel: ChannelName;
  readonly merchantId: string;
  readonly outTradeNo: string;
  /** The channel's name of the event. */
  readonly event: string;
  readonly url: string;
  /** What happened, in the channel's own form; the same over all tries. */
  readonly content: string;
  readonly createdAtMs: number;
  readonly signature: NotificationSignature;
  readonly copiesLeft: number;
  readonly tries: number;
  readonly state: 'waiting' | 'accepted' | 'given_up';
  readonly dueAtMs: number;
  /** What came of the last try, for people. */
  readonly lastTry: string | undefined;
};

/** What a channel knows of notifying. */
export type NotifyingChannel = {
  /** Waits between tries, in the channel's own ms, before they are scaled. */
  readonly retryMs: readonly number[];
  /** A fresh signature for every try. */
  readonly request: (notification: Notification) => {
    readonly headers: Readonly<Record<string, string>>;
    readonly body: string;
  };
  readonly accepts: (status: number, body: string) => boolean;
};

/** The second copy of an accepted notification comes over another line of the channel, about 1 s later. */
const COPY_AFTER_MS = 1_000;

export interface Notifier {
  /** Says how a channel notifies; once per channel, before anything is sent. */
  register(channel: ChannelName, how: NotifyingChannel): void;
  send(
    news: Pick<Notification, 'notificationId' | 'channel' | 'merchantId' | 'outTradeNo' | 'event' | 'url' | 'content'>,
    plan: NotificationPlan,
  ): void;
  /** Takes up again what waited when the process ended. */
  resume(): void;
  list(): IterableIterator<Notification>;
  close(): void;
}

export const createNotifier = (deps: {
  readonly state: State;
  readonly clock: Clock;
  readonly log: Log;
  /** 1 is the channels' real pace; 0.001 turns hours into seconds. */
  readonly timeScale: number;
  readonly timeoutMs: number;
  readonly concurrentMax: number;
}): Notifier => {
  const { clock, log, timeScale } = deps;
  const table = deps.state.table<Notification>('notification', (notification) => notification.notificationId);
  const channels = new Map<ChannelName, NotifyingChannel>();
  const due: string[] = [];
  const closing = new AbortController();
  let underWay = 0;

  const channelOf = (notification: Notification): NotifyingChannel => {
    const channel = channels.get(notification.channel);
    assert(channel !== undefined, `${notification.channel} never said how it notifies`);
    return channel;
  };

  const fallsDue = ({ notificationId }: Notification): void => {
    due.push(notificationId);
    deliverDue();
  };
  const wait = (notification: Notification): void => {
    // What is due now goes out when the step that caused it has ended, without a turn of the clock.
    if (notification.dueAtMs <= clock.nowMs()) queueMicrotask(() => fallsDue(notification));
    else atWallTime(clock, notification.dueAtMs, () => fallsDue(notification));
  };
  const putAndWait = (notification: Notification): void => {
    table.put(notification);
    wait(notification);
  };

  const after = (tried: Notification, accepted: boolean, lastTry: string): void => {
    const next = { ...tried, tries: tried.tries + 1, lastTry };
    if (accepted && next.copiesLeft <= 1) {
      table.put({ ...next, copiesLeft: 0, state: 'accepted' });
      return;
    }
    if (accepted) {
      const dueAtMs = clock.nowMs() + COPY_AFTER_MS * timeScale;
      putAndWait({ ...next, copiesLeft: next.copiesLeft - 1, dueAtMs });
      return;
    }
    const waitMs = channelOf(tried).retryMs[tried.tries];
    if (waitMs === undefined) table.put({ ...next, state: 'given_up' });
    else putAndWait({ ...next, dueAtMs: clock.nowMs() + waitMs * timeScale });
  };

  const deliver = async (notification: Notification): Promise<void> => {
    const channel = channelOf(notification);
    const { headers, body } = channel.request(notification);
    const { url } = notification;
    // The change behind the news has to outlive a kill before anybody hears of it.
    await deps.state.durable();
    const result = await post({ url, headers, body, timeoutMs: deps.timeoutMs, clock, signal: closing.signal });
    if (closing.signal.aborted) return;
    if (result.kind === 'failed') {
      after(notification, false, result.reason);
      return;
    }
    const accepted = channel.accepts(result.status, result.body);
    after(notification, accepted, `${accepted ? 'accepted' : 'refused'} with status ${result.status}`);
  };

  function deliverDue(): void {
    while (underWay < deps.concurrentMax && !closing.signal.aborted) {
      const id = due.shift();
      if (id === undefined) return;
      const notification = table.get(id);
      if (notification?.state !== 'waiting') continue;
      underWay += 1;
      deliver(notification)
        .catch((error: unknown) => log.error({ err: error }, 'a notification could not be sent'))
        .finally(() => {
          underWay -= 1;
          deliverDue();
        });
    }
  }

  return {
    register: (channel, how) => {
      channels.set(channel, how);
    },
    send: (news, plan) => {
      if (plan.copies === 0) return;
      const nowMs = clock.nowMs();
      putAndWait({
        ...news,
        createdAtMs: nowMs,
        signature: plan.signature,
        copiesLeft: plan.copies,
        tries: 0,
        state: 'waiting',
        dueAtMs: nowMs + plan.delayMs,
        lastTry: undefined,
      });
    },
    resume: () => {
      for (const notification of table.values()) if (notification.state === 'waiting') wait(notification);
    },
    list: () => table.values(),
    close: () => closing.abort(new Error('the sandbox stops')),
  };
};
