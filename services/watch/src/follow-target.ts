import { type Clock, repeat } from '@tillmesh/clock';
import type { Log } from '@tillmesh/telemetry';
import { addressesOf, hostOf, mayChange } from './addresses.ts';
import { followProcess } from './follow-process.ts';
import type { LaneBoard } from './lane-board.ts';

/** Between two questions which processes a name stands for. */
const RESOLVE_EVERY_MS = 5_000;
/** A process that its name does not stand for any more is shown as away for this long. */
const KEEP_GONE_MS = 60_000;

/** Follows every process behind one target; resolves when the signal is aborted. */
export const followTarget = async (options: {
  readonly service: string;
  readonly target: string;
  readonly board: LaneBoard;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly onHeard: () => void;
}): Promise<void> => {
  const { service, target, board, clock, log, signal, onHeard } = options;
  const followed = new Map<string, { readonly stop: AbortController; namedMs: number }>();

  const follow = (address: string): void => {
    const stop = new AbortController();
    followed.set(address, { stop, namedMs: clock.monotonicMs() });
    const either = AbortSignal.any([signal, stop.signal]);
    followProcess({ service, address, serverName: hostOf(target), board, clock, signal: either, onHeard }).catch(
      (error: unknown) => log.error({ err: error, service, address }, 'a process is not followed any more'),
    );
  };

  const look = async (): Promise<void> => {
    for (const address of await addressesOf(target)) {
      const known = followed.get(address);
      if (known === undefined) follow(address);
      else known.namedMs = clock.monotonicMs();
    }
    for (const [address, { stop, namedMs }] of followed) {
      if (clock.monotonicMs() - namedMs <= KEEP_GONE_MS) continue;
      stop.abort(new Error('its name does not stand for it any more'));
      followed.delete(address);
    }
  };

  if (!mayChange(target)) {
    await look();
    return;
  }
  await repeat({
    clock,
    everyMs: RESOLVE_EVERY_MS,
    signal,
    task: look,
    onError: (error) => log.warn({ err: error, service, target }, 'the name is not known now; it is asked again'),
  });
};
