import {
  create,
  type DescMessage,
  type DescMethod,
  type DescService,
  type Message,
  type MessageInitShape,
  type MessageShape,
} from '@bufbuild/protobuf';
import {
  type Metadata,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  type UntypedHandleCall,
} from '@grpc/grpc-js';
import { type Clock, systemClock } from '@tillmesh/clock';
import { activeTraceparent, errorTypeOf, type Log, scraped, traceIdOf } from '@tillmesh/telemetry';
import { type AdmissionRules, createAdmission } from './admission.ts';
import type { CallContext, Priority } from './call-context.ts';
import { addHealth } from './health.ts';
import { OversizedRequest, serviceDefinition, UnreadableRequest } from './method.ts';
import { addReflection } from './reflection.ts';
import { RpcError, rpcErrors, trailersOf } from './rpc-error.ts';
import { BUDGET_MS_MAX, createServerInterceptor, type ServerCall, serverCallOf } from './server-call.ts';
import type { MeshIdentity } from './tls/mesh-identity.ts';
import { processIdentity } from './tls/process-identity.ts';
import { prepareValidation, validateRequest } from './validation.ts';

/** Answers a unary call. May throw RpcError; anything else that it throws is told as INTERNAL and logged. */
export type UnaryHandler<I extends DescMessage, O extends DescMessage> = (
  request: MessageShape<I>,
  call: CallContext,
) => Promise<MessageInitShape<O>>;

/** Answers with a stream. Ends when the iterable does; `call.signal` is aborted when the caller goes away. */
export type StreamHandler<I extends DescMessage, O extends DescMessage> = (
  request: MessageShape<I>,
  call: CallContext,
) => AsyncIterable<MessageInitShape<O>>;

type Handler<M> = M extends {
  methodKind: 'unary';
  input: infer I extends DescMessage;
  output: infer O extends DescMessage;
}
  ? UnaryHandler<I, O>
  : M extends {
        methodKind: 'server_streaming';
        input: infer I extends DescMessage;
        output: infer O extends DescMessage;
      }
    ? StreamHandler<I, O>
    : never;

/** One handler for each method of the service; leaving one out does not compile. */
export type Implementation<Service extends DescService> = {
  readonly [Method in keyof Service['method']]: Handler<Service['method'][Method]>;
};

/** A service and its handlers. */
export type Binding = {
  readonly service: DescService;
  readonly handlers: Readonly<Record<string, unknown>>;
  /** By method: how important its calls are, whatever their callers say. For services that callers outside of the mesh use. */
  readonly priorities: Readonly<Record<string, Priority | undefined>>;
};

/**
 * Binds handlers to their service; the compiler checks that they fit.
 *
 * @param priorities of the methods that callers outside of the mesh use: their labels can only lower them.
 */
export const bind = <Service extends DescService>(
  service: Service,
  handlers: Implementation<Service>,
  priorities: { readonly [Method in keyof Service['method']]?: Priority } = {},
): Binding => ({ service, handlers, priorities: { ...priorities } });

/** The handler of a method that a later version answers. */
export const notYet = (what: string) => async (): Promise<never> => {
  throw rpcErrors.notYetImplemented(`${what} is not answered by this version yet`);
};

/** The handler of a streaming method that a later version answers. */
export const notYetStream = (what: string) =>
  // oxlint-disable-next-line require-yield -- It only throws.
  async function* (): AsyncGenerator<never> {
    throw rpcErrors.notYetImplemented(`${what} is not answered by this version yet`);
  };

export type ServeOptions = {
  readonly services: readonly Binding[];
  readonly host: string;
  readonly port: number;
  readonly log: Log;
  readonly clock?: Clock;
  readonly reflection?: boolean;
  /** Larger requests are refused with MESSAGE_TOO_LARGE. Default: 256 KiB. */
  readonly requestBytesMax?: number;
  /** Default: 40 s. */
  readonly unaryMsMax?: number;
  /** Default: 10 minutes. */
  readonly streamMsMax?: number;
  /** Default: 5 ms. */
  readonly budgetMsMin?: number;
  /** Calls under way at once. Default: 512. */
  readonly inFlightMax?: number;
  /** When calls are shed. Default: ADMISSION_DEFAULTS. */
  readonly admission?: AdmissionRules;
  /** Default: the process's own. With one, callers have to show a certificate. */
  readonly identity?: MeshIdentity;
};

