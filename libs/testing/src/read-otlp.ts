import { gunzipSync } from 'node:zlib';
import { fromBinary, fromJson, type JsonValue } from '@bufbuild/protobuf';
import {
  type ExportTraceServiceRequest,
  ExportTraceServiceRequestSchema,
} from '@tillmesh/proto/opentelemetry/proto/collector/trace/v1/trace_service_pb.ts';

const ID_FIELDS: ReadonlySet<string> = new Set(['traceId', 'spanId', 'parentSpanId']);

const base64OfHex = (text: string): string => {
  if (!/^(?:[0-9a-fA-F]{2})*$/.test(text)) throw new TypeError(`an id is not hex: ${text.slice(0, 64)}`);
  return Buffer.from(text, 'hex').toString('base64');
};

// OTLP's JSON is protobuf's JSON but for one thing: ids are hex, not base64 (OTLP specification, "JSON Protobuf Encoding").
const withIdsOfProtobuf = (value: JsonValue): JsonValue => {
  if (Array.isArray(value)) return value.map(withIdsOfProtobuf);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, field]) => [
      name,
      ID_FIELDS.has(name) && typeof field === 'string' ? base64OfHex(field) : withIdsOfProtobuf(field),
    ]),
  );
};

/** A body that is no ExportTraceServiceRequest. `status` is the HTTP status that says so. */
export class UnreadableOtlp extends Error {
  override readonly name = 'UnreadableOtlp';
  readonly status: number;

  constructor(status: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.status = status;
  }
}

const unpacked = (body: Buffer, encoding: string, bytesMax: number): Buffer => {
  switch (encoding) {
    case '':
    case 'identity':
      return body;
    case 'gzip':
      return gunzipSync(body, { maxOutputLength: bytesMax });
    default:
      throw new UnreadableOtlp(415, `content-encoding ${encoding} is not known`);
  }
};

/**
 * Reads the body of POST /v1/traces: protobuf or JSON, plain or gzip.
 *
 * @param bytesMax the most that a body may unpack to.
 * @throws {UnreadableOtlp}
 */
export const readOtlp = (
  body: Buffer,
  headers: { readonly contentType: string; readonly contentEncoding: string },
  bytesMax: number,
): ExportTraceServiceRequest => {
  const type = (headers.contentType.split(';')[0] ?? '').trim().toLowerCase();
  if (type !== 'application/x-protobuf' && type !== 'application/json') {
    throw new UnreadableOtlp(415, `content-type ${type} is not known`);
  }
  try {
    const bytes = unpacked(body, headers.contentEncoding.trim().toLowerCase(), bytesMax);
    if (type === 'application/x-protobuf') return fromBinary(ExportTraceServiceRequestSchema, bytes);
    const value = withIdsOfProtobuf(JSON.parse(bytes.toString('utf8')) as JsonValue);
    return fromJson(ExportTraceServiceRequestSchema, value, { ignoreUnknownFields: true });
  } catch (error) {
    if (error instanceof UnreadableOtlp) throw error;
    throw new UnreadableOtlp(400, 'the body is no ExportTraceServiceRequest', { cause: error });
  }
};
