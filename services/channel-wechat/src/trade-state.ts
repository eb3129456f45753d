import type { AttemptReport, OrderRef } from '@tillmesh/channel-kit';
import {
  attemptReport,
  type CallFacts,
  outcomeOfEnd,
  outcomeOfSuccess,
  readDetails,
  type ToldDetails,
  type ToldSuccess,
} from '@tillmesh/channel-kit';
import { type Outcome, type PaymentKind, unknownOutcome } from '@tillmesh/domain';

/** What a state of an order means. `ended` proves that it can no longer be paid. */
type StateMeaning = 'succeeded' | 'pending_payer' | 'processing' | 'ended';

type StateRow = {
  readonly meaning: StateMeaning;
  /** True where the channel has closed the order, rather than the payment failed. */
  readonly closed?: boolean;
  /** Only orders of this kind end with it. */
  readonly onlyKind?: PaymentKind;
};

// Source: WX-OAPI Enumerations.yaml (TransactionTradeState); v2 has ACCEPT besides.
const STATES: ReadonlyMap<string, StateRow> = new Map<string, StateRow>([
  ['SUCCESS', { meaning: 'succeeded' }],
  // It was paid, and some of it has gone back since: the payment as such has succeeded.
  ['REFUND', { meaning: 'succeeded' }],
  // Not terminal: a payer whose try failed leaves the order in NOTPAY and may try again.
  ['NOTPAY', { meaning: 'pending_payer' }],
  ['USERPAYING', { meaning: 'pending_payer' }],
  ['ACCEPT', { meaning: 'processing' }],
  ['CLOSED', { meaning: 'ended', closed: true }],
  ['REVOKED', { meaning: 'ended', closed: true }],
  ['PAYERROR', { meaning: 'ended', onlyKind: 'payment_code' }],
]);

/** What an answer says of an order, whichever API said it. */
export type ToldOrder = ToldSuccess & {
  readonly state: string | undefined;
  readonly stateText: string;
  readonly details: ToldDetails;
};

/** True where the answer speaks of the order that was asked about. */
const isAboutOrder = (told: ToldOrder, order: OrderRef): boolean =>
  told.isOurs && told.channelOrderNo === order.channelOrderNo;

const outcomeOf = (api: string, told: ToldOrder, order: OrderRef, facts: CallFacts): Outcome => {
  const { signature } = facts;
  const row = told.state === undefined ? undefined : STATES.get(told.state);
  if (row === undefined || signature === undefined) return unknownOutcome(`trade_state ${told.state ?? 'is missing'}`);
  if (row.meaning === 'succeeded') return outcomeOfSuccess(told, order, signature);
  if (signature !== 'verified' || !isAboutOrder(told, order)) {
    return unknownOutcome('an answer that is not verified or speaks of another order');
  }
  if (row.meaning !== 'ended') return { kind: row.meaning };
  if (row.onlyKind !== undefined && row.onlyKind !== order.kind) return unknownOutcome(`trade_state ${told.state}`);
  return outcomeOfEnd(
    { ruleId: `${api}.query.trade_state.${told.state}`, closed: row.closed === true },
    { isOurs: true },
    signature,
  );
};

/** The report of an answer that says how an order stands. @param api `wechat-v2` or `wechat-v3`. */
export const orderReport = (api: string, told: ToldOrder, order: OrderRef, facts: CallFacts): AttemptReport => {
  const outcome = outcomeOf(api, told, order, facts);
  return attemptReport(facts, outcome, {
    channelState: told.state ?? '',
    channelMessage: told.stateText,
    channelTransactionId: told.channelTransactionId ?? '',
    details: readDetails(outcome, told.details),
  });
};
