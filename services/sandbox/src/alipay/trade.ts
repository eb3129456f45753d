import { addFen, type Fen, subtractFen, ZERO_FEN } from '../fen.ts';
import type { Act } from '../script.ts';

/** A buyer who is typing the password. */
export type BuyerAtWork = { readonly endsAtMs: number; readonly then: 'pays' | 'gives_up' };

type Common = {
  /** `app_id/out_trade_no`. */
  readonly key: string;
  readonly accountId: string;
  readonly appId: string;
  readonly sellerId: string;
  readonly outTradeNo: string;
  readonly subject: string;
  readonly body: string | undefined;
  readonly amount: Fen;
  readonly notifyUrl: string | undefined;
  readonly paymentCode: string | undefined;
  readonly qrCode: string | undefined;
  /** The parameters of the first request: another request with the same ones is a re-entry. */
  readonly parameters: string;
  readonly acts: readonly Act[];
  readonly createdAtMs: number;
  /** When it ends unpaid because the merchant said so; undefined leaves it to Alipay. */
  readonly expiresAtMs: number | undefined;
};

/** A QR that nobody has scanned: there is no trade yet, and a query says so (research, 2.3). */
export type Precreated = Common & { readonly state: 'precreated' };
/** A QR that was cancelled or ran out before anybody scanned it. */
export type Withdrawn = Common & { readonly state: 'withdrawn' };
/** A payment by code that was refused: there is no trade either. */
export type Declined = Common & { readonly state: 'declined'; readonly code: string };
export type Waiting = Common & {
  readonly state: 'WAIT_BUYER_PAY';
  readonly tradeNo: string;
  readonly buyerId: string;
  readonly atWork: BuyerAtWork | undefined;
  readonly closesAtMs: number;
};
export type PaidTrade = Common & {
  readonly state: 'TRADE_SUCCESS';
  readonly tradeNo: string;
  readonly buyerId: string;
  readonly paidAtMs: number;
  readonly refunded: Fen;
};
export type ClosedTrade = Common & {
  readonly state: 'TRADE_CLOSED';
  readonly tradeNo: string;
  readonly buyerId: string;
  /** What ended it: nobody paid in time or the merchant closed it, or it was paid and cancelled. */
  readonly by: 'close' | 'refund';
};

export type AlipayTrade = Precreated | Withdrawn | Declined | Waiting | PaidTrade | ClosedTrade;
/** What a trade is made of before it has a state. */
export type TradeTerms = Common;
/** States in which Alipay would speak of a trade. */
export type VisibleTrade = Waiting | PaidTrade | ClosedTrade;

export const tradeKeyOf = (appId: string, outTradeNo: string): string => `${appId}/${outTradeNo}`;

export const isVisible = (trade: AlipayTrade | undefined): trade is VisibleTrade =>
  trade?.state === 'WAIT_BUYER_PAY' || trade?.state === 'TRADE_SUCCESS' || trade?.state === 'TRADE_CLOSED';

/** What a query prints: a trade that was refunded as a whole is closed. */
export const tradeStatusOf = (trade: VisibleTrade): string =>
  trade.state === 'TRADE_SUCCESS' && trade.refunded === trade.amount ? 'TRADE_CLOSED' : trade.state;

export const precreated = (terms: TradeTerms): Precreated => ({ ...terms, state: 'precreated' });

export const withdrawn = (trade: Precreated): Withdrawn => ({ ...trade, state: 'withdrawn' });

export const declined = (terms: TradeTerms, code: string): Declined => ({ ...terms, state: 'declined', code });

/** A buyer has scanned the QR, or has shown a code: now there is a trade. */
export const waitingForBuyer = (
  terms: TradeTerms,
  by: { readonly tradeNo: string; readonly buyerId: string; readonly closesAtMs: number },
): Waiting => ({ ...terms, ...by, state: 'WAIT_BUYER_PAY', atWork: undefined });

export const buyerBegins = (trade: Waiting, atWork: BuyerAtWork): Waiting => ({ ...trade, atWork });

/** A failed try leaves the trade waiting for the next one. */
export const buyerFailed = (trade: Waiting): Waiting => ({ ...trade, atWork: undefined });

export const paidTrade = (
  { atWork: _atWork, closesAtMs: _closesAtMs, ...trade }: Waiting,
  paidAtMs: number,
): PaidTrade => ({
  ...trade,
  state: 'TRADE_SUCCESS',
  paidAtMs,
  refunded: ZERO_FEN,
});

export const closedUnpaid = ({ atWork: _atWork, closesAtMs: _closesAtMs, ...trade }: Waiting): ClosedTrade => ({
  ...trade,
  state: 'TRADE_CLOSED',
  by: 'close',
});

export const cancelledPaid = ({ paidAtMs: _paidAtMs, refunded: _refunded, ...trade }: PaidTrade): ClosedTrade => ({
  ...trade,
  state: 'TRADE_CLOSED',
  by: 'refund',
});

export const refundedBy = (trade: PaidTrade, amount: Fen): PaidTrade => ({
  ...trade,
  refunded: addFen(trade.refunded, amount),
});

export const refundable = (trade: PaidTrade): Fen => subtractFen(trade.amount, trade.refunded);
