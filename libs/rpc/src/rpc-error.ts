import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { anyPack, anyUnpack, durationFromMs, durationMs } from '@bufbuild/protobuf/wkt';
import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import {
  type BadRequest_FieldViolation,
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
} from '@tillmesh/proto/google/rpc/error_details_pb.ts';
import { StatusSchema } from '@tillmesh/proto/google/rpc/status_pb.ts';
import type { ErrorReason } from '@tillmesh/proto/tillmesh/error/v1/reason_pb.ts';

const DOMAIN = 'tillmesh';
const DETAILS_KEY = 'grpc-status-details-bin';

export type FieldViolation = Pick<BadRequest_FieldViolation, 'field' | 'description' | 'reason'>;

/** A name of tillmesh.error.v1.ErrorReason without its prefix; the number is only how TypeScript spells it. */
export type ReasonName = keyof typeof ErrorReason;

export type RpcErrorDetails = {
  readonly metadata?: Readonly<Record<string, string>>;
  readonly violations?: readonly FieldViolation[];
  /** When a repeat of the same call is worth while, ms from now. */
  readonly retryAfterMs?: number;
  readonly cause?: unknown;
};

// An error travels in trailers. More than some 150 KB of them and Node's HTTP/2 client ends the connection with every innocent
// call on it; gRPC for Java takes 8 KB by default. Text counts up to 4 times: percent-encoded, and in base64 among the details.
const MESSAGE_BYTES_MAX = 600;
const VALUE_BYTES_MAX = 200;
const NAME_BYTES_MAX = 60;
const PAIRS_MAX = 8;
const VIOLATIONS_MAX = 20;
const VIOLATIONS_BYTES_MAX = 1_500;

const cut = (text: string, bytesMax: number): string => {
  // No character has less than a byte, so only the beginning of a long text is looked at.
  if (text.length <= bytesMax && Buffer.byteLength(text) <= bytesMax) return text;
  const kept = Buffer.from(text.slice(0, bytesMax))
    .subarray(0, bytesMax - 3)
    .toString();
  // The cut may have gone through a character.
  return `${kept.replace(/\uFFFD+$/, '')}…`;
};

const cutPairs = (metadata: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(metadata)
      .slice(0, PAIRS_MAX)
      .map(([name, value]) => [cut(name, NAME_BYTES_MAX), cut(value, VALUE_BYTES_MAX)]),
  );

/** As many as fit, the first at least. */
const cutViolations = (violations: readonly FieldViolation[]): readonly FieldViolation[] => {
  let bytes = 0;
  return violations
    .slice(0, VIOLATIONS_MAX)
    .map(({ field, description, reason }) => ({
      field: cut(field, VALUE_BYTES_MAX),
      description: cut(description, VALUE_BYTES_MAX),
      reason: cut(reason, VALUE_BYTES_MAX),
    }))
    .filter(({ field, description, reason }) => {
      bytes += Buffer.byteLength(field + description + reason);
      return bytes <= VIOLATIONS_BYTES_MAX;
    });
};

/**
 * The one error that crosses the wire, on both sides. `code` is a gRPC status, `reason` the stable name that programs act
 * on; the message is for developers and says what to do next. Texts are cut to 600 bytes, details to some 3 KB.
 */
export class RpcError extends Error {
  override readonly name = 'RpcError';
  readonly code: status;
  readonly reason: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly violations: readonly FieldViolation[];
  readonly retryAfterMs: number | undefined;

