/** A trace as Jaeger's API gives it (`GET /api/traces/<id>`), as far as it is looked at here. */
export type JaegerTrace = {
  readonly traceID: string;
  readonly spans: readonly {
    readonly spanID: string;
    readonly processID: string;
    readonly references: readonly { readonly refType: string; readonly traceID: string; readonly spanID: string }[];
  }[];
  readonly processes: Readonly<Record<string, { readonly serviceName: string }>>;
};

/** Services that every payment passes. */
const ON_THE_WAY = [/^cashier$/, /^order-store$/, /^channel-/];

/** What is wrong about the traces that were found for one payment; nothing where it is one whole trace. */
export const traceFaults = (traces: readonly JaegerTrace[]): readonly string[] => {
  const [trace] = traces;
  if (trace === undefined) return ['no trace was found'];
  if (traces.length > 1) return [`${traces.length} traces were found`];
  const ids = new Set(trace.spans.map(({ spanID }) => spanID));
  const parentsOf = (span: JaegerTrace['spans'][number]) =>
    span.references.filter(({ refType, traceID }) => refType === 'CHILD_OF' && traceID === trace.traceID);
  const roots = trace.spans.filter((span) => parentsOf(span).length === 0);
  const orphans = trace.spans.filter((span) => parentsOf(span).some(({ spanID }) => !ids.has(spanID)));
  const services = new Set(trace.spans.map(({ processID }) => trace.processes[processID]?.serviceName ?? ''));
  return [
    ...(roots.length === 1 ? [] : [`it has ${roots.length} roots`]),
    ...(orphans.length === 0 ? [] : [`${orphans.length} of its spans have a parent that is not there`]),
    ...ON_THE_WAY.filter((pattern) => ![...services].some((service) => pattern.test(service))).map(
      (pattern) => `no span of it is of ${pattern.source.replaceAll(/[\^$]/g, '')}`,
    ),
  ];
};
