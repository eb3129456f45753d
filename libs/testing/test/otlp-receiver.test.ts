import { gzipSync } from 'node:zlib';
import { create, toBinary } from '@bufbuild/protobuf';
import {
  type ExportTraceServiceRequest,
  ExportTraceServiceRequestSchema,
} from '@tillmesh/proto/opentelemetry/proto/collector/trace/v1/trace_service_pb.ts';
import { afterEach, describe, expect, test } from 'vitest';
import { type OtlpReceiver, startOtlpReceiver } from '../src/index.ts';

const toClose: OtlpReceiver[] = [];
afterEach(async () => {
  for (const receiver of toClose.splice(0)) await receiver.close();
});

const PROTOBUF = { 'content-type': 'application/x-protobuf' };
const JSON_TYPE = { 'content-type': 'application/json' };

/** A receiver, and how to send it something. */
const start = async () => {
  const receiver = await startOtlpReceiver();
  toClose.push(receiver);
  const post = (
    body: Uint8Array<ArrayBuffer> | string,
    headers: Record<string, string>,
    path = '/v1/traces',
    method = 'POST',
  ) => fetch(`${receiver.url}${path}`, { method, headers, ...(method === 'GET' ? {} : { body }) });
  return { receiver, post };
};

const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'));
const text = (key: string, value: string) => ({ key, value: { value: { case: 'stringValue' as const, value } } });

/** A request with one span that has everything a span can have. */
const aRequest = (spanId = '00000000000000b2'): ExportTraceServiceRequest =>
  create(ExportTraceServiceRequestSchema, {
    resourceSpans: [
      {
        resource: { attributes: [text('service.name', 'cashier')] },
        scopeSpans: [
          {
            scope: { name: 'tillmesh' },
            spans: [
              {
                traceId: bytesOf('a'.repeat(32)),
                spanId: bytesOf(spanId),
                parentSpanId: bytesOf('00000000000000a1'),
                name: 'create payment',
                kind: 2,
                startTimeUnixNano: 1_700_000_000_000_000_001n,
                endTimeUnixNano: 1_700_000_000_000_000_002n,
                attributes: [
                  text('text', 'x'),
                  { key: 'flag', value: { value: { case: 'boolValue', value: true } } },
                  { key: 'whole', value: { value: { case: 'intValue', value: 7n } } },
                  { key: 'huge', value: { value: { case: 'intValue', value: 2n ** 60n } } },
                  { key: 'fraction', value: { value: { case: 'doubleValue', value: 0.5 } } },
                  { key: 'list', value: { value: { case: 'arrayValue', value: { values: [text('', 'a').value] } } } },
                  { key: 'map', value: { value: { case: 'kvlistValue', value: { values: [text('in', 'y')] } } } },
                  { key: 'empty', value: {} },
                ],
                status: { code: 2, message: 'LANE_FULL' },
                events: [{ name: 'retried', timeUnixNano: 5n, attributes: [text('why', 'z')] }],
                links: [{ traceId: bytesOf('b'.repeat(32)), spanId: bytesOf('00000000000000c3'), attributes: [] }],
              },
            ],
          },
        ],
      },
    ],
  });
const packed = (request = aRequest()): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(toBinary(ExportTraceServiceRequestSchema, request));

/** A good message, in few bytes of gzip, with a field of 65 MiB that the reader does not know. */
const bomb = (): Uint8Array<ArrayBuffer> => {
  const bytes = 65 * 1_024 * 1_024;
  const lengthOf = [0, 7, 14, 21].map((shift) => ((bytes >> shift) & 0x7f) | (shift === 21 ? 0 : 0x80));
  return Uint8Array.from(
    gzipSync(Buffer.concat([packed(), Buffer.from([(15 << 3) | 2, ...lengthOf]), Buffer.alloc(bytes)])),
  );
};

const EXPECTED = {
  traceId: 'a'.repeat(32),
  spanId: '00000000000000b2',
  parentSpanId: '00000000000000a1',
  name: 'create payment',
  kind: 'server',
  service: 'cashier',
  startUnixNano: 1_700_000_000_000_000_001n,
  endUnixNano: 1_700_000_000_000_000_002n,
  attributes: {
    text: 'x',
    flag: true,
    whole: 7,
    huge: 2n ** 60n,
    fraction: 0.5,
    list: ['a'],
    map: { in: 'y' },
    empty: undefined,
  },
  status: { code: 'error', message: 'LANE_FULL' },
  events: [{ name: 'retried', timeUnixNano: 5n, attributes: { why: 'z' } }],
  links: [{ traceId: 'b'.repeat(32), spanId: '00000000000000c3', attributes: {} }],
};

