// What a till does about an error. Programs act on `reason`, never on the text; the text is for whoever reads the log.

import { RpcError } from '@tillmesh/rpc';
import { isPassing } from './cashier-client.ts';

/** What the till does next. */
export type NextStep =
  /** The program, its settings or what was typed is wrong: the same call would be refused again. */
  | { readonly kind: 'correct'; readonly what: readonly string[] }
  /** The payer shows the code again. */
  | { readonly kind: 'scan_again' }
  /** The number stands for another sale: this one needs its own number. */
  | { readonly kind: 'take_new_number'; readonly usedFor: string }
  /** Nobody knows yet what came of it. Repeat under the same number, or read the payment by it. */
  | { readonly kind: 'repeat_same_number'; readonly afterMs: number }
  /** Somebody of Tillmesh has to look. */
  | { readonly kind: 'call_support' };

/** Where nothing says when to come back. */
const REPEAT_AFTER_MS = 1_000;

/** What to do about a refused call. */
export const nextStepAfter = (error: RpcError): NextStep => {
  switch (error.reason) {
    case 'REQUEST_INVALID':
      // BadRequest names every wrong field by its path in the proto, such as amount.currency.
      return { kind: 'correct', what: error.violations.map(({ field, description }) => `${field}: ${description}`) };
    case 'PAYMENT_CODE_UNKNOWN':
      return { kind: 'scan_again' };
    case 'MERCHANT_ORDER_NO_REUSED':
    case 'MERCHANT_REFUND_NO_REUSED':
      return { kind: 'take_new_number', usedFor: error.metadata['order_no'] ?? error.metadata['refund_no'] ?? '' };
    case 'INTERNAL':
      return { kind: 'call_support' };
    default:
      return isPassing(error)
        ? { kind: 'repeat_same_number', afterMs: error.retryAfterMs ?? REPEAT_AFTER_MS }
        : { kind: 'correct', what: [error.message] };
  }
};

/** An error in the words of the person at the till, line by line. */
export const tellRefusal = (error: unknown): string[] => {
  if (!(error instanceof RpcError)) return [error instanceof Error ? error.message : String(error)];
  const step = nextStepAfter(error);
  const head = `refused (${error.reason}): ${error.message}`;
  switch (step.kind) {
    case 'correct':
      return [head, ...step.what.filter((line) => line !== error.message).map((line) => `  ${line}`)];
    case 'scan_again':
      return [head, '  Scan the code again.'];
    case 'take_new_number':
      return [head, `  Look at ${step.usedFor}; a new sale or refund needs a new number.`];
    case 'repeat_same_number':
      return [head, `  Try again in ${step.afterMs} ms under the same number: nothing is taken twice.`];
    case 'call_support':
      return [head, `  Report it with trace ${error.metadata['trace_id'] ?? '(not traced)'}.`];
    default:
      return step satisfies never;
  }
};
