import type { ExportTraceServiceRequest } from '@tillmesh/proto/opentelemetry/proto/collector/trace/v1/trace_service_pb.ts';
import type { AnyValue, KeyValue } from '@tillmesh/proto/opentelemetry/proto/common/v1/common_pb.ts';
import { type Span, Span_SpanKind, Status_StatusCode } from '@tillmesh/proto/opentelemetry/proto/trace/v1/trace_pb.ts';

/** What an attribute may be. Whole numbers that a JavaScript number cannot hold are a bigint. */
export type AttributeValue =
  | string
  | number
  | bigint
  | boolean
  | Uint8Array
  | undefined
  | readonly AttributeValue[]
  | { readonly [name: string]: AttributeValue };
export type AttributeRecord = Readonly<Record<string, AttributeValue>>;

/** A span as it arrived. Ids are lower-case hex, times nanoseconds since 1970. */
export type ReceivedSpan = {
  /** 32 hex digits. */
  readonly traceId: string;
  /** 16 hex digits. */
  readonly spanId: string;
  /** 16 hex digits; empty for a root. */
  readonly parentSpanId: string;
  readonly name: string;
  readonly kind: 'unspecified' | 'internal' | 'server' | 'client' | 'producer' | 'consumer';
  /** service.name of the process that sent it; empty where it did not say. */
  readonly service: string;
  readonly startUnixNano: bigint;
  readonly endUnixNano: bigint;
  readonly attributes: AttributeRecord;
  readonly status: { readonly code: 'unset' | 'ok' | 'error'; readonly message: string };
  readonly events: readonly {
    readonly name: string;
    readonly timeUnixNano: bigint;
    readonly attributes: AttributeRecord;
  }[];
  readonly links: readonly {
    readonly traceId: string;
    readonly spanId: string;
    readonly attributes: AttributeRecord;
  }[];
};

// A later version of the standard may know more kinds; those are read as unspecified.
const KINDS: Readonly<Record<number, ReceivedSpan['kind']>> = {
  [Span_SpanKind.UNSPECIFIED]: 'unspecified',
  [Span_SpanKind.INTERNAL]: 'internal',
  [Span_SpanKind.SERVER]: 'server',
  [Span_SpanKind.CLIENT]: 'client',
  [Span_SpanKind.PRODUCER]: 'producer',
  [Span_SpanKind.CONSUMER]: 'consumer',
};

const STATUS_CODES: Readonly<Record<number, ReceivedSpan['status']['code']>> = {
  [Status_StatusCode.UNSET]: 'unset',
  [Status_StatusCode.OK]: 'ok',
  [Status_StatusCode.ERROR]: 'error',
};

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

const valueOf = (any: AnyValue | undefined): AttributeValue => {
  const { value } = any ?? {};
  switch (value?.case) {
    case 'intValue': {
      const whole = Number(value.value);
      return Number.isSafeInteger(whole) ? whole : value.value;
    }
    case 'arrayValue':
      return value.value.values.map(valueOf);
    case 'kvlistValue':
      return recordOf(value.value.values);
    case 'stringValue':
    case 'boolValue':
    case 'doubleValue':
    case 'bytesValue':
      return value.value;
    case undefined:
      return undefined;
  }
};

const recordOf = (pairs: readonly KeyValue[]): AttributeRecord =>
  Object.fromEntries(pairs.map(({ key, value }) => [key, valueOf(value)]));

const spanOf = (span: Span, service: string): ReceivedSpan => ({
  traceId: hexOf(span.traceId),
  spanId: hexOf(span.spanId),
  parentSpanId: hexOf(span.parentSpanId),
  name: span.name,
  kind: KINDS[span.kind] ?? 'unspecified',
  service,
  startUnixNano: span.startTimeUnixNano,
  endUnixNano: span.endTimeUnixNano,
  attributes: recordOf(span.attributes),
  status: {
    code: STATUS_CODES[span.status?.code ?? Status_StatusCode.UNSET] ?? 'unset',
    message: span.status?.message ?? '',
  },
  events: span.events.map((event) => ({
    name: event.name,
    timeUnixNano: event.timeUnixNano,
    attributes: recordOf(event.attributes),
  })),
  links: span.links.map((link) => ({
    traceId: hexOf(link.traceId),
    spanId: hexOf(link.spanId),
    attributes: recordOf(link.attributes),
  })),
});

/** Every span of a request, each with the name of its service. */
export const spansOf = (request: ExportTraceServiceRequest): readonly ReceivedSpan[] =>
  request.resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const service = recordOf(resource?.attributes ?? [])['service.name'];
    const name = typeof service === 'string' ? service : '';
    return scopeSpans.flatMap(({ spans }) => spans.map((span) => spanOf(span, name)));
  });