export type RpcServer = {
  readonly port: number;
  /** Names what health checks see: SERVING only while ready. */
  setReady(ready: boolean): void;
  /** Health says NOT_SERVING, new calls are refused, those under way end; after `graceMs` they are cut. */
  drain(graceMs: number): Promise<void>;
};

const KIB = 1_024;
const STREAM_RESETS = { burst: 100_000, ratePerSecond: 10_000 };
/** Streams that a server refuses, and frames for streams that are gone, before it closes the connection: Node's own are 100 and 1,000. */
const REFUSALS_MAX = 2 ** 31 - 1;
/**
 * A client counts a stream as gone when it has cancelled it, a server when it has heard of that: one that was busy for a second
 * sees all calls of that second at once. It refuses what is too much by name, when it has read it.
 */
const STREAMS_PER_CALL = 8;

/** Of this process's servers; one goes when it has drained. */
const inFlights = new Set<{ readonly count: number; readonly max: number }>();
const sumOfInFlights = (of: 'count' | 'max'): number => [...inFlights].reduce((sum, each) => sum + each[of], 0);
scraped({
  name: 'tillmesh_rpc_in_flight',
  help: 'Calls and streams under way in this process; what autoscaling looks at.',
  type: 'gauge',
  read: () => [{ labels: {}, value: sumOfInFlights('count') }],
});
scraped({
  name: 'tillmesh_rpc_in_flight_max',
  help: 'Calls that may be under way in this process at once.',
  type: 'gauge',
  read: () => [{ labels: {}, value: sumOfInFlights('max') }],
});

/** Starts a gRPC server with health service, validation, budgets, metrics and traces. */
export const serve = async (options: ServeOptions): Promise<RpcServer> => {
  const { services, host, port, log, clock = systemClock } = options;
  const inFlightMax = options.inFlightMax ?? 512;
  const requestBytesMax = options.requestBytesMax ?? 256 * KIB;
  for (const { service } of services) for (const method of service.methods) prepareValidation(method.input);
  const methods = new Map(
    services.flatMap(({ service }) => service.methods.map((method) => [`/${service.typeName}/${method.name}`, method])),
  );
  let draining = false;
  const streams = new Set<ServerCall>();
  const inFlight = { count: 0, max: inFlightMax };
  const admission = createAdmission(clock, options.admission);
  const priorities = new Map(
    services.flatMap(({ service, priorities: own }) =>
      service.methods.flatMap((method): [string, Priority][] => {
        const priority = own[method.localName];
        return priority === undefined ? [] : [[`/${service.typeName}/${method.name}`, priority]];
      }),
    ),
  );
  const server = new Server({
    interceptors: [
      createServerInterceptor({
        methods,
        limits: {
          unaryMsMax: options.unaryMsMax ?? BUDGET_MS_MAX,
          streamMsMax: options.streamMsMax ?? 600_000,
          budgetMsMin: options.budgetMsMin ?? 5,
          inFlightMax,
        },
        clock,
        isDraining: () => draining,
        inFlight,
        priorities,
        admission,
      }),
    ],
    // Never below what our own clients may have under way on one connection.
    'grpc.max_concurrent_streams': Math.ceil(inFlightMax * STREAMS_PER_CALL),
    'grpc.max_connection_age_ms': 90_000,
    'grpc.max_connection_age_grace_ms': 45_000,
    'grpc.keepalive_time_ms': 20_000,
    'grpc.keepalive_timeout_ms': 5_000,
    // What is larger than requestBytesMax is refused by name up to here; beyond, grpc-js refuses it.
    'grpc.max_receive_message_length': 4 * KIB * KIB,
  });
  tolerateStreamResets(server);

  const health = addHealth(
    server,
    services.map(({ service }) => service.typeName),
  );
  for (const { service, handlers } of services) {
    server.addService(
      serviceDefinition(service, requestBytesMax),
      Object.fromEntries(
        service.methods.map((method) => [
          method.localName,
          handlerOf(method, handlers[method.localName], { log, requestBytesMax, streams }),
        ]),
      ),
    );
  }
  if (options.reflection === true) {
    addReflection(
      server,
      services.map(({ service }) => service),
    );
  }

  const { identity = processIdentity() } = options;
  const boundPort = await new Promise<number>((resolve, reject) =>
    server.bindAsync(
      `${host}:${port}`,
      identity?.serverCredentials ?? ServerCredentials.createInsecure(),
      (error, bound) => (error === null ? resolve(bound) : reject(error)),
    ),
  );

  inFlights.add(inFlight);
  return {
    port: boundPort,
    setReady: health.setReady,
    drain: async (graceMs) => {
      health.setReady(false);
      draining = true;
      // A stream would hold the shutdown up for as long as its caller likes; its caller opens it again elsewhere.
      for (const stream of streams) stream.abort(rpcErrors.notReady('the service is draining; open the stream again'));
      health.endWatches();
      const ended = Promise.withResolvers<void>();
      server.tryShutdown(() => ended.resolve());
      // Not a sleep: one that nobody waits for any more would keep the process for the rest of it.
      const cancel = clock.after(graceMs, ended.resolve);
      await ended.promise;
      cancel();
      server.forceShutdown();
      inFlights.delete(inFlight);
      admission.close();
    },
  };
};

