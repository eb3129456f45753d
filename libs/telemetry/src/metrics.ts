import { createServer, type Server } from 'node:http';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { scrapedText } from './scraped-metrics.ts';

const registry = new Registry();

// Seconds; the boundaries that OpenTelemetry's conventions advise for calls.
const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

type Labels = Readonly<Record<string, string>>;

// A metric that throws must not fail the payment that it counts (a label that was not declared, for instance).
const harmless =
  <Args extends unknown[]>(record: (...args: Args) => void) =>
  (...args: Args): void => {
    try {
      record(...args);
    } catch {
      metricErrors.inc();
    }
  };

const metricErrors = new Counter({
  name: 'tillmesh_metric_errors_total',
  help: 'Recordings that a metric refused; a bug in the code that records.',
  registers: [registry],
});

/** A count that only grows. Names end in `_total`. */
export const counter = (name: string, help: string, labelNames: readonly string[] = []) => {
  const metric = new Counter({ name, help, labelNames: [...labelNames], registers: [registry] });
  return { add: harmless((labels?: Labels, by?: number) => metric.inc(labels ?? {}, by ?? 1)) };
};

/** A value that goes up and down. */
export const gauge = (name: string, help: string, labelNames: readonly string[] = []) => {
  const metric = new Gauge({ name, help, labelNames: [...labelNames], registers: [registry] });
  return { set: harmless((labels: Labels, value: number) => metric.set(labels, value)) };
};

/** Durations. Names end in `_seconds`. */
export const durations = (name: string, help: string, labelNames: readonly string[] = []) => {
  const metric = new Histogram({ name, help, labelNames: [...labelNames], buckets: SECONDS, registers: [registry] });
  return { record: harmless((labels: Labels, seconds: number) => metric.observe(labels, seconds)) };
};

/** Everything recorded so far, in Prometheus' text form. */
export const metricsText = async (): Promise<string> => `${await registry.metrics()}\n${scrapedText()}`;

/** Serves GET /metrics. Port 0 takes a free one; the answer is the port in use. */
export const serveMetrics = async (listen: {
  readonly host: string;
  readonly port: number;
}): Promise<{ readonly port: number; readonly close: () => Promise<void> }> => {
  if (registry.getSingleMetric('process_cpu_seconds_total') === undefined) {
    collectDefaultMetrics({ register: registry });
  }
  const server: Server = createServer((request, response) => {
    if (request.method !== 'GET' || request.url !== '/metrics') {
      response.writeHead(404).end();
      return;
    }
    metricsText().then(
      (text) => response.writeHead(200, { 'content-type': registry.contentType }).end(text),
      () => response.writeHead(500).end(),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(listen.port, listen.host, resolve);
  });
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : listen.port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
};
