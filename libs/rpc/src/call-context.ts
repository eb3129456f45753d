import { AsyncLocalStorage } from 'node:async_hooks';
import type { Clock } from '@tillmesh/clock';

/** What is shed last stands first. A missing or unknown label counts as the last. */
export const PRIORITIES = ['payment', 'refund', 'query', 'list'] as const;
export type Priority = (typeof PRIORITIES)[number];

export const METADATA = {
  priority: 'tillmesh-priority',
  caller: 'tillmesh-caller',
  merchant: 'tillmesh-merchant',
  /** On answers: up to which rank the process admits calls, and what part of the next one, such as `300.25`; missing where it admits all. */
  admissionLevel: 'tillmesh-admission-level',
  /** On calls: how many it stands for, where the others were refused before they were sent. */
  standsFor: 'tillmesh-stands-for',
  traceparent: 'traceparent',
} as const;

/** No call lives longer than this, whatever its caller asks for. */
export const BUDGET_MS_MAX = 40_000;

/** What a call carries through the mesh: whose it is, how important, and how long it may still take. */
export type CallContext = {
  /** `tillmesh.cashier.v1.CashierService/CreatePayment`; for work that nobody called, its name. */
  readonly method: string;
  readonly caller: string;
  readonly priority: Priority;
  readonly merchant: string;
  /** When the answer must have left, by Clock.monotonicMs. */
  readonly answerByMs: number;
  /** Aborted when the caller is gone or the answer is too late. */
  readonly signal: AbortSignal;
};

const storage = new AsyncLocalStorage<CallContext>();

/** The call that the present code works for; undefined outside of one. */
export const currentCall = (): CallContext | undefined => storage.getStore();

/** Runs `work` on behalf of a call. */
export const runInCall = <T>(call: CallContext, work: () => T): T => storage.run(call, work);

/** What is left of the present call's time, ms; the maximum outside of a call. Never below 0. */
export const remainingMs = (clock: Clock, call: CallContext | undefined = currentCall()): number =>
  call === undefined ? BUDGET_MS_MAX : Math.max(0, call.answerByMs - clock.monotonicMs());

/** What a hop keeps for its own answer: the callee has to answer before its caller's deadline, because mass RST_STREAM kills connections. */
export const answerMarginMs = (budgetMs: number): number => Math.min(budgetMs / 2, Math.max(20, budgetMs * 0.03));

/**
 * Runs background work (a sweep, a check) under a budget of its own, as calls are: what it calls inherits budget, priority and
 * signal.
 */
export const runAsCall = async <T>(
  options: {
    readonly name: string;
    readonly caller: string;
    readonly priority: Priority;
    readonly budgetMs: number;
    readonly clock: Clock;
    readonly signal?: AbortSignal;
  },
  work: (call: CallContext) => Promise<T>,
): Promise<T> => {
  const { name, caller, priority, budgetMs, clock, signal } = options;
  const own = new AbortController();
  const cancel = clock.after(budgetMs, () => own.abort(new Error(`${name}: its ${budgetMs} ms are over`)));
  const call: CallContext = {
    method: name,
    caller,
    priority,
    merchant: '',
    answerByMs: clock.monotonicMs() + budgetMs,
    signal: signal === undefined ? own.signal : AbortSignal.any([own.signal, signal]),
  };
  try {
    return await storage.run(call, () => work(call));
  } finally {
    cancel();
  }
};
