import { context, trace } from '@opentelemetry/api';
import pino from 'pino';

/** What a service logs with: one JSON line an event, on standard output. */
export type Log = pino.Logger;

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

// A net under code that must not log these in the first place; the names are those of our messages and of the channels'.
const SECRET_FIELDS = [
  'paymentCode',
  'payment_code',
  'authCode',
  'auth_code',
  'payerId',
  'payer_id',
  'openid',
  'buyer_id',
  'clientIp',
  'client_ip',
  'password',
  'privateKey',
  'apiKey',
  'key',
  'sign',
  'authorization',
];

/** Creates a service's log. Lines carry the trace and span they belong to. */
export const createLog = (service: string, level: LogLevel = 'info'): Log =>
  pino({
    level,
    base: { service, pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: { paths: SECRET_FIELDS.flatMap((field) => [field, `*.${field}`]), censor: '[secret]' },
    mixin: () => {
      const spanContext = trace.getSpanContext(context.active());
      return spanContext === undefined ? {} : { trace_id: spanContext.traceId, span_id: spanContext.spanId };
    },
  });
