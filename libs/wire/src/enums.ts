import type {
  AttemptState,
  DeclineReason,
  DiscountFunder,
  DiscountKind,
  FundingKind,
  LearnedBy,
  MerchantEventKind,
  Outcome,
  PaymentKind,
  RefundCause,
  RefundState,
  SignatureState,
  Transport,
  VisiblePaymentState,
  Wallet,
  WebhookSigning,
} from '@tillmesh/domain';
import * as notify from '@tillmesh/proto/tillmesh/notify/v1/merchant_event_pb.ts';
import * as attempt from '@tillmesh/proto/tillmesh/payment/v1/attempt_pb.ts';
import * as outcome from '@tillmesh/proto/tillmesh/payment/v1/outcome_pb.ts';
import * as details from '@tillmesh/proto/tillmesh/payment/v1/payment_details_pb.ts';
import * as payment from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import * as refund from '@tillmesh/proto/tillmesh/payment/v1/refund_pb.ts';
import * as routing from '@tillmesh/proto/tillmesh/routing/v1/routing_table_pb.ts';

/** Two ways between a word of the domain and its number on the wire. */
export type EnumMap<Word extends string, Wire extends number> = {
  readonly toWire: (word: Word) => Wire;
  /** Undefined for the zero value and for values that this version does not know. */
  readonly fromWire: (value: number) => Word | undefined;
};

// A record makes the compiler list every word; the way back is derived, so the two cannot disagree.
const enumMap = <Word extends string, Wire extends number>(
  wireOf: Readonly<Record<Word, Wire>>,
): EnumMap<Word, Wire> => {
  const wordOf = new Map<number, Word>(
    (Object.entries(wireOf) as [Word, Wire][]).map(([word, value]) => [value, word]),
  );
  return { toWire: (word) => wireOf[word], fromWire: (value) => wordOf.get(value) };
};

export const walletMap = enumMap<Wallet, payment.Wallet>({
  wechat: payment.Wallet.WECHAT,
  wechat_hk: payment.Wallet.WECHAT_HK,
  alipay: payment.Wallet.ALIPAY,
  unionpay: payment.Wallet.UNIONPAY,
  card: payment.Wallet.CARD,
});

export const kindMap = enumMap<PaymentKind, payment.PaymentKind>({
  payment_code: payment.PaymentKind.PAYMENT_CODE,
  merchant_qr: payment.PaymentKind.MERCHANT_QR,
  jsapi: payment.PaymentKind.JSAPI,
  mini_program: payment.PaymentKind.MINI_PROGRAM,
  app: payment.PaymentKind.APP,
  h5: payment.PaymentKind.H5,
  pc_redirect: payment.PaymentKind.PC_REDIRECT,
  card: payment.PaymentKind.CARD,
});

export const paymentStateMap = enumMap<VisiblePaymentState, payment.PaymentState>({
  paying: payment.PaymentState.PAYING,
  declined: payment.PaymentState.DECLINED,
  succeeded: payment.PaymentState.SUCCEEDED,
  failed: payment.PaymentState.FAILED,
  closed: payment.PaymentState.CLOSED,
});

export const attemptStateMap = enumMap<AttemptState, attempt.AttemptState>({
  started: attempt.AttemptState.STARTED,
  pending_payer: attempt.AttemptState.PENDING_PAYER,
  processing: attempt.AttemptState.PROCESSING,
  unknown: attempt.AttemptState.UNKNOWN,
  succeeded: attempt.AttemptState.SUCCEEDED,
  failed: attempt.AttemptState.FAILED,
  closed: attempt.AttemptState.CLOSED,
  surplus: attempt.AttemptState.SURPLUS,
});

