import type { DescMethod } from '@bufbuild/protobuf';
import { Metadata, ServerInterceptingCall, type ServerInterceptor, status } from '@grpc/grpc-js';
import type { Clock } from '@tillmesh/clock';
import {
  contextOfTraceparent,
  counter,
  durations,
  errorTypeOf,
  runInSpan,
  type Span,
  SpanKind,
  SpanStatusCode,
  startSpan,
} from '@tillmesh/telemetry';
import { type Admission, readStandsFor } from './admission.ts';
import { LEVEL_ALL } from './admission-level.ts';
import {
  answerMarginMs,
  BUDGET_MS_MAX,
  type CallContext,
  METADATA,
  PRIORITIES,
  type Priority,
  runInCall,
} from './call-context.ts';
import { qualifiedName } from './method.ts';
import { createRefusals, type Refusal, refusalOf } from './refusals.ts';
import { type ReasonName, RpcError, rpcErrors, TRANSPORT_REASON } from './rpc-error.ts';

const callSeconds = durations('rpc_server_call_duration_seconds', 'Time from headers to status of calls served.', [
  'rpc_method',
  'rpc_status_code',
]);
const callErrors = counter('tillmesh_rpc_server_errors_total', 'Calls answered with an error, by reason.', [
  'rpc_method',
  'reason',
]);

/** What the interceptor knows of a call and the handler goes on with. */
export type ServerCall = {
  readonly context: CallContext;
  readonly abort: (reason: unknown) => void;
  /** Set by the handler before the error leaves, for metrics and the span. */
  failure: RpcError | undefined;
  /** Runs the handler with the call and its span active. */
  readonly run: <T>(work: () => T) => T;
};

const calls = new WeakMap<Metadata, ServerCall>();

/** The call that arrived with these headers. */
export const serverCallOf = (metadata: Metadata): ServerCall | undefined => calls.get(metadata);

const textOf = (metadata: Metadata, key: string): string => {
  const value = metadata.get(key)[0];
  return typeof value === 'string' ? value.slice(0, 128) : '';
};

const priorityOf = (text: string): Priority => PRIORITIES.find((priority) => priority === text) ?? 'list';

/**
 * At the edge the method says how important a call is: a caller's label can only make it less so. Inside the mesh the label is
 * believed; a missing or unknown one is the last.
 */
const priorityFor = (text: string, ofMethod: Priority | undefined): Priority => {
  if (ofMethod === undefined) return priorityOf(text);
  if (text === '') return ofMethod;
  const claimed = priorityOf(text);
  return PRIORITIES.indexOf(claimed) > PRIORITIES.indexOf(ofMethod) ? claimed : ofMethod;
};

const MERCHANT = /^[0-9A-Za-z_-]{1,32}$/;

/** A label that is no merchant's id is none. */
const merchantOf = (text: string): string => (MERCHANT.test(text) ? text : '');

/** What a call ends with where there was no room for it, here or at a neighbour. */
const NO_ROOM: ReadonlySet<string> = new Set<ReasonName>(['LANE_FULL', 'OVERLOADED']);

export type AdmissionLimits = {
  /** The longest a call of this service may take, ms. Streams have a longer one than unary calls. */
  readonly unaryMsMax: number;
  readonly streamMsMax: number;
  /** A call that has less than this left when it arrives is refused, ms. */
  readonly budgetMsMin: number;
  readonly inFlightMax: number;
};

/**
 * The one interceptor of the server side: budget, priority, caller, trace and metrics of every call, and the refusals that
 * need no look at the message.
 */
