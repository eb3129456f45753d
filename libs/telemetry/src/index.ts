export { createLog, LOG_LEVELS, type Log, type LogLevel } from './log.ts';
export { counter, durations, gauge, metricsText, serveMetrics } from './metrics.ts';
export { scraped } from './scraped-metrics.ts';
export { type StopTelemetry, startTelemetry } from './start-telemetry.ts';
export {
  type Attributes,
  activeTraceparent,
  annotate,
  type Context,
  contextOfTraceparent,
  errorTypeOf,
  failSpan,
  isTracingOn,
  runInContext,
  runInSpan,
  type Span,
  SpanKind,
  type SpanOptions,
  SpanStatusCode,
  setTracingOn,
  startSpan,
  traceIdOf,
  traceparentOf,
  withoutSpans,
  withSpan,
} from './tracing.ts';
