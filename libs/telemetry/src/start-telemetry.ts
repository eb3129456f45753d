import { context, propagation, trace } from '@opentelemetry/api';
import type { Log } from './log.ts';
import { setTracingOn } from './tracing.ts';

/** Ends telemetry: sends what waits, for at most 3 s. */
export type StopTelemetry = () => Promise<void>;

const EXPORT_DEADLINE_MS = 3_000;

const ratioOf = (env: NodeJS.ProcessEnv): number => {
  const ratio = Number(env['OTEL_TRACES_SAMPLER_ARG'] ?? '1');
  return Number.isFinite(ratio) && ratio >= 0 && ratio <= 1 ? ratio : 1;
};

/** Where traces go: the traces' own endpoint as it stands, or the common one with the path of traces. */
const tracesUrlOf = (env: NodeJS.ProcessEnv): string | undefined => {
  const own = env['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'] ?? '';
  if (own !== '') return own;
  const common = env['OTEL_EXPORTER_OTLP_ENDPOINT'] ?? '';
  return common === '' ? undefined : `${common.replace(/\/$/, '')}/v1/traces`;
};

/**
 * Starts tracing where OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is set; otherwise loads nothing.
 * Sends OTLP as http/protobuf in batches. OTEL_TRACES_SAMPLER_ARG is the share of new traces to record, 0 to 1; a trace that
 * is recorded by its caller is recorded here too.
 */
export const startTelemetry = async (options: {
  readonly service: string;
  readonly version: string;
  readonly env: NodeJS.ProcessEnv;
  readonly log: Log;
}): Promise<StopTelemetry> => {
  const { service, version, env, log } = options;
  const url = tracesUrlOf(env);
  if (url === undefined || env['OTEL_SDK_DISABLED'] === 'true') return async () => undefined;
  const { protocol, host } = URL.parse(url) ?? { protocol: '', host: '' };
  if (protocol !== 'http:' && protocol !== 'https:') {
    // Payments do not wait for somebody to mend an address of traces.
    log.error('tracing is off: OTEL_EXPORTER_OTLP_ENDPOINT is not an http or https URL');
    return async () => undefined;
  }

  // Loaded here, not above: a process that does not trace does not pay for the SDK.
  const [sdk, exporter, resources, hooks, core, conventions] = await Promise.all([
    import('@opentelemetry/sdk-trace'),
    import('@opentelemetry/exporter-trace-otlp-proto'),
    import('@opentelemetry/resources'),
    import('@opentelemetry/context-async-hooks'),
    import('@opentelemetry/core'),
    import('@opentelemetry/semantic-conventions'),
  ]);
  context.setGlobalContextManager(new hooks.AsyncLocalStorageContextManager());
  propagation.setGlobalPropagator(new core.W3CTraceContextPropagator());
  const resource = resources
    .resourceFromAttributes({
      [conventions.ATTR_SERVICE_NAME]: service,
      [conventions.ATTR_SERVICE_NAMESPACE]: 'tillmesh',
      [conventions.ATTR_SERVICE_VERSION]: version,
      [conventions.ATTR_SERVICE_INSTANCE_ID]: `${service}-${process.pid}`,
    })
    .merge(resources.detectResources({ detectors: [resources.resourceAttributesEnvDetector] }));
  const provider = new sdk.TracerProvider({
    resource,
    sampler: new sdk.ParentBasedSampler({ root: new sdk.TraceIdRatioBasedSampler(ratioOf(env)) }),
    spanProcessors: [
      new sdk.BatchSpanProcessor({
        exporter: new exporter.OTLPTraceExporter({ url, timeoutMillis: EXPORT_DEADLINE_MS }),
        scheduledDelayMillis: 1_000,
        exportTimeoutMillis: EXPORT_DEADLINE_MS,
        maxQueueSize: 8_192,
      }),
    ],
  });
  trace.setGlobalTracerProvider(provider);
  setTracingOn(true);
  log.info({ host }, 'tracing is on');
  return async () => {
    setTracingOn(false);
    await provider.shutdown().catch((error: unknown) => log.warn({ err: error }, 'the last spans were not sent'));
  };
};