/**
 * Node's http2 server allows a burst of 1,000 stream resets and then 33 a second before it closes the connection with all its
 * innocent calls; each expired or cancelled call is one reset. It closes it as well after 100 refused streams, and after 1,000
 * frames for streams that are gone, which a storm of cancelled calls makes by the second. grpc-js has no option for any of them
 * (grpc/grpc-node#2872), so its private options are set; a test notices when they move.
 */
const tolerateStreamResets = (server: Server): void => {
  const { commonServerOptions } = server as unknown as { commonServerOptions: Record<string, unknown> | undefined };
  if (commonServerOptions === undefined) return;
  commonServerOptions['streamResetBurst'] = STREAM_RESETS.burst;
  commonServerOptions['streamResetRate'] = STREAM_RESETS.ratePerSecond;
  commonServerOptions['maxSessionRejectedStreams'] = REFUSALS_MAX;
  commonServerOptions['maxSessionInvalidFrames'] = REFUSALS_MAX;
};

type HandlerTools = {
  readonly log: Log;
  readonly requestBytesMax: number;
  /** Streams that are open. */
  readonly streams: Set<ServerCall>;
};

const handlerOf = (method: DescMethod, handler: unknown, tools: HandlerTools): UntypedHandleCall => {
  if (typeof handler !== 'function') throw new TypeError(`${method.parent.typeName} has no handler for ${method.name}`);
  return method.methodKind === 'unary'
    ? unaryHandler(method, handler as UnaryHandler<DescMessage, DescMessage>, tools)
    : streamHandler(method, handler as StreamHandler<DescMessage, DescMessage>, tools);
};

const accept = (method: DescMethod, request: unknown, { requestBytesMax }: HandlerTools): Message => {
  if (request instanceof OversizedRequest) {
    throw rpcErrors.messageTooLarge(`the request has ${request.bytes} bytes; ${requestBytesMax} are allowed`, {
      metadata: { limit_bytes: String(requestBytesMax) },
    });
  }
  if (request instanceof UnreadableRequest) {
    throw rpcErrors.requestInvalid(`the request is not a ${method.input.typeName}`);
  }
  const message = request as Message;
  validateRequest(method.input, message);
  return message;
};

