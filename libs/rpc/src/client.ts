import {
  create,
  type DescMessage,
  type DescMethod,
  type DescService,
  type Message,
  type MessageInitShape,
  type MessageShape,
} from '@bufbuild/protobuf';
import { Client, type CallOptions as GrpcCallOptions, Metadata, status } from '@grpc/grpc-js';
import { type Clock, systemClock } from '@tillmesh/clock';
import { activeTraceparent, durations, type Span, SpanKind, traceparentOf, withSpan } from '@tillmesh/telemetry';
import { ToldLevel } from './admission.ts';
import { answerMarginMs, type CallContext, currentCall, METADATA, type Priority, remainingMs } from './call-context.ts';
import { assertBalancing, serviceConfig } from './endpoints/balancing.ts';
import { channelTargetOf } from './endpoints/targets.ts';
import { TARGET_OPTION } from './endpoints/watched-balancer.ts';
import { methodDefinition, qualifiedName } from './method.ts';
import { queueWaits } from './queue-waits.ts';
import { createRefusals, type Refusals } from './refusals.ts';
import { type ReasonName, RpcError, rpcErrors, TRANSPORT_REASON, toRpcError } from './rpc-error.ts';
import { channelSecurity } from './tls/channel-security.ts';
import type { MeshIdentity } from './tls/mesh-identity.ts';
import { processIdentity } from './tls/process-identity.ts';

const callSeconds = durations('rpc_client_call_duration_seconds', 'Time of calls made, waiting for a lane included.', [
  'rpc_method',
  'rpc_status_code',
]);

/** Runs a call in a bounded way to the neighbour; a Lane fits. */
export type Passage = {
  /** The lane's, for traces. */
  readonly name?: string;
  run<T>(
    work: (signal: AbortSignal) => Promise<T>,
    call: {
      readonly signal?: AbortSignal | undefined;
      readonly budgetMs?: number;
      readonly merchant?: string;
      readonly isSick?: (error: unknown) => boolean;
    },
  ): Promise<T>;
};

export type CallOptions = {
  /** The longest this call may take, ms; less where the present call has less left. */
  readonly capMs?: number;
  readonly signal?: AbortSignal;
  /** Default: that of the present call, or `payment`. */
  readonly priority?: Priority;
  readonly merchant?: string;
  /** Another way than the client's own, for methods that need their own lane. */
  readonly passage?: Passage;
};

type ClientMethod<M> = M extends {
  methodKind: 'unary';
  input: infer I extends DescMessage;
  output: infer O extends DescMessage;
}
  ? (request: MessageInitShape<I>, options?: CallOptions) => Promise<MessageShape<O>>
  : M extends {
        methodKind: 'server_streaming';
        input: infer I extends DescMessage;
        output: infer O extends DescMessage;
      }
    ? (request: MessageInitShape<I>, options?: CallOptions) => AsyncIterable<MessageShape<O>>
    : never;

/** A typed client: every method of the service, rejecting with RpcError alone (and with what its lane throws). */
export type RpcClient<Service extends DescService> = {
  readonly [Method in keyof Service['method']]: ClientMethod<Service['method'][Method]>;
} & {
  /** Ends the connection. */
  close(): void;
};

export type ClientOptions = {
  /** host:port, or one of the other forms that channelTargetOf takes. */
  readonly target: string;
  /** Who calls: the service's name. */
  readonly caller: string;
  /** The longest any call may take, ms. */
  readonly capMs: number;
  /** The lane that unary calls go through. */
  readonly passage?: Passage;
  readonly clock?: Clock;
  /** Default: the process's own. */
  readonly identity?: MeshIdentity;
  /** The name that the neighbour's certificate has to have, for targets that are addresses. Default: the target's host. */
  readonly serverName?: string;
};

assertBalancing(serviceConfig);

const channelOptions = {
  'grpc.service_config': JSON.stringify(serviceConfig),
  'grpc.service_config_disable_resolution': 1,
  // Two clients of one target would share one connection, and one's hanging calls would hold up the other's.
  'grpc.use_local_subchannel_pool': 1,
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 4_000,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1_000,
  'grpc.max_receive_message_length': 4 * 1_024 * 1_024,
};

const PASS: Passage = { run: (work, call) => work(call.signal ?? new AbortController().signal) };

// What speaks of the neighbour's health; everything else is an answer that it gave on purpose.
const SICK: ReadonlySet<status> = new Set([
  status.UNAVAILABLE,
  status.DEADLINE_EXCEEDED,
  status.INTERNAL,
  status.UNKNOWN,
  status.DATA_LOSS,
]);
// Said on purpose under one of those statuses: of a budget that the caller set too short, of one order's group, of one instance
// that drains, of one row. A breaker that counted them would close the way for everybody else.
const NOT_SICK: ReadonlySet<string> = new Set<ReasonName>([
  'DEADLINE_TOO_SHORT',
  'REPEAT_SAME_NUMBER',
  'NOT_READY',
  'ROW_TAMPERED',
]);
const isSick = (error: unknown): boolean => {
  const { code, reason } = toRpcError(error);
  return SICK.has(code) && !NOT_SICK.has(reason);
};

