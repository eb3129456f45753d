import { inspect } from 'node:util';
import { createLog, type Log } from '@tillmesh/telemetry';

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;

/** A log that keeps every line whole, before anything is censored in it: what code must not log it must not even hand over. */
export const createCollectingLog = (): { readonly log: Log; readonly lines: string[] } => {
  const lines: string[] = [];
  const log = createLog('test', 'silent');
  for (const level of LEVELS) {
    Object.defineProperty(log, level, {
      value: (...parts: readonly unknown[]) => {
        lines.push(`${level} ${parts.map((part) => inspect(part, { depth: 12, breakLength: Infinity })).join(' ')}`);
      },
    });
  }
  return { log, lines };
};
