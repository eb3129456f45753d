import { Metadata } from '@grpc/grpc-js';
import { retryAfterMs } from './admission.ts';
import { PRIORITIES, type Priority } from './call-context.ts';
import { type RpcError, rpcErrors, trailersOf } from './rpc-error.ts';

/** A refusal and what it is on the wire. */
export type Refusal = { readonly error: RpcError; readonly trailers: () => Metadata };

const refusal = (error: RpcError): Refusal => {
  const made = trailersOf(error);
  return {
    error,
    // What leaves is added to.
    trailers: () => {
      const copy = new Metadata();
      copy.merge(made);
      return copy;
    },
  };
};

/**
 * What calls are refused with where there is too much to do, by priority, made once: with ten times too much to do nine of ten calls
 * are refused, and what each costs is taken from the one that is not. The stack is of here and says nothing.
 */
export const createRefusals = (message: string): Readonly<Record<Priority, Refusal>> => {
  const entries = PRIORITIES.map((priority): [Priority, Refusal] => [
    priority,
    refusal(rpcErrors.overloaded(message, { retryAfterMs: retryAfterMs(priority), metadata: { priority } })),
  ]);
  return Object.fromEntries(entries) as Record<Priority, Refusal>;
};