const asRpcError = (error: unknown, call: ServerCall, log: Log): RpcError => {
  if (error instanceof RpcError) return error.reason === 'INTERNAL' ? withTraceId(error) : error;
  if (call.context.signal.aborted && call.context.signal.reason instanceof RpcError) return call.context.signal.reason;
  log.error({ err: error, method: call.context.method }, 'a handler failed');
  return withTraceId(rpcErrors.internal(`the service failed on its own: ${errorTypeOf(error)}`, { cause: error }));
};

/** What a caller can tell us of a bug of ours, so that we find it. */
const withTraceId = ({ message, metadata, cause }: RpcError): RpcError => {
  const traceId = traceIdOf(activeTraceparent());
  return rpcErrors.internal(message, {
    cause,
    metadata: traceId === '' ? metadata : { ...metadata, trace_id: traceId },
  });
};

const contextOf = (metadata: Metadata): ServerCall => {
  const call = serverCallOf(metadata);
  if (call === undefined) throw new Error('the call did not pass the interceptor');
  return call;
};

/** Rejects with the signal's reason once it is aborted. */
const untilAborted = (signal: AbortSignal): { readonly promise: Promise<never>; readonly forget: () => void } => {
  let onAbort = () => {};
  const promise = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
  promise.catch(() => undefined);
  return { promise, forget: () => signal.removeEventListener('abort', onAbort) };
};

const unaryHandler =
  (method: DescMethod, handler: UnaryHandler<DescMessage, DescMessage>, tools: HandlerTools) =>
  (grpcCall: ServerUnaryCall<unknown, Message>, callback: sendUnaryData<Message>): void => {
    const call = contextOf(grpcCall.metadata);
    const answer = async (): Promise<void> => {
      const aborted = untilAborted(call.context.signal);
      try {
        const request = accept(method, grpcCall.request, tools);
        // The answer leaves before the caller's deadline also when the handler does not stop.
        const response = await Promise.race([handler(request, call.context), aborted.promise]);
        callback(null, create(method.output, response));
      } catch (error) {
        const failure = asRpcError(error, call, tools.log);
        call.failure = failure;
        callback({ code: failure.code, details: failure.message, metadata: trailersOf(failure) });
      } finally {
        aborted.forget();
      }
    };
    // answer() has caught everything that a handler can do; what is left is grpc-js refusing to send.
    call.run(answer).catch((error: unknown) => tools.log.error({ err: error }, 'an answer could not be sent'));
  };

const streamHandler =
  (method: DescMethod, handler: StreamHandler<DescMessage, DescMessage>, tools: HandlerTools) =>
  (stream: ServerWritableStream<unknown, Message>): void => {
    const call = contextOf(stream.metadata);
    stream.on('error', (error) => call.abort(error));
    const answer = async (): Promise<void> => {
      const aborted = untilAborted(call.context.signal);
      tools.streams.add(call);
      let iterator: AsyncIterator<unknown> | undefined;
      try {
        const request = accept(method, stream.request, tools);
        const steps = handler(request, call.context)[Symbol.asyncIterator]();
        iterator = steps;
        for (;;) {
          const step = await Promise.race([steps.next(), aborted.promise]);
          if (step.done === true) break;
          if (!stream.write(create(method.output, step.value))) {
            await Promise.race([new Promise((resolve) => stream.once('drain', resolve)), aborted.promise]);
          }
        }
        stream.end();
      } catch (error) {
        const failure = asRpcError(error, call, tools.log);
        call.failure = failure;
        stream.emit('error', { code: failure.code, details: failure.message, metadata: trailersOf(failure) });
      } finally {
        tools.streams.delete(call);
        aborted.forget();
        // A handler that rests at a yield cleans up only when it is told that nobody will ask for more.
        iterator?.return?.().catch(() => undefined);
      }
    };
    call.run(answer).catch((error: unknown) => tools.log.error({ err: error }, 'a stream could not be ended'));
  };
