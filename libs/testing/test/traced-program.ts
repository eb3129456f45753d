// A process that traces as services do; exporter.test.ts starts it. Its words are its argument, as JSON; it prints its
// traceparent.
import { contextOfTraceparent, createLog, startTelemetry, traceparentOf, withSpan } from '@tillmesh/telemetry';

const { service, traceparent, secret } = JSON.parse(process.argv[2] ?? '{}') as {
  readonly service: string;
  readonly traceparent: string;
  readonly secret: string;
};

const stop = await startTelemetry({ service, version: '1.2.3', env: process.env, log: createLog(service, 'silent') });
const parent = traceparent === '' ? {} : { parent: contextOfTraceparent(traceparent) };
await withSpan(`${service} works`, { ...parent, attributes: { 'tillmesh.number': 7 } }, async () => {
  await withSpan('a step that succeeds', {}, async (span) => {
    process.stdout.write(`${JSON.stringify({ traceparent: traceparentOf(span) })}\n`);
  });
  await withSpan('a step that fails', {}, () => Promise.reject(new RangeError(`not ${secret}`))).catch(() => undefined);
});
await stop();
