import { type Clock, repeat } from '@tillmesh/clock';
import { type Log, withoutSpans } from '@tillmesh/telemetry';

const RECONNECT_EVERY_MS = 500;

/**
 * Hears a stream for as long as the signal lets it, and opens it again half a second after it ended or failed. What was heard before
 * holds meanwhile.
 *
 * @param options.what whose stream it is, for the log.
 * @param options.whileAway what holds while nothing is heard, for the log.
 * @param options.open a call for the stream; made anew each time, so that it can say what is known already.
 */
export const followStream = <Message>(options: {
  readonly what: string;
  readonly whileAway: string;
  readonly open: () => AsyncIterable<Message>;
  readonly take: (message: Message) => void;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}): void => {
  const { what, whileAway, open, take, clock, log, signal } = options;
  withoutSpans(() =>
    repeat({
      clock,
      everyMs: RECONNECT_EVERY_MS,
      signal,
      task: async () => {
        for await (const message of open()) take(message);
      },
      onError: (error) => log.warn({ err: error }, `${what} is away; ${whileAway}`),
    }),
  ).catch((error: unknown) => log.error({ err: error }, `${what} is not followed any more`));
};
