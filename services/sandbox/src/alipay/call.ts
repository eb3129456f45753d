import type { Act, Operation } from '../script.ts';
import type { AlipayAnswer } from './answer.ts';
import type { AlipayRequest } from './gate.ts';

/** A request whose business content is right, ready to be carried out. */
export type AlipayCall = {
  readonly outTradeNo: string | undefined;
  readonly description: string | undefined;
  readonly paymentCode: string | undefined;
  /** What the payment code itself says about how the trade goes. */
  readonly codeActs: readonly Act[];
  readonly perform: (acts: readonly Act[]) => AlipayAnswer;
  /** Refuses with a channel's code, as a script wants; may leave its mark on the trade. */
  readonly decline: (code: string, acts: readonly Act[]) => AlipayAnswer;
};

export type AlipayMethod = {
  /** `alipay.trade.pay`. */
  readonly name: string;
  readonly operation: Operation;
  /** undefined where the business content is wrong: ACQ.INVALID_PARAMETER. */
  readonly read: (request: AlipayRequest) => AlipayCall | undefined;
};
