import { fromDecimalText, type MinorUnits, money, toDecimalText } from '@tillmesh/domain';

/** An amount in fen, the hundredth of a yuan. Both simulated channels know CNY alone. */
export type Fen = MinorUnits;

/** An amount that is known to be right; throws where it is negative or above the domain's limit. */
export const fen = (amount: bigint | number): Fen => money('CNY', amount).minorUnits;

export const ZERO_FEN: Fen = fen(0);

export const addFen = (a: Fen, b: Fen): Fen => fen(a + b);

/** a - b; throws where b is more than a: a net amount below zero is a bug of the sandbox. */
export const subtractFen = (a: Fen, b: Fen): Fen => fen(a - b);

/** `12.30`, the form that Alipay sends. */
export const yuanText = (amount: Fen): string => toDecimalText(money('CNY', amount));

/** Reads `12`, `12.3` or `12.30`; undefined for anything else. */
export const fenOfYuanText = (text: string): Fen | undefined => fromDecimalText('CNY', text)?.minorUnits;
