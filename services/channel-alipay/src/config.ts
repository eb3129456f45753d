import { type AccountSettings, accountSettings, privateKeyFile, publicKeyFile } from '@tillmesh/channel-kit';
import { secretFile, z } from '@tillmesh/config';

/** One merchant's application at Alipay (public-key mode). */
export const AlipayAccount = z
  .strictObject({
    ...accountSettings,
    appId: z
      .string()
      .regex(/^[0-9]{16}$/, 'is not 16 digits')
      .describe('The application (app_id).'),
    sellerId: z
      .string()
      .regex(/^2088[0-9]{12}$/, 'is not 2088 and 12 digits')
      .describe('Who is paid (seller_id, PID). A notification that names somebody else is refused.'),
    privateKeyFile: privateKeyFile("the application's private key"),
    alipayPublicKeys: z
      .array(publicKeyFile("Alipay's public key for this application"))
      .min(1)
      .max(4)
      .describe("Alipay's public keys. Any of them may sign, so that one can follow another."),
    returnUrl: z
      .url({ protocol: /^https?$/ })
      .max(255)
      .optional()
      .describe("Where the payer's browser comes back to from Alipay's page. What it says there decides nothing."),
    payerAuth: z
      .strictObject({
        authorizeUrl: z
          .url({ protocol: /^https?$/ })
          .default('https://openauth.alipay.com/oauth2/publicAppAuthorize.htm')
          .describe('Where Alipay says who its owner is.'),
      })
      .prefault({})
      .describe("Alipay's authorisation of payers, for one-code QRs."),
    appAuthTokenFile: secretFile('the authorisation (app_auth_token) that a merchant gave to a provider').optional(),
  })
  .describe("One merchant's application at Alipay.");

/** One merchant's application, loaded. */
export type AlipayAccount = z.output<typeof AlipayAccount> & AccountSettings;
