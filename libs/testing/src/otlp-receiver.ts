import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { create, toBinary } from '@bufbuild/protobuf';
import { systemClock } from '@tillmesh/clock';
import { ExportTraceServiceResponseSchema } from '@tillmesh/proto/opentelemetry/proto/collector/trace/v1/trace_service_pb.ts';
import { readOtlp, UnreadableOtlp } from './read-otlp.ts';
import { type ReceivedSpan, spansOf } from './received-span.ts';
import { type SpanTree, spanTreeOf } from './span-tree.ts';

export type OtlpReceiver = {
  /** What OTEL_EXPORTER_OTLP_ENDPOINT has to be. */
  readonly url: string;
  /** Every span so far, in order of arrival; one that was sent again stands once. */
  spans(): readonly ReceivedSpan[];
  /** The spans of one trace as a tree. */
  tree(traceId: string): SpanTree;
  /** What was refused, and why. A test that expects none says so. */
  refused(): readonly string[];
  /** Resolves as soon as the spans are as they should be; rejects, with every trace printed, when they never were. */
  waitFor(isReached: (spans: readonly ReceivedSpan[]) => boolean, withinMs: number): Promise<void>;
  /** Forgets every span. */
  clear(): void;
  close(): Promise<void>;
};

const MIB = 1_024 * 1_024;
// An exporter's batch of 512 spans has some 300 KB.
const BODY_BYTES_MAX = 8 * MIB;
const UNPACKED_BYTES_MAX = 64 * MIB;
// A test that makes more spans than this has lost its way.
const SPANS_MAX = 200_000;
const TRACES_PRINTED_MAX = 20;

const bodyOf = async (request: IncomingMessage): Promise<Buffer> => {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > BODY_BYTES_MAX) throw new UnreadableOtlp(413, `the body has more than ${BODY_BYTES_MAX} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts);
};

const answer = (response: ServerResponse, isJson: boolean): void => {
  if (isJson) response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  else {
    const bytes = toBinary(ExportTraceServiceResponseSchema, create(ExportTraceServiceResponseSchema));
    response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end(bytes);
  }
};

/** Starts a real OTLP/HTTP receiver of traces on a free port of 127.0.0.1: what an exporter sends is what a test reads. */
export const startOtlpReceiver = async (): Promise<OtlpReceiver> => {
  const spans = new Map<string, ReceivedSpan>();
  const refusals: string[] = [];
  const onArrival = new Set<() => void>();

  const receive = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { 'content-type': contentType = '', 'content-encoding': contentEncoding = '' } = request.headers;
    if (request.url !== '/v1/traces') throw new UnreadableOtlp(404, `${request.url} is not /v1/traces`);
    if (request.method !== 'POST') throw new UnreadableOtlp(405, `${request.method} is not POST`);
    const message = readOtlp(await bodyOf(request), { contentType, contentEncoding }, UNPACKED_BYTES_MAX);
    for (const span of spansOf(message)) {
      if (spans.size >= SPANS_MAX) throw new UnreadableOtlp(413, `more than ${SPANS_MAX} spans`);
      spans.set(`${span.traceId}/${span.spanId}`, span);
    }
    answer(response, contentType.startsWith('application/json'));
    for (const look of onArrival) look();
  };

  const server = createServer((request, response) => {
    receive(request, response).catch((error: unknown) => {
      const status = error instanceof UnreadableOtlp ? error.status : 500;
      refusals.push(`${status}: ${error instanceof Error ? error.message : String(error)}`);
      // The rest of a body that is not read would be taken for the next request.
      response.writeHead(status, { connection: 'close' }).end();
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new TypeError('the receiver has no port');

  const received = () => [...spans.values()];
  const tree = (traceId: string) => spanTreeOf(received(), traceId);
  const printAll = (): string => {
    const traceIds = [...new Set(received().map((span) => span.traceId))];
    const printed = traceIds.slice(-TRACES_PRINTED_MAX).map((traceId) => tree(traceId).print());
    return [`${spans.size} spans of ${traceIds.length} traces arrived`, ...refusals, ...printed].join('\n');
  };
  return {
    url: `http://127.0.0.1:${address.port}`,
    spans: received,
    tree,
    refused: () => [...refusals],
    waitFor: (isReached, withinMs) =>
      new Promise<void>((resolve, reject) => {
        const look = () => {
          if (!isReached(received())) return;
          leave();
          resolve();
        };
        const leave = () => {
          cancel();
          onArrival.delete(look);
        };
        const cancel = systemClock.after(withinMs, () => {
          leave();
          reject(new Error(`the spans did not come within ${withinMs} ms: ${printAll()}`));
        });
        onArrival.add(look);
        look();
      }),
    clear: () => spans.clear(),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
};
