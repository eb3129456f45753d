import { context, trace } from '@opentelemetry/api';
import pino from 'pino';
import { censor } from './censor.ts';

/** What a service logs with: one JSON line an event, on standard output. */
export type Log = pino.Logger;

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Creates a service's log. Lines carry the trace and span they belong to. */
export const createLog = (service: string, level: LogLevel = 'info'): Log => {
  const log = pino({
    level,
    base: { service, pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    // A net under code that must not log secrets in the first place. pino's own redaction knows paths, and a path knows its
    // depth: an openid inside a body inside a request was written out.
    formatters: { level: (label) => ({ level: label }), log: censor },
    // The censor has written errors out already.
    serializers: { err: (error: unknown) => error },
    mixin: () => {
      const spanContext = trace.getSpanContext(context.active());
      return spanContext === undefined ? {} : { trace_id: spanContext.traceId, span_id: spanContext.spanId };
    },
  });
  // What a child is created with is written on every line of it, and passes no formatter.
  // oxlint-disable-next-line typescript/unbound-method -- It is called as a method of each child below.
  const { child } = log;
  Object.defineProperty(log, 'child', {
    value(this: Log, bindings: pino.Bindings, options?: pino.ChildLoggerOptions): Log {
      return Reflect.apply(child, this, [censor(bindings), options]) as Log;
    },
  });
  return log;
};
