import type { Clock } from '@tillmesh/clock';
import type { Connection } from 'mysql2/promise';
import { rowsOf } from './administrator.ts';
import { includesAll } from './gtid-history.ts';
import { pollWhileAdvancing } from './waiting.ts';

/** How a wait that may be long is ended and shown. */
export type LongWait = {
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
  /** Gets a line for a person every two seconds. */
  readonly onProgress?: ((line: string) => void) | undefined;
};

const POLL_MS = 20;
const SHOW_EVERY_MS = 2_000;

/** A thread that executes nothing for so long is stuck; one that gets on may need minutes after a bench. */
export const STALLED_MS = 30_000;

/**
 * Waits until a node has executed all transactions up to a position, as long as it gets on.
 *
 * @returns undefined when it has, otherwise what is wrong.
 */
export const awaitExecuted = async (
  name: string,
  connection: Connection,
  position: string,
  { clock, signal, onProgress = () => undefined }: LongWait,
  stalledMs: number = STALLED_MS,
): Promise<string | undefined> => {
  let shownAtMs = clock.monotonicMs();
  const answer = await pollWhileAdvancing({
    clock,
    everyMs: POLL_MS,
    stalledMs,
    signal,
    probe: async () => {
      const row = (await rowsOf(connection, 'SELECT @@GLOBAL.gtid_slave_pos AS executed'))[0];
      const at = String(row?.['executed'] ?? '');
      if (includesAll(at, position)) return { answer: 'executed' };
      const state = (await rowsOf(connection, 'SHOW SLAVE STATUS'))[0];
      if (state?.['Slave_SQL_Running'] === 'No') {
        return { answer: String(state['Last_SQL_Error']) || 'its executing thread has been stopped' };
      }
      if (clock.monotonicMs() - shownAtMs >= SHOW_EVERY_MS) {
        shownAtMs = clock.monotonicMs();
        onProgress(`${name} has executed up to ${at} of ${position}`);
      }
      return { at };
    },
  });
  if (answer === 'executed') return undefined;
  return answer === 'stalled' ? `it has executed nothing for ${stalledMs} ms` : answer;
};
