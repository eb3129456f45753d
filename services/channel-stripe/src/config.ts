import { type AccountSettings, accountSettings } from '@tillmesh/channel-kit';
import { type Secret, secretFile, z } from '@tillmesh/config';

const keyFile = (what: string, form: RegExp, looks: string) =>
  secretFile(what)
    .refine((secret: Secret) => form.test(secret.reveal()), `the key file does not hold ${looks}`)
    .describe(`Path of a file that holds ${what}, relative to the configuration file.`);

/** One account at Stripe. */
export const StripeAccount = z
  .strictObject({
    ...accountSettings,
    secretKeyFile: keyFile(
      "the account's secret key or a restricted one",
      /^(?:sk|rk)_(?:test|live)_[0-9A-Za-z]{8,255}$/,
      'sk_test_..., sk_live_..., rk_test_... or rk_live_...',
    ),
    webhookSecretFiles: z
      .array(keyFile("the secret of the account's webhook endpoint", /^whsec_[!-~]{8,255}$/, 'whsec_...'))
      .min(1)
      .max(4)
      .describe('Any of them may sign webhooks, so that one can follow another.'),
    returnUrl: z
      .url({ protocol: /^https?$/ })
      .max(2_048)
      .default('https://stripe.com')
      .describe(
        "Where the payer's browser comes back to from Alipay or from the bank's page. What it says there decides nothing.",
      ),
  })
  .refine(({ baseUrls }) => baseUrls.every((url) => url.startsWith('https:')), {
    path: ['baseUrls'],
    message: 'has to begin with https: Stripe signs no answers, so TLS alone says where one comes from',
  })
  .describe('One account at Stripe.');

/** One account, loaded. */
export type StripeAccount = z.output<typeof StripeAccount> & AccountSettings;

/** Whether the account moves real money; every object of Stripe says the same of itself. */
export const isLive = ({ secretKeyFile }: Pick<StripeAccount, 'secretKeyFile'>): boolean =>
  /^[sr]k_live_/.test(secretKeyFile.reveal());