export const declineReasonMap = enumMap<DeclineReason, payment.DeclineReason>({
  insufficient_funds: payment.DeclineReason.INSUFFICIENT_FUNDS,
  payment_code_invalid: payment.DeclineReason.PAYMENT_CODE_INVALID,
  payer_refused: payment.DeclineReason.PAYER_REFUSED,
  account_refused: payment.DeclineReason.ACCOUNT_REFUSED,
  channel_unreachable: payment.DeclineReason.CHANNEL_UNREACHABLE,
  payer_cancelled: payment.DeclineReason.PAYER_CANCELLED,
  other: payment.DeclineReason.OTHER,
});

export const learnedByMap = enumMap<LearnedBy, outcome.LearnedBy>({
  answer: outcome.LearnedBy.ANSWER,
  notification: outcome.LearnedBy.NOTIFICATION,
  query: outcome.LearnedBy.QUERY,
  bill: outcome.LearnedBy.BILL,
  person: outcome.LearnedBy.PERSON,
});

export const outcomeKindMap = enumMap<Outcome['kind'], outcome.OutcomeKind>({
  succeeded: outcome.OutcomeKind.SUCCEEDED,
  failed_definite: outcome.OutcomeKind.FAILED_DEFINITE,
  pending_payer: outcome.OutcomeKind.PENDING_PAYER,
  processing: outcome.OutcomeKind.PROCESSING,
  unknown: outcome.OutcomeKind.UNKNOWN,
});

export const transportMap = enumMap<Transport, outcome.Transport>({
  not_sent: outcome.Transport.NOT_SENT,
  maybe_sent: outcome.Transport.MAYBE_SENT,
  answered: outcome.Transport.ANSWERED,
});

export const signatureMap = enumMap<SignatureState, outcome.SignatureState>({
  verified: outcome.SignatureState.VERIFIED,
  absent: outcome.SignatureState.ABSENT,
  invalid: outcome.SignatureState.INVALID,
});

export const refundStateMap = enumMap<RefundState, refund.RefundState>({
  requested: refund.RefundState.REQUESTED,
  processing: refund.RefundState.PROCESSING,
  unknown: refund.RefundState.UNKNOWN,
  succeeded: refund.RefundState.SUCCEEDED,
  failed: refund.RefundState.FAILED,
  abnormal: refund.RefundState.ABNORMAL,
});

export const refundCauseMap = enumMap<RefundCause, refund.RefundCause>({
  merchant: refund.RefundCause.MERCHANT,
  surplus: refund.RefundCause.SURPLUS,
});

export const merchantEventKindMap = enumMap<MerchantEventKind, notify.MerchantEventKind>({
  payment_succeeded: notify.MerchantEventKind.PAYMENT_SUCCEEDED,
  payment_failed: notify.MerchantEventKind.PAYMENT_FAILED,
  payment_closed: notify.MerchantEventKind.PAYMENT_CLOSED,
  refund_succeeded: notify.MerchantEventKind.REFUND_SUCCEEDED,
  refund_failed: notify.MerchantEventKind.REFUND_FAILED,
});

export const webhookSigningMap = enumMap<WebhookSigning, routing.WebhookSigning>({
  ed25519: routing.WebhookSigning.ED25519,
  'hmac-sha256': routing.WebhookSigning.HMAC_SHA256,
});

export const fundingKindMap = enumMap<FundingKind, details.FundingKind>({
  balance: details.FundingKind.BALANCE,
  debit: details.FundingKind.DEBIT,
  credit: details.FundingKind.CREDIT,
  prepaid: details.FundingKind.PREPAID,
  mixed: details.FundingKind.MIXED,
  other: details.FundingKind.OTHER,
});

export const discountKindMap = enumMap<DiscountKind, details.DiscountKind>({
  coupon: details.DiscountKind.COUPON,
  reduction: details.DiscountKind.REDUCTION,
  points: details.DiscountKind.POINTS,
});

export const discountFunderMap = enumMap<DiscountFunder, details.DiscountFunder>({
  channel: details.DiscountFunder.CHANNEL,
  merchant: details.DiscountFunder.MERCHANT,
  other: details.DiscountFunder.OTHER,
});
