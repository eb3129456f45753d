import { createHash } from 'node:crypto';
import { cardDeclined } from './answer.ts';
import type { Intent, Succeeded, WaitingForPayer } from './intent.ts';

export const secondsOf = (ms: number): number => Math.floor(ms / 1_000);

/** An amount as Stripe writes it: a whole number of the currency's smallest unit, without a hundredth for yen. */
export const amountOf = (amount: bigint): number => Number(amount);

/** The same payer has the same fingerprint, as a card or a wallet has at Stripe. */
const fingerprintOf = (intent: Succeeded): string =>
  createHash('sha256').update(intent.payerId).digest('base64url').replaceAll(/[-_]/g, 'x').slice(0, 16);

const methodDetails = (intent: Succeeded): object => {
  switch (intent.method) {
    case 'card':
      return { brand: 'visa', last4: '4242', funding: 'credit', fingerprint: fingerprintOf(intent) };
    case 'wechat_pay':
      return { fingerprint: fingerprintOf(intent), transaction_id: `42${intent.chargeId.slice(-12)}` };
    case 'alipay':
      return {
        buyer_id: intent.payerId,
        fingerprint: fingerprintOf(intent),
        transaction_id: intent.chargeId.slice(-12),
      };
  }
};

const balanceIdOf = (intent: Succeeded): string => `txn_${intent.chargeId.slice(3)}`;

/** Settled in the currency of the payment; the fee is Stripe's usual 2.9 % in whole units. */
const balanceTransaction = (intent: Succeeded) => {
  const fee = (intent.amount * 29n) / 1_000n;
  return {
    id: balanceIdOf(intent),
    object: 'balance_transaction',
    amount: amountOf(intent.amount),
    currency: intent.currency,
    fee: amountOf(fee),
    net: amountOf(intent.amount - fee),
    source: intent.chargeId,
    type: 'charge',
  };
};

const chargeView = (intent: Succeeded, withBalance: boolean) => ({
  id: intent.chargeId,
  object: 'charge',
  amount: amountOf(intent.amount),
  amount_captured: amountOf(intent.amount),
  amount_refunded: amountOf(intent.returned),
  captured: true,
  created: secondsOf(intent.paidAtMs),
  currency: intent.currency,
  livemode: false,
  metadata: intent.metadata,
  paid: true,
  payment_intent: intent.id,
  payment_method: intent.paymentMethod,
  payment_method_details: { type: intent.method, [intent.method]: methodDetails(intent) },
  balance_transaction: withBalance ? balanceTransaction(intent) : balanceIdOf(intent),
  refunded: intent.returned === intent.amount,
  status: 'succeeded',
});

const nextAction = ({ method, code }: WaitingForPayer): object => {
  switch (method) {
    case 'wechat_pay':
      return {
        type: 'wechat_pay_display_qr_code',
        wechat_pay_display_qr_code: {
          data: code,
          hosted_instructions_url: 'https://payments.stripe.com/wechat_pay/instructions/test',
          image_data_url: 'data:image/png;base64,',
          image_url_png: 'https://qr.stripe.com/test.png',
          image_url_svg: 'https://qr.stripe.com/test.svg',
        },
      };
    case 'alipay':
      return {
        type: 'alipay_handle_redirect',
        alipay_handle_redirect: { native_data: null, native_url: null, return_url: null, url: code },
      };
    case 'card':
      return { type: 'redirect_to_url', redirect_to_url: { return_url: null, url: code } };
  }
};

/** An intent as the API and the webhooks write it. @param expand `latest_charge` gives the charge instead of its id, `latest_charge.balance_transaction` what is settled as well. */
export const intentView = (intent: Intent, expand: readonly string[] = []) => {
  const withBalance = expand.includes('latest_charge.balance_transaction');
  const charge = intent.status === 'succeeded' ? chargeView(intent, withBalance) : undefined;
  const lastError =
    intent.status === 'requires_payment_method' && intent.lastError !== undefined
      ? cardDeclined(intent.lastError.declineCode).body['error']
      : null;
  return {
    id: intent.id,
    object: 'payment_intent',
    allowed_payment_method_types: intent.methods,
    amount: amountOf(intent.amount),
    amount_capturable: 0,
    amount_received: intent.status === 'succeeded' ? amountOf(intent.amount) : 0,
    canceled_at: intent.status === 'canceled' ? secondsOf(intent.canceledAtMs) : null,
    cancellation_reason: intent.status === 'canceled' ? (intent.reason ?? null) : null,
    capture_method: 'automatic',
    client_secret: `${intent.id}_secret_${intent.id.slice(-12)}`,
    confirmation_method: 'automatic',
    created: secondsOf(intent.createdAtMs),
    currency: intent.currency,
    customer: null,
    description: intent.description ?? null,
    last_payment_error: lastError,
    latest_charge: charge === undefined ? null : withBalance || expand.includes('latest_charge') ? charge : charge.id,
    livemode: false,
    metadata: intent.metadata,
    next_action: intent.status === 'requires_action' ? nextAction(intent) : null,
    payment_method: intent.paymentMethod ?? null,
    payment_method_types: intent.methods,
    receipt_email: null,
    status: intent.status,
  };
};