// As an exporter of JSON writes it: hex ids, numbers of kinds, whole numbers as text, and a field that we do not know.
const AS_JSON = JSON.stringify({
  resourceSpans: [
    {
      resource: { attributes: [{ key: 'service.name', value: { stringValue: 'cashier' } }], entityRefs: [] },
      scopeSpans: [
        {
          scope: { name: 'tillmesh', version: '' },
          spans: [
            {
              traceId: 'A'.repeat(32),
              spanId: '00000000000000b2',
              parentSpanId: '00000000000000a1',
              name: 'create payment',
              kind: 2,
              startTimeUnixNano: '1700000000000000001',
              endTimeUnixNano: '1700000000000000002',
              attributes: [
                { key: 'text', value: { stringValue: 'x' } },
                { key: 'flag', value: { boolValue: true } },
                { key: 'whole', value: { intValue: '7' } },
                { key: 'huge', value: { intValue: String(2n ** 60n) } },
                { key: 'fraction', value: { doubleValue: 0.5 } },
                { key: 'list', value: { arrayValue: { values: [{ stringValue: 'a' }] } } },
                { key: 'map', value: { kvlistValue: { values: [{ key: 'in', value: { stringValue: 'y' } }] } } },
                { key: 'empty', value: {} },
              ],
              status: { code: 2, message: 'LANE_FULL' },
              events: [
                { name: 'retried', timeUnixNano: '5', attributes: [{ key: 'why', value: { stringValue: 'z' } }] },
              ],
              links: [{ traceId: 'b'.repeat(32), spanId: '00000000000000c3', attributes: [] }],
              flags: 257,
            },
          ],
        },
      ],
    },
  ],
});

describe('the receiver', () => {
  for (const [what, body, headers] of [
    ['protobuf', packed, PROTOBUF],
    ['protobuf in gzip', () => Uint8Array.from(gzipSync(packed())), { ...PROTOBUF, 'content-encoding': 'gzip' }],
    ['JSON', () => AS_JSON, JSON_TYPE],
    ['JSON with a charset', () => AS_JSON, { 'content-type': 'application/json; charset=utf-8' }],
    ['JSON in gzip', () => Uint8Array.from(gzipSync(AS_JSON)), { ...JSON_TYPE, 'content-encoding': 'gzip' }],
  ] as const) {
    test(`reads everything of a span from ${what}`, async () => {
      const { receiver, post } = await start();
      const response = await post(body(), headers);
      expect([response.status, response.headers.get('content-type')]).toEqual([
        200,
        headers['content-type'].split(';')[0],
      ]);
      expect(receiver.spans()).toEqual([EXPECTED]);
      expect(receiver.refused()).toEqual([]);
    });
  }

  for (const [why, status, body, headers, path, method] of [
    ['bytes that are no message', 400, Uint8Array.of(0xff, 0xff, 0xff), PROTOBUF],
    ['JSON that is none', 400, '{', JSON_TYPE],
    ['JSON of another shape', 400, '{"resourceSpans": 7}', JSON_TYPE],
    ['ids that are not hex', 400, '{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"zz"}]}]}]}', JSON_TYPE],
    ['gzip that is none', 400, packed(), { ...PROTOBUF, 'content-encoding': 'gzip' }],
    ['an unknown encoding', 415, packed(), { ...PROTOBUF, 'content-encoding': 'br' }],
    ['an unknown type', 415, packed(), { 'content-type': 'text/plain' }],
    ['another path', 404, packed(), PROTOBUF, '/v1/metrics'],
    ['another method', 405, '', PROTOBUF, '/v1/traces', 'GET'],
    ['a body over the limit', 413, new Uint8Array(9 * 1_024 * 1_024), PROTOBUF],
    ['gzip that unpacks to more than the limit', 400, bomb(), { ...PROTOBUF, 'content-encoding': 'gzip' }],
  ] as const) {
    test(`refuses ${why} with ${status}, remembers it, and reads the next`, async () => {
      const { receiver, post } = await start();
      // A refusal may come before the whole body was sent.
      const answered = await post(body, headers, path, method).then(
        (response) => response.status,
        () => 'connection closed',
      );
      expect([status, 'connection closed']).toContain(answered);
      expect(receiver.refused()).toEqual([expect.stringMatching(`^${status}: `)]);
      expect(receiver.spans()).toEqual([]);
      expect((await post(packed(), PROTOBUF)).status).toBe(200);
      expect(receiver.spans()).toHaveLength(1);
    });
  }

  test('has a span once, however often an exporter repeats it', async () => {
    const { receiver, post } = await start();
    await post(packed(), PROTOBUF);
    await post(packed(), PROTOBUF);
    expect(receiver.spans()).toHaveLength(1);
  });

  test('has no spans after it was cleared', async () => {
    const { receiver, post } = await start();
    await post(packed(), PROTOBUF);
    receiver.clear();
    expect(receiver.spans()).toEqual([]);
  });

  test('gives one trace as a tree', async () => {
    const { receiver, post } = await start();
    await post(packed(), PROTOBUF);
    expect(receiver.tree('a'.repeat(32)).orphans).toHaveLength(1);
    expect(receiver.tree('b'.repeat(32))).toMatchObject({ roots: [], orphans: [] });
  });

  test('waits for spans that come, and says what came when they do not', async () => {
    const { receiver, post } = await start();
    const two = receiver.waitFor((spans) => spans.length === 2, 5_000);
    await post(packed(), PROTOBUF);
    await post(packed(aRequest('00000000000000b3')), PROTOBUF);
    await two;
    await receiver.waitFor((spans) => spans.length === 2, 0);
    await expect(receiver.waitFor((spans) => spans.length === 3, 20)).rejects.toThrow(
      /did not come within 20 ms: 2 spans of 1 traces arrived[^]*cashier server create payment/,
    );
  });
});