/** An instance that begins to drain refuses by name for a moment; then its connection is gone, and the call waits for another one. */
const DRAINING_TRIES_MAX = 20;
const DRAINING_AGAIN_MS = 50;

/**
 * Runs a call again that was refused because its instance drains: nothing was done, and the next one takes it.
 *
 * @param leftMs of the call's budget, ms.
 */
const pastDraining = async <Answer>(
  call: () => Promise<Answer>,
  { leftMs, signal, clock }: { readonly leftMs: () => number; readonly signal: AbortSignal; readonly clock: Clock },
): Promise<Answer> => {
  for (let tries = 1; ; tries += 1) {
    try {
      return await call();
    } catch (error) {
      const isDraining = error instanceof RpcError && error.reason === 'NOT_READY';
      // Never before the service wants to be asked again, as who begins to serve says it.
      const againMs = isDraining ? (error.retryAfterMs ?? DRAINING_AGAIN_MS) : 0;
      if (!isDraining || tries >= DRAINING_TRIES_MAX || leftMs() <= againMs || signal.aborted) throw error;
      await clock.sleep(againMs, signal).catch(() => undefined);
    }
  }
};

/** Creates a client over its own connection. */
export const createClient = <Service extends DescService>(
  service: Service,
  options: ClientOptions,
): RpcClient<Service> => {
  const security = channelSecurity(options.identity ?? processIdentity(), options.serverName);
  const client = new Client(channelTargetOf(options.target), security.credentials, {
    ...channelOptions,
    ...security.options,
    [TARGET_OPTION]: options.target,
  });
  const told = new ToldLevel(options.clock ?? systemClock);
  const refusals = createRefusals(`${options.target} has more to do than it can; nothing was sent`);
  const methods = service.methods.map((method) => [
    method.localName,
    method.methodKind === 'unary'
      ? unaryMethod(client, method, options, { told, refusals })
      : streamMethod(client, method, options),
  ]);
  return { ...Object.fromEntries(methods), close: () => client.close() } as RpcClient<Service>;
};

/** Clients of one service that several processes offer, such as the adapters of all channels: each with its own connection. */
export type Clients<Service extends DescService> = {
  /** Undefined where no such process is configured. */
  find(id: string): RpcClient<Service> | undefined;
  readonly ids: readonly string[];
  close(): void;
};

/** Creates a client for each target. */
export const createClients = <Service extends DescService>(
  service: Service,
  targets: readonly { readonly id: string; readonly target: string }[],
  options: Omit<ClientOptions, 'target' | 'passage'>,
): Clients<Service> => {
  const clients = new Map(targets.map(({ id, target }) => [id, createClient(service, { ...options, target })]));
  return {
    find: (id) => clients.get(id),
    ids: [...clients.keys()],
    close: () => {
      for (const client of clients.values()) client.close();
    },
  };
};

const metadataFor = (
  options: ClientOptions,
  call: CallOptions,
  parent: CallContext | undefined,
  traceparent: string,
) => {
  // A neighbour that restarts is waited for, within the budget, rather than failed at once.
  const metadata = new Metadata({ waitForReady: true });
  metadata.set(METADATA.caller, options.caller);
  metadata.set(METADATA.priority, call.priority ?? parent?.priority ?? 'payment');
  const merchant = call.merchant ?? parent?.merchant ?? '';
  if (merchant !== '') metadata.set(METADATA.merchant, merchant);
  if (traceparent !== '') metadata.set(METADATA.traceparent, traceparent);
  return metadata;
};

const budgetFor = (
  options: ClientOptions,
  call: CallOptions,
  parent: CallContext | undefined,
  clock: Clock,
): number => {
  const leftMs = remainingMs(clock, parent);
  return Math.min(call.capMs ?? options.capMs, parent === undefined ? leftMs : leftMs - answerMarginMs(leftMs));
};

/** What the neighbour has told of itself, and what calls are refused with that it would not take. */
type Shedding = { readonly told: ToldLevel; readonly refusals: Refusals };

