import { createHmac } from 'node:crypto';
import type { Clock, Random } from '@tillmesh/clock';
import type { Notifier, NotifyingChannel } from '../notifier.ts';
import { notificationPlanOf } from '../script.ts';
import type { Scripts } from '../scripts.ts';
import type { StripeAccount } from './account.ts';
import type { Intent } from './intent.ts';
import { intentView, secondsOf } from './intent-view.ts';
import { refundView, type StripeRefund } from './refunds.ts';

/** The API version that webhooks speak, whatever a request asked for. */
export const API_VERSION = '2026-10-28.endive';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

// "Up to three days with an exponential back-off" (docs.stripe.com/webhooks); the single steps are not documented.
const RETRY_MS = [5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 12 * HOUR, 12 * HOUR, 12 * HOUR, 12 * HOUR];

/** The value of Stripe-Signature: HMAC-SHA256 in hex over the time, a dot and the body, with the endpoint's secret. */
export const webhookSignature = (secret: string, seconds: number, body: string): string =>
  `t=${seconds},v1=${createHmac('sha256', secret).update(`${seconds}.${body}`, 'utf8').digest('hex')}`;

/** How Stripe notifies: JSON with a signature of its own for every try; any 2xx ends the tries. */
export const stripeNotifying = (deps: {
  readonly clock: Clock;
  readonly accounts: readonly StripeAccount[];
}): NotifyingChannel => ({
  retryMs: RETRY_MS,
  accepts: (status) => status >= 200 && status < 300,
  request: ({ merchantId, content, signature }) => {
    const secret = deps.accounts.find(({ stripeAccountId }) => stripeAccountId === merchantId)?.webhookSecret ?? '';
    const seconds = secondsOf(deps.clock.nowMs());
    // A wrong signature is a good one of another text, so that only a verifier can tell.
    const signed = webhookSignature(secret, seconds, signature === 'wrong' ? `${content} ` : content);
    return {
      body: content,
      headers: {
        'Content-Type': 'application/json; charset=utf-8',
        'User-Agent': 'Stripe/1.0 (+https://stripe.com/docs/webhooks)',
        ...(signature === 'none' ? {} : { 'Stripe-Signature': signed }),
      },
    };
  },
});

/** Sends events to an account's webhook endpoint, if it has one and no script forbids. */
export interface StripeNews {
  intent(type: string, intent: Intent): void;
  refund(type: string, refund: StripeRefund, of: Intent): void;
}

export const createStripeNews = (deps: {
  readonly clock: Clock;
  readonly random: Random;
  readonly notifier: Notifier;
  readonly scripts: Scripts;
  readonly accounts: readonly StripeAccount[];
}): StripeNews => {
  const { clock, random, notifier, scripts, accounts } = deps;
  const send = (type: string, intent: Intent, object: object): void => {
    const url = accounts.find(({ accountId }) => accountId === intent.accountId)?.webhookUrl;
    if (url === undefined) return;
    const notificationActs = scripts.take({
      channel: 'stripe',
      operation: 'notification',
      accountId: intent.accountId,
      merchantId: intent.stripeAccountId,
      outTradeNo: intent.outTradeNo,
      description: intent.description,
      paymentCode: intent.paymentMethod,
    });
    const id = `evt_3${random.hex(11)}`;
    const event = {
      id,
      object: 'event',
      api_version: API_VERSION,
      created: secondsOf(clock.nowMs()),
      data: { object },
      livemode: false,
      pending_webhooks: 1,
      request: { id: null, idempotency_key: null },
      type,
    };
    notifier.send(
      {
        notificationId: id,
        channel: 'stripe',
        merchantId: intent.stripeAccountId,
        outTradeNo: intent.outTradeNo,
        event: type,
        url,
        content: JSON.stringify(event, undefined, 2),
      },
      notificationPlanOf(intent.acts, notificationActs),
    );
  };
  return {
    intent: (type, intent) => send(type, intent, intentView(intent)),
    refund: (type, refund, of) => send(type, of, refundView(refund)),
  };
};
