export {
  type AccountReport,
  type Condition,
  type DayUse,
  type Hearsay,
  isSickTo,
  nextCondition,
  type Opinion,
  type OutcomeCounts,
  rateShare,
  returnedShare,
  signOf,
  WELL,
} from './account-health.ts';
export { assert, assertNever, BrokenInvariant } from './assert.ts';
export {
  ATTEMPT_MOVES,
  ATTEMPT_STATES,
  type AttemptEvent,
  type AttemptState,
  isLiveAttempt,
} from './attempt.ts';
export type { Branded } from './branded.ts';
export {
  type AccountId,
  ATTEMPTS_MAX,
  type AttemptNo,
  type ChannelId,
  type ChannelTransactionId,
  type MerchantId,
  type MerchantOrderNo,
  type MerchantRefundNo,
  parseAccountId,
  parseAttemptNo,
  parseChannelId,
  parseMerchantId,
  parseMerchantOrderNo,
  parseMerchantRefundNo,
} from './ids.ts';
export { localDay } from './local-day.ts';
export {
  addMoney,
  type Currency,
  equalMoney,
  fromDecimalText,
  MINOR_UNITS_MAX,
  type MinorUnits,
  type Money,
  money,
  parseMoney,
  subtractMoney,
  toDecimalText,
} from './money.ts';
export {
  type ChannelOrderNo,
  checkDigitOf,
  DAY_MAX,
  DAY_MS,
  dayOfOrderNo,
  firstOrderKeyAt,
  formatOrderNo,
  fromOrderKey,
  GROUP_TAG_MAX,
  type GroupTag,
  groupTag,
  groupTagOf,
  ORDER_EPOCH_MS,
  type OrderKey,
  type OrderNo,
  type OrderNumberParts,
  parseChannelOrderNo,
  parseGroupTag,
  parseOrderNo,
  SEQUENCE_MAX,
  toChannelOrderNo,
  toOrderKey,
  WORKER_ID_MAX,
} from './order-number.ts';
export {
  DECLINE_REASONS,
  type DeclineReason,
  type DefiniteEvidence,
  definiteFailure,
  type FailedDefinite,
  LEARNED_BY,
  type LearnedBy,
  type Outcome,
  type PendingPayer,
  type Processing,
  type RerouteToken,
  type SignatureState,
  type Succeeded,
  type Transport,
  type Unknown,
  unknownOutcome,
} from './outcome.ts';
export {
  type Attempt,
  type ClientAction,
  isFinalPayment,
  isVisible,
  liveAttempt,
  PAYMENT_MOVES,
  PAYMENT_STATES,
  type Payment,
  type PaymentEvent,
  type PaymentState,
  type VisiblePaymentState,
} from './payment.ts';
export {
  REFUND_CAUSES,
  REFUND_MOVES,
  REFUND_STATES,
  type Refund,
  type RefundCause,
  type RefundEvent,
  type RefundNews,
  type RefundSettlement,
  type RefundState,
  settleRefund,
} from './refund.ts';
export { type Candidate, chooseAccount, type NoRoute, type RouteDecision, rerouteAfter } from './route.ts';
export { type AccountHealth, ALL_WELL, NOTHING_KNOWN, type RouteHealth } from './route-health.ts';
export type { RouteQuestion } from './route-question.ts';
export {
  type DayLimit,
  DEFAULT_HEALTH_POLICY,
  DEFAULT_TIME_ZONE,
  type GreyRelease,
  type HealthPolicy,
  type MerchantRule,
  type ReturnStep,
  type RoutedAccount,
  type RoutedMerchant,
  type RoutingTable,
} from './routing-table.ts';
export { type Settlement, settleAttempt } from './settle-attempt.ts';
export { allowedPairs, isFinal, type Moves, nextState } from './state-machine.ts';
export { PAYMENT_KINDS, type PaymentKind, WALLETS, type Wallet, walletOfPaymentCode } from './wallet.ts';