export const createServerInterceptor = (options: {
  readonly methods: ReadonlyMap<string, DescMethod>;
  readonly limits: AdmissionLimits;
  readonly clock: Clock;
  readonly isDraining: () => boolean;
  readonly inFlight: { count: number };
  /** By path: how important calls of the methods are that callers outside of the mesh use. */
  readonly priorities: ReadonlyMap<string, Priority>;
  readonly admission: Admission;
}): ServerInterceptor => {
  const { methods, limits, clock, isDraining, inFlight, priorities, admission } = options;
  const refusals = createRefusals('there is more to do than can be done; calls of higher priority go first');

  return (definition, nextCall) => {
    const method = methods.get(definition.path);
    // Health and reflection are not ours to measure or to refuse.
    if (method === undefined) return nextCall as ServerInterceptingCall;
    const name = qualifiedName(method);
    const streaming = method.methodKind !== 'unary';
    const beganMs = clock.monotonicMs();
    const abort = new AbortController();
    let serverCall: ServerCall | undefined;
    let span: Span | undefined;
    let ended = false;
    let isAdmitted = false;

    const end = (code: status) => {
      if (ended) return;
      ended = true;
      inFlight.count -= 1;
      cancelTimer();
      const failure = serverCall?.failure;
      if (isAdmitted) {
        admission.finish();
        if (failure !== undefined && NO_ROOM.has(failure.reason)) admission.press();
      }
      const codeName = status[code] ?? String(code);
      callSeconds.record({ rpc_method: name, rpc_status_code: codeName }, (clock.monotonicMs() - beganMs) / 1_000);
      if (failure !== undefined) callErrors.add({ rpc_method: name, reason: failure.reason });
      if (span === undefined) return;
      span.setAttribute('rpc.status_code', codeName);
      if (isServerFault(code)) {
        const errorType = failure === undefined ? codeName : errorTypeOf(failure);
        span.setAttribute('error.type', errorType);
        span.setStatus({ code: SpanStatusCode.ERROR, message: errorType });
      } else if (failure !== undefined) span.setAttribute('tillmesh.reason', failure.reason);
      span.end();
    };
    let cancelTimer = () => {};

    const call = new ServerInterceptingCall(nextCall, {
      start: (next) =>
        next({
          onReceiveMetadata: (metadata, nextMetadata) => {
            inFlight.count += 1;
            const budgetMs = budgetOf(call.getDeadline(), streaming ? limits.streamMsMax : limits.unaryMsMax, clock);
            const workMs = budgetMs - answerMarginMs(budgetMs);
            const parent = contextOfTraceparent(textOf(metadata, METADATA.traceparent));
            const caller = textOf(metadata, METADATA.caller);
            const context: CallContext = {
              method: name,
              caller,
              priority: priorityFor(textOf(metadata, METADATA.priority), priorities.get(definition.path)),
              merchant: merchantOf(textOf(metadata, METADATA.merchant)),
              answerByMs: beganMs + workMs,
              signal: abort.signal,
            };
            const own: ServerCall = {
              context,
              abort: (reason) => abort.abort(reason),
              failure: undefined,
              run: (work) => {
                const inCall = () => runInCall(context, work);
                return span === undefined ? inCall() : runInSpan(span, parent, inCall);
              },
            };
            serverCall = own;
            const decide = () => {
              if (ended) return;
              const refusal = refuse(budgetMs, context, textOf(metadata, METADATA.standsFor));
              // A call that is shed has no span of ours: it would cost more than the refusal, and the caller's tells of it.
              if (refusal !== refusals[context.priority]) {
                span = startSpan(name, {
                  kind: SpanKind.SERVER,
                  parent,
                  attributes: { 'rpc.system.name': 'grpc', 'rpc.method': name, 'tillmesh.caller': caller },
                });
              }
              if (refusal !== undefined) {
                const { error, trailers } = refusal;
                own.failure = error;
                call.sendStatus({ code: error.code, details: error.message, metadata: trailers() });
                return;
              }
              cancelTimer = clock.after(workMs, () =>
                abort.abort(rpcErrors.deadlineReached(`${name} did not finish within its ${Math.round(workMs)} ms`)),
              );
              calls.set(metadata, own);
              nextMetadata(metadata);
            };
            // A process that stood still finds calls in a heap, and behind them that the callers of many have gone: those are
            // not to cost a place that an innocent call could have.
            if (admission.hasRoom(context.priority, inFlight.count, limits.inFlightMax)) decide();
            else setImmediate(decide);
          },
          onCancel: () => {
            abort.abort(new RpcError(status.CANCELLED, TRANSPORT_REASON, 'the caller went away'));
            end(status.CANCELLED);
          },
        }),
      sendStatus: (sent, next) => {
        end(sent.code ?? status.UNKNOWN);
        if (admission.level >= LEVEL_ALL) next(sent);
        else {
          const metadata = sent.metadata ?? new Metadata();
          metadata.set(METADATA.admissionLevel, admission.level.toFixed(2));
          next({ ...sent, metadata });
        }
      },
    });

    const refuse = (budgetMs: number, { priority, merchant }: CallContext, standsFor: string): Refusal | undefined => {
      if (isDraining()) {
        return refusalOf(rpcErrors.notReady('the service is draining; another instance answers', { retryAfterMs: 50 }));
      }
      if (budgetMs < limits.budgetMsMin) {
        return refusalOf(
          rpcErrors.deadlineTooShort(
            `${Math.max(0, Math.floor(budgetMs))} ms are left and ${limits.budgetMsMin} ms are needed; nothing was done. Call with a longer deadline`,
            {
              metadata: {
                needed_ms: String(limits.budgetMsMin),
                remaining_ms: String(Math.max(0, Math.floor(budgetMs))),
              },
            },
          ),
        );
      }
      if (!admission.admits(priority, merchant, readStandsFor(standsFor))) return refusals[priority];
      isAdmitted = true;
      if (!admission.hasRoom(priority, inFlight.count, limits.inFlightMax)) {
        return refusalOf(
          rpcErrors.laneFull(`${inFlight.count - 1} calls are under way already; nothing was done`, {
            retryAfterMs: 200,
            metadata: { lane: 'server' },
          }),
        );
      }
      return undefined;
    };
    return call;
  };
};

// OpenTelemetry's rule for servers: these say that we failed, the others that the caller did.
const SERVER_FAULTS: ReadonlySet<status> = new Set([
  status.UNKNOWN,
  status.DEADLINE_EXCEEDED,
  status.UNIMPLEMENTED,
  status.INTERNAL,
  status.UNAVAILABLE,
  status.DATA_LOSS,
]);
const isServerFault = (code: status): boolean => SERVER_FAULTS.has(code);

const budgetOf = (deadline: Date | number, maxMs: number, clock: Clock): number => {
  const deadlineMs = deadline instanceof Date ? deadline.getTime() : deadline;
  return Number.isFinite(deadlineMs) ? Math.min(deadlineMs - clock.nowMs(), maxMs) : maxMs;
};

export { BUDGET_MS_MAX };