  constructor(code: status, reason: string, message: string, details: RpcErrorDetails = {}) {
    super(cut(message, MESSAGE_BYTES_MAX), details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.reason = reason;
    this.metadata = cutPairs(details.metadata ?? {});
    this.violations = cutViolations(details.violations ?? []);
    this.retryAfterMs = details.retryAfterMs;
  }

  /** True where the call may not have been carried out although nothing refused it: the neighbour went away. */
  get isTransport(): boolean {
    return this.reason === TRANSPORT_REASON;
  }
}

/** The reason of errors that the transport made, not a service: nobody answered. */
export const TRANSPORT_REASON = 'TRANSPORT';

type Maker = (message: string, details?: RpcErrorDetails) => RpcError;

const maker =
  (code: status, reason: Exclude<ReasonName, 'UNSPECIFIED'>): Maker =>
  (message, details) =>
    new RpcError(code, reason, message, details);

/** Every error that Tillmesh's services answer with, by reason; what each means stands in reason.proto. */
export const rpcErrors = {
  requestInvalid: maker(status.INVALID_ARGUMENT, 'REQUEST_INVALID'),
  merchantUnknown: maker(status.NOT_FOUND, 'MERCHANT_UNKNOWN'),
  amountZero: maker(status.INVALID_ARGUMENT, 'AMOUNT_ZERO'),
  amountAboveLimit: maker(status.INVALID_ARGUMENT, 'AMOUNT_ABOVE_LIMIT'),
  currencyNotSupported: maker(status.INVALID_ARGUMENT, 'CURRENCY_NOT_SUPPORTED'),
  paymentCodeUnknown: maker(status.INVALID_ARGUMENT, 'PAYMENT_CODE_UNKNOWN'),
  orderNoMalformed: maker(status.INVALID_ARGUMENT, 'ORDER_NO_MALFORMED'),
  merchantOrderNoReused: maker(status.ALREADY_EXISTS, 'MERCHANT_ORDER_NO_REUSED'),
  messageTooLarge: maker(status.RESOURCE_EXHAUSTED, 'MESSAGE_TOO_LARGE'),
  deadlineTooShort: maker(status.DEADLINE_EXCEEDED, 'DEADLINE_TOO_SHORT'),
  paymentUnknown: maker(status.NOT_FOUND, 'PAYMENT_UNKNOWN'),
  refundUnknown: maker(status.NOT_FOUND, 'REFUND_UNKNOWN'),
  noRoute: maker(status.FAILED_PRECONDITION, 'NO_ROUTE'),
  paymentState: maker(status.FAILED_PRECONDITION, 'PAYMENT_STATE'),
  refundExceedsPaid: maker(status.FAILED_PRECONDITION, 'REFUND_EXCEEDS_PAID'),
  merchantRefundNoReused: maker(status.ALREADY_EXISTS, 'MERCHANT_REFUND_NO_REUSED'),
  repeatSameNumber: maker(status.UNAVAILABLE, 'REPEAT_SAME_NUMBER'),
  dependencyUnavailable: maker(status.UNAVAILABLE, 'DEPENDENCY_UNAVAILABLE'),
  laneFull: maker(status.RESOURCE_EXHAUSTED, 'LANE_FULL'),
  notYetImplemented: maker(status.UNIMPLEMENTED, 'NOT_YET_IMPLEMENTED'),
  internal: maker(status.INTERNAL, 'INTERNAL'),
  operationNotSupported: maker(status.FAILED_PRECONDITION, 'OPERATION_NOT_SUPPORTED'),
  accountUnknown: maker(status.NOT_FOUND, 'ACCOUNT_UNKNOWN'),
  versionConflict: maker(status.ABORTED, 'VERSION_CONFLICT'),
  notReady: maker(status.UNAVAILABLE, 'NOT_READY'),
  refundCurrency: maker(status.INVALID_ARGUMENT, 'REFUND_CURRENCY'),
  deadlineReached: maker(status.DEADLINE_EXCEEDED, 'DEADLINE_REACHED'),
  mapChangeRefused: maker(status.FAILED_PRECONDITION, 'MAP_CHANGE_REFUSED'),
  rowTampered: maker(status.DATA_LOSS, 'ROW_TAMPERED'),
  laneUnknown: maker(status.NOT_FOUND, 'LANE_UNKNOWN'),
  overloaded: maker(status.RESOURCE_EXHAUSTED, 'OVERLOADED'),
  rateLimited: maker(status.RESOURCE_EXHAUSTED, 'RATE_LIMITED'),
  refundNotAllowed: maker(status.PERMISSION_DENIED, 'REFUND_NOT_ALLOWED'),
  oneCodeUnknown: maker(status.NOT_FOUND, 'ONE_CODE_UNKNOWN'),
  oneCodeStateUsed: maker(status.FAILED_PRECONDITION, 'ONE_CODE_STATE_USED'),
  payerUnknown: maker(status.FAILED_PRECONDITION, 'PAYER_UNKNOWN'),
  billNotReady: maker(status.UNAVAILABLE, 'BILL_NOT_READY'),
  billAbsent: maker(status.NOT_FOUND, 'BILL_ABSENT'),
  billBroken: maker(status.DATA_LOSS, 'BILL_BROKEN'),
  billRefused: maker(status.FAILED_PRECONDITION, 'BILL_REFUSED'),
  reportUnknown: maker(status.NOT_FOUND, 'REPORT_UNKNOWN'),
} as const;

/** The error's trailers: google.rpc.Status with ErrorInfo, and BadRequest and RetryInfo where there are some. */
export const trailersOf = (error: RpcError): Metadata => {
  const details = [
    anyPack(
      ErrorInfoSchema,
      create(ErrorInfoSchema, { reason: error.reason, domain: DOMAIN, metadata: { ...error.metadata } }),
    ),
  ];
  if (error.violations.length > 0) {
    const fieldViolations = error.violations.map(({ field, description, reason }) => ({ field, description, reason }));
    details.push(anyPack(BadRequestSchema, create(BadRequestSchema, { fieldViolations })));
  }
  if (error.retryAfterMs !== undefined) {
    const retryDelay = durationFromMs(Math.round(error.retryAfterMs));
    details.push(anyPack(RetryInfoSchema, create(RetryInfoSchema, { retryDelay })));
  }
  const trailers = new Metadata();
  const bytes = toBinary(StatusSchema, create(StatusSchema, { code: error.code, message: error.message, details }));
  trailers.set(DETAILS_KEY, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  return trailers;
};

const isServiceError = (error: unknown): error is ServiceError =>
  error instanceof Error && 'code' in error && 'details' in error && 'metadata' in error;

/** Anything that a call was rejected with, as an RpcError. Errors without ErrorInfo come from the transport. */
export const toRpcError = (error: unknown): RpcError => {
  if (error instanceof RpcError) return error;
  if (!isServiceError(error)) {
    return new RpcError(status.UNKNOWN, TRANSPORT_REASON, 'the call failed in the client', { cause: error });
  }
  const bytes = error.metadata.get(DETAILS_KEY)[0];
  if (!Buffer.isBuffer(bytes)) {
    return new RpcError(error.code, TRANSPORT_REASON, error.details, { cause: error });
  }
  const { message, details } = fromBinary(StatusSchema, bytes);
  const info = details.map((any) => anyUnpack(any, ErrorInfoSchema)).find((found) => found !== undefined);
  const badRequest = details.map((any) => anyUnpack(any, BadRequestSchema)).find((found) => found !== undefined);
  const retryDelay = details
    .map((any) => anyUnpack(any, RetryInfoSchema))
    .find((found) => found !== undefined)?.retryDelay;
  return new RpcError(error.code, info?.reason ?? TRANSPORT_REASON, message || error.details, {
    metadata: info?.metadata ?? {},
    violations: badRequest?.fieldViolations ?? [],
    ...(retryDelay === undefined ? {} : { retryAfterMs: durationMs(retryDelay) }),
    cause: error,
  });
};

// What a callee answers before it does anything; a lane's own rejection counts as well.
const NOTHING_DONE: ReadonlySet<string> = new Set<ReasonName>([
  'REQUEST_INVALID',
  'MESSAGE_TOO_LARGE',
  'DEADLINE_TOO_SHORT',
  'LANE_FULL',
  'OVERLOADED',
  'NOT_READY',
  'NOT_YET_IMPLEMENTED',
  'OPERATION_NOT_SUPPORTED',
  'ACCOUNT_UNKNOWN',
]);

/** True where a failed call certainly had no effect: the callee, or the lane to it, refused before anything was done. */
export const certainlyNotDone = (error: unknown): boolean =>
  (error instanceof RpcError && NOTHING_DONE.has(error.reason)) ||
  (error instanceof Error && error.name === 'LaneRejected');
