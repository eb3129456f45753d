import type { Act, Operation } from '../script.ts';
import type { WechatOrder } from './order.ts';
import type { V2Answer, V2Refusal } from './v2-answer.ts';
import type { V2Passed } from './v2-gate.ts';

/** A v2 request whose fields are right, ready to be carried out. */
export type V2Call = {
  /** Finds the order anew on every call: a script may have let time pass. */
  readonly order: () => WechatOrder | undefined;
  readonly description: string | undefined;
  readonly paymentCode: string | undefined;
  /** What the payment code itself says about how the order goes. */
  readonly codeActs: readonly Act[];
  readonly perform: (acts: readonly Act[]) => V2Answer;
  /** Refuses with a channel's code, as a script wants; may leave its mark on the order. */
  readonly decline: (code: string, acts: readonly Act[]) => V2Answer;
};

export type V2Operation = {
  /** WeChat Pay's name of the operation, for the statistics. */
  readonly name: string;
  readonly operation: Operation;
  readonly read: (passed: V2Passed) => V2Call | V2Refusal;
};
