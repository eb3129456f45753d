import {
  type Attributes,
  type Context,
  context,
  createContextKey,
  isSpanContextValid,
  type Link,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  trace,
} from '@opentelemetry/api';

export { type Attributes, type Context, type Span, SpanKind, SpanStatusCode };

const TRACER = 'tillmesh';

/** Whether spans are recorded in this process; false until startTelemetry found an OTLP endpoint. */
export const isTracingOn = (): boolean => tracingOn;
let tracingOn = false;

/** For startTelemetry and for tests that bring their own provider. */
export const setTracingOn = (on: boolean): void => {
  tracingOn = on;
};

export type SpanOptions = {
  readonly kind?: SpanKind;
  readonly attributes?: Attributes;
  /** The span's parent; by default the span that is active. */
  readonly parent?: Context;
  readonly links?: Link[];
  /** Wall clock ms, for a span whose beginning lies back. */
  readonly startTimeMs?: number;
};

/** The name of an error that is safe to write down: never its message, which may hold what somebody sent. */
export const errorTypeOf = (error: unknown): string => {
  if (error instanceof Error) {
    const { code, reason } = error as { code?: unknown; reason?: unknown };
    // TLS gives a reason in sentences, with the names of hosts in them.
    if (typeof reason === 'string' && /^[\w.-]{1,64}$/.test(reason)) return reason;
    return typeof code === 'string' && code !== '' ? code : error.name;
  }
  return typeof error;
};

/** Marks a span as failed, with the error's type and without its message. */
export const failSpan = (span: Span, error: unknown): void => {
  const errorType = errorTypeOf(error);
  span.setAttribute('error.type', errorType);
  span.setStatus({ code: SpanStatusCode.ERROR, message: errorType });
};

const QUIET = createContextKey('tillmesh: no spans');

/** Runs `work` without spans: for loops that look every second whether there is something to do. */
export const withoutSpans = <T>(work: () => T): T =>
  tracingOn ? context.with(context.active().setValue(QUIET, true), work) : work();

/** Runs `work` inside a span: ended when the promise settles, failed when it rejects. Free of cost while tracing is off. */
export const withSpan = async <T>(name: string, options: SpanOptions, work: (span: Span) => Promise<T>): Promise<T> => {
  if (!tracingOn) return work(OFF_SPAN);
  const parent = options.parent ?? context.active();
  if (parent.getValue(QUIET) === true) return work(OFF_SPAN);
  const span = startSpan(name, { ...options, parent });
  try {
    return await context.with(trace.setSpan(parent, span), work, undefined, span);
  } catch (error) {
    failSpan(span, error);
    throw error;
  } finally {
    span.end();
  }
};

const OFF_SPAN: Span = trace.wrapSpanContext({
  traceId: '0'.repeat(32),
  spanId: '0'.repeat(16),
  traceFlags: TraceFlags.NONE,
});

/** Adds facts to the active span. Never payment codes, keys or personal fields. */
export const annotate = (attributes: Attributes): void => {
  if (tracingOn) trace.getActiveSpan()?.setAttributes(attributes);
};

/** A span that the caller ends itself. */
export const startSpan = (name: string, options: SpanOptions): Span => {
  if (!tracingOn) return OFF_SPAN;
  const { kind, attributes, parent, links, startTimeMs } = options;
  return trace.getTracer(TRACER).startSpan(
    name,
    {
      ...(kind === undefined ? {} : { kind }),
      ...(attributes === undefined ? {} : { attributes }),
      ...(links === undefined ? {} : { links }),
      ...(startTimeMs === undefined ? {} : { startTime: startTimeMs }),
    },
    parent ?? context.active(),
  );
};

/** Runs `work` with the span as the active one; does not end it. */
export const runInSpan = <T>(span: Span, parent: Context, work: () => T): T =>
  tracingOn ? context.with(trace.setSpan(parent, span), work) : work();

/** Runs `work` with this context active. */
export const runInContext = <T>(active: Context, work: () => T): T => (tracingOn ? context.with(active, work) : work());

const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;

const formatTraceparent = (spanContext: SpanContext): string =>
  `00-${spanContext.traceId}-${spanContext.spanId}-${spanContext.traceFlags.toString(16).padStart(2, '0')}`;

/** W3C traceparent of a span; empty while tracing is off. */
export const traceparentOf = (span: Span): string =>
  isSpanContextValid(span.spanContext()) ? formatTraceparent(span.spanContext()) : '';

// Tells callees not to record either: valid, and marked as not sampled.
const UNSAMPLED_TRACEPARENT = `00-${'1'.padStart(32, '0')}-${'1'.padStart(16, '0')}-00`;

/** W3C traceparent of the active span; one that is not sampled inside withoutSpans; empty where there is none. */
export const activeTraceparent = (): string => {
  if (tracingOn && context.active().getValue(QUIET) === true) return UNSAMPLED_TRACEPARENT;
  const spanContext = tracingOn ? trace.getSpanContext(context.active()) : undefined;
  return spanContext !== undefined && isSpanContextValid(spanContext) ? formatTraceparent(spanContext) : '';
};

/** A context whose children continue the trace that the text names; a root context where it names none. */
export const contextOfTraceparent = (traceparent: string): Context => {
  const match = tracingOn ? TRACEPARENT.exec(traceparent) : null;
  const [, traceId, spanId, flags] = match ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return ROOT_CONTEXT;
  const spanContext = { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true };
  return isSpanContextValid(spanContext) ? trace.setSpanContext(ROOT_CONTEXT, spanContext) : ROOT_CONTEXT;
};

/** The 32 hex digits of the trace that a traceparent names; empty where it names none. */
export const traceIdOf = (traceparent: string): string => TRACEPARENT.exec(traceparent)?.[1] ?? '';
