/** A span as Jaeger's API gives it, as far as it is looked at here. */
export type JaegerSpan = {
  readonly traceID: string;
  readonly spanID: string;
  readonly operationName: string;
  readonly processID: string;
  readonly references: readonly { readonly refType: string; readonly traceID: string; readonly spanID: string }[];
  readonly tags: readonly { readonly key: string; readonly value: unknown }[];
};

/** A trace as `GET /api/traces` gives it. */
export type JaegerTrace = {
  readonly traceID: string;
  readonly spans: readonly JaegerSpan[];
  readonly processes: Readonly<Record<string, { readonly serviceName: string }>>;
};

/** What is said of the traces that were found by one payment's number. */
export type FoundTrace = {
  readonly orderNo: string;
  readonly traceId: string;
  /** 1, or something is wrong. */
  readonly traces: number;
  readonly spans: number;
  readonly services: number;
  /** Spans whose parent is not there. */
  readonly orphans: number;
  /** Spans that ended in an error. */
  readonly errors: number;
};

const CALL_MS_MAX = 10_000;
const LIMIT = 20;
const LOOK_BACK_MS = 3_600_000;

/** The tag by which a payment is found; docs/tracing.md has the others. */
export const NUMBER_TAG = 'tillmesh.order_no';

/** The address of Jaeger's own search page for a payment, and of its API. */
export const searchUrl = (jaeger: string, path: '/search' | '/api/traces', orderNo: string, nowMs: number): string => {
  const question = new URLSearchParams({
    service: 'cashier',
    tags: JSON.stringify({ [NUMBER_TAG]: orderNo }),
    limit: String(LIMIT),
    start: String((nowMs - LOOK_BACK_MS) * 1_000),
    end: String((nowMs + LOOK_BACK_MS) * 1_000),
  });
  return `${jaeger}${path}?${question.toString()}`;
};

/** @throws {Error} where Jaeger does not answer as it should. */
export const tracesOfPayment = async (
  jaeger: string,
  orderNo: string,
  nowMs: number,
): Promise<readonly JaegerTrace[]> => {
  const response = await fetch(searchUrl(jaeger, '/api/traces', orderNo, nowMs), {
    signal: AbortSignal.timeout(CALL_MS_MAX),
  });
  if (!response.ok) throw new Error(`Jaeger answers ${response.status} to a search for ${orderNo}`);
  return ((await response.json()) as { readonly data: readonly JaegerTrace[] | null }).data ?? [];
};

/** Sums up what was found for a payment. */
export const foundTrace = (orderNo: string, traces: readonly JaegerTrace[]): FoundTrace => {
  const spans = traces.flatMap((trace) => trace.spans);
  const ids = new Set(spans.map(({ spanID }) => spanID));
  const isOrphan = ({ references }: JaegerSpan) =>
    references.some(
      ({ refType, traceID, spanID }) => refType === 'CHILD_OF' && traceID === traces[0]?.traceID && !ids.has(spanID),
    );
  const services = new Set(
    traces.flatMap((trace) => trace.spans.map(({ processID }) => trace.processes[processID]?.serviceName ?? '')),
  );
  return {
    orderNo,
    traceId: traces[0]?.traceID ?? '',
    traces: traces.length,
    spans: spans.length,
    services: services.size,
    orphans: spans.filter(isOrphan).length,
    errors: spans.filter(({ tags }) => tags.some(({ key, value }) => key === 'error' && value === true)).length,
  };
};
