import { readFileSync } from 'node:fs';
import { Agent } from 'node:https';
import Stripe from 'stripe';
import type { RunningSandbox } from './running-sandbox.ts';
import { firstOf, readKey } from './running-sandbox.ts';

/** The official client, as an account of the simulated Stripe. It repeats nothing by itself, as far as it lets us say so. */
export const stripeClient = ({ keys, stripePort }: RunningSandbox, account = firstOf(keys.stripe.accounts)): Stripe =>
  new Stripe(readKey(account.secretKeyFile), {
    host: '127.0.0.1',
    port: stripePort,
    protocol: 'https',
    httpAgent: new Agent({ ca: readFileSync(keys.stripe.certificateFile) }),
    maxNetworkRetries: 0,
    telemetry: false,
  });

/** An order to scan. */
export const wechatOrder = (orderNo: string, amount = 1_000): Stripe.PaymentIntentCreateParams => ({
  amount,
  currency: 'cny',
  confirm: true,
  allowed_payment_method_types: ['wechat_pay'],
  payment_method_data: { type: 'wechat_pay' },
  payment_method_options: { wechat_pay: { client: 'web' } },
  metadata: { order_no: orderNo },
});

/** A payment by card. */
export const cardPayment = (
  orderNo: string,
  paymentMethod = 'pm_card_visa',
  amount = 1_000,
): Stripe.PaymentIntentCreateParams => ({
  amount,
  currency: 'cny',
  confirm: true,
  allowed_payment_method_types: ['card'],
  payment_method: paymentMethod,
  return_url: 'https://shop.example.com/back',
  metadata: { order_no: orderNo },
});

/** What a call was refused with. */
export const stripeRefusal = async (call: Promise<unknown>): Promise<Stripe.errors.StripeError> => {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof Stripe.errors.StripeError)) throw new Error(`not refused by Stripe: ${String(error)}`);
  return error;
};
