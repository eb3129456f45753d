import type { Act, Operation } from '../script.ts';
import type { V3Answer, V3Error } from './v3-answer.ts';

/** A request whose form is right, ready to be carried out. */
export type V3Call = {
  /** WeChat Pay's name of the operation, for the statistics. */
  readonly name: string;
  readonly operation: Operation;
  readonly outTradeNo: string | undefined;
  readonly description: string | undefined;
  readonly paymentCode: string | undefined;
  /** What the payment code itself says about how the order goes. */
  readonly codeActs?: readonly Act[];
  readonly perform: (acts: readonly Act[]) => V3Answer;
  /** Refuses with a channel's code, as a script wants, and leaves its mark on the order; without it the code alone is answered. */
  readonly decline?: (code: string, acts: readonly Act[]) => V3Answer;
};

/** A request that can be carried out, or the reason why it cannot. */
export type V3Read =
  | { readonly kind: 'call'; readonly call: V3Call }
  | { readonly kind: 'error'; readonly error: V3Error };
