import { context, trace } from '@opentelemetry/api';
import pino from 'pino';
import { censor } from './censor.ts';

/** What a service logs with: one JSON line an event, on standard output. */
export type Log = pino.Logger;

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Creates a service's log. Lines carry the trace and span they belong to. */
export const createLog = (service: string, level: LogLevel = 'info'): Log =>
  pino({
    level,
    base: { service, pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    // The censor is a net under code that must not log such fields in the first place. pino's own redaction knows paths, and
    // a path knows its depth: an openid inside a body inside a request was written out.
    formatters: {
      level: (label) => ({ level: label }),
      log: (fields) => ('err' in fields ? { ...censor({ ...fields, err: undefined }), err: fields['err'] } : censor(fields)),
      bindings: (bindings) => censor(bindings),
    },
    // Errors of HTTP clients carry their request with all its headers.
    serializers: { err: (error: unknown) => (error instanceof Error ? censor(pino.stdSerializers.err(error)) : error) },
    mixin: () => {
      const spanContext = trace.getSpanContext(context.active());
      return spanContext === undefined ? {} : { trace_id: spanContext.traceId, span_id: spanContext.spanId };
    },
  });
