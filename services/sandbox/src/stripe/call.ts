import type { Act, Operation } from '../script.ts';
import type { StripeAnswer } from './answer.ts';
import type { StripeRequest } from './gate.ts';

/** A request that is understood, ready to be carried out. */
export type StripeCall = {
  readonly operation: Operation;
  /** Our order number, from the metadata of the request or of what it speaks of. */
  readonly outTradeNo: string | undefined;
  readonly description: string | undefined;
  readonly paymentCode: string | undefined;
  /** What the payment method itself says about how the payment goes. */
  readonly codeActs: readonly Act[];
  readonly perform: (acts: readonly Act[]) => StripeAnswer;
  /** Refuses with a code, as a script wants. */
  readonly decline: (code: string, acts: readonly Act[]) => StripeAnswer;
};

/** A path of the API: `POST /v1/payment_intents/{id}/cancel`. */
export type StripeRoute = {
  readonly name: string;
  /** An answer where the parameters are wrong: nothing was begun, so nothing is kept under the Idempotency-Key. */
  readonly read: (request: StripeRequest, id: string) => StripeCall | StripeAnswer;
};

export const isCall = (read: StripeCall | StripeAnswer): read is StripeCall => 'perform' in read;