const unaryMethod = (client: Client, method: DescMethod, options: ClientOptions, { told, refusals }: Shedding) => {
  const { clock = systemClock } = options;
  const definition = methodDefinition(method, Number.POSITIVE_INFINITY);
  const name = qualifiedName(method);
  const attributes = { 'rpc.system.name': 'grpc', 'rpc.method': name, 'server.address': options.target };

  const send = (request: Message, metadata: Metadata, deadlineMs: number, signal: AbortSignal): Promise<Message> =>
    new Promise((resolve, reject) => {
      // The event of a signal that is aborted already never comes: the call would be made for nobody.
      if (signal.aborted) {
        reject(new RpcError(status.CANCELLED, TRANSPORT_REASON, 'the caller gave up before the call was sent'));
        return;
      }
      const grpcOptions: GrpcCallOptions = { deadline: clock.nowMs() + deadlineMs };
      const onAbort = () => grpcCall.cancel();
      const grpcCall = client.makeUnaryRequest(
        definition.path,
        definition.requestSerialize,
        definition.responseDeserialize,
        request,
        metadata,
        grpcOptions,
        (error, response) => {
          signal.removeEventListener('abort', onAbort);
          if (error !== null) reject(toRpcError(error));
          else if (response === undefined) reject(rpcErrors.internal('an answer without a message'));
          else resolve(response);
        },
      );
      grpcCall.on('status', ({ metadata: trailers }) => told.heard(levelOf(trailers)));
      signal.addEventListener('abort', onAbort, { once: true });
    });

  return async (init: MessageInitShape<DescMessage>, call: CallOptions = {}): Promise<Message> => {
    const parent = currentCall();
    const priority = call.priority ?? parent?.priority ?? 'payment';
    const merchant = call.merchant ?? parent?.merchant ?? '';
    const standsFor = told.standsFor(priority, merchant);
    if (standsFor === 0) throw refusals[priority].error;
    const beganMs = clock.monotonicMs();
    let code: status = status.OK;
    try {
      return await withSpan(name, { kind: SpanKind.CLIENT, attributes }, async (span) => {
        const budgetMs = budgetFor(options, call, parent, clock);
        const signal = anySignal(call.signal, parent?.signal);
        const passage = call.passage ?? options.passage ?? PASS;
        try {
          return await passage.run(
            (laneSignal) => {
              const leftMs = () => budgetMs - (clock.monotonicMs() - beganMs);
              const waitedMs = budgetMs - leftMs();
              queueWaits.note(waitedMs);
              noteLane(span, passage, 'admitted', waitedMs);
              const request = create(method.input, init) as Message;
              return pastDraining(
                async () => {
                  if (leftMs() <= 0) {
                    throw rpcErrors.deadlineTooShort(`no time is left to call ${name}; nothing was sent`, {
                      metadata: { needed_ms: '1', remaining_ms: '0' },
                    });
                  }
                  const metadata = metadataFor(options, call, parent, traceparentOf(span) || activeTraceparent());
                  if (standsFor > 1) metadata.set(METADATA.standsFor, String(standsFor));
                  return send(request, metadata, leftMs(), laneSignal);
                },
                { leftMs, signal: laneSignal, clock },
              );
            },
            { signal, budgetMs, isSick, merchant },
          );
        } catch (error) {
          noteError(span, error);
          const refusal = refusalOf(error);
          if (refusal !== undefined) noteLane(span, passage, refusal, clock.monotonicMs() - beganMs);
          throw error;
        }
      });
    } catch (error) {
      code = toRpcError(error).code;
      throw error;
    } finally {
      const seconds = (clock.monotonicMs() - beganMs) / 1_000;
      callSeconds.record({ rpc_method: name, rpc_status_code: status[code] ?? 'UNKNOWN' }, seconds);
    }
  };
};

const levelOf = (trailers: Metadata): number | undefined => {
  const level = trailers.get(METADATA.admissionLevel)[0];
  return level === undefined ? undefined : Number(level);
};

const noteLane = (span: Span, { name }: Passage, decision: string, waitedMs: number): void => {
  if (name === undefined) return;
  span.setAttributes({
    'tillmesh.lane': name,
    'tillmesh.lane_decision': decision,
    'tillmesh.lane_wait_ms': Math.round(waitedMs),
  });
};

/** Why a lane let a call not through, such as `lane_open`; undefined for any other error. Lanes are another library's. */
const refusalOf = (error: unknown): string | undefined => {
  const reason = error instanceof Error && 'reason' in error ? error.reason : undefined;
  return typeof reason === 'string' && reason.startsWith('lane_') ? reason : undefined;
};

const noteError = (span: Span, error: unknown): void => {
  span.setAttribute('rpc.status_code', status[toRpcError(error).code] ?? 'UNKNOWN');
};

const streamMethod = (client: Client, method: DescMethod, options: ClientOptions) => {
  const { clock = systemClock } = options;
  const definition = methodDefinition(method, Number.POSITIVE_INFINITY);

  // A stream has no lane and no span of its own: it may last minutes, and its messages are what matters.
  return async function* (init: MessageInitShape<DescMessage>, call: CallOptions = {}): AsyncGenerator<Message> {
    const parent = currentCall();
    const request = create(method.input, init) as Message;
    const metadata = metadataFor(options, call, parent, activeTraceparent());
    const grpcOptions: GrpcCallOptions = call.capMs === undefined ? {} : { deadline: clock.nowMs() + call.capMs };
    const stream = client.makeServerStreamRequest(
      definition.path,
      definition.requestSerialize,
      definition.responseDeserialize,
      request,
      metadata,
      grpcOptions,
    );
    const signal = anySignal(call.signal, parent?.signal);
    const onAbort = () => stream.cancel();
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted === true) onAbort();
    try {
      for await (const message of stream) yield message as Message;
    } catch (error) {
      throw toRpcError(error) satisfies RpcError;
    } finally {
      signal?.removeEventListener('abort', onAbort);
      stream.cancel();
    }
  };
};

const anySignal = (...signals: readonly (AbortSignal | undefined)[]): AbortSignal | undefined => {
  const present = signals.filter((signal) => signal !== undefined);
  return present.length > 1 ? AbortSignal.any(present) : present[0];
};
