import type { Metadata } from '@grpc/grpc-js';
import { retryAfterMs } from './admission.ts';
import { PRIORITIES, type Priority } from './call-context.ts';
import { type RpcError, rpcErrors, trailersOf } from './rpc-error.ts';

/** A refusal and what it is on the wire. */
export type Refusal = { readonly error: RpcError; readonly trailers: () => Metadata };

/** It is written when it is first answered; what is answered again is a copy, because what leaves is added to. */
export const refusalOf = (error: RpcError): Refusal => {
  let written: Metadata | undefined;
  return {
    error,
    trailers: () => {
      written ??= trailersOf(error);
      return written.clone();
    },
  };
};

export type Refusals = Readonly<Record<Priority, Refusal>>;

/**
 * What calls are refused with where there is too much to do, by priority, made once: with ten times too much to do nine of ten calls
 * are refused, and what each costs is taken from the one that is not. The stack is of here and says nothing.
 */
export const createRefusals = (message: string): Refusals => {
  const entries = PRIORITIES.map((priority): [Priority, Refusal] => [
    priority,
    refusalOf(rpcErrors.overloaded(message, { retryAfterMs: retryAfterMs(priority), metadata: { priority } })),
  ]);
  return Object.fromEntries(entries) as Refusals;
};
