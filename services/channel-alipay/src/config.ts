import type { KeyObject } from 'node:crypto';
import { type AccountSettings, accountSettings, privateKeyFile, publicKeyFile } from '@tillmesh/channel-kit';
import { secretFile, z } from '@tillmesh/config';
import { readCertificate, readCertificates, rootCertSn } from './certificate.ts';
import { LearnedCertificates } from './next-certificate.ts';

const certificateFile = (what: string) =>
  secretFile(what).transform((secret, context) => {
    const certificate = readCertificate(secret.reveal());
    if (certificate !== undefined) return certificate;
    context.addIssue({ code: 'custom', message: 'the file holds no certificate in PEM' });
    return z.NEVER;
  });

/** One merchant's application at Alipay, in key mode or in certificate mode. */
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
      .max(4)
      .default([])
      .describe(
        "Alipay's public keys, for an application in key mode. Any of them may sign, so that one can follow another.",
      ),
    certificates: z
      .strictObject({
        applicationFile: certificateFile("the application's certificate"),
        alipayFiles: z
          .array(certificateFile("Alipay's certificate for this application"))
          .min(1)
          .max(4)
          .describe("Alipay's certificates. Any of them may sign, so that one can follow another."),
        rootFile: secretFile("Alipay's bundle of root certificates").transform((secret, context) => {
          const sn = rootCertSn(secret.reveal());
          if (sn !== undefined) return { sn, certificates: readCertificates(secret.reveal()) };
          context.addIssue({ code: 'custom', message: 'the file holds no RSA root certificate' });
          return z.NEVER;
        }),
      })
      // What is learned belongs to the account as it was loaded.
      .transform((certificates) => ({ ...certificates, learned: new LearnedCertificates() }))
      .optional()
      .describe('For an application in certificate mode, in the place of alipayPublicKeys.'),
    returnUrl: z
      .url({ protocol: /^https?$/ })
      .max(255)
      .optional()
      .describe("Where the payer's browser comes back to from Alipay's page. What it says there decides nothing."),
    billUrl: z
      .url({ protocol: /^https?$/ })
      .default('https://dwbillcenter.alipay.com')
      .describe('Where bills lie; one at another host is not fetched.'),
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
  .refine(({ alipayPublicKeys, certificates }) => alipayPublicKeys.length > 0 !== (certificates !== undefined), {
    path: ['alipayPublicKeys'],
    message: 'an application has either public keys or certificates: set one of them',
  })
  .describe("One merchant's application at Alipay.");

/** The keys by which Alipay may sign for an application. */
export const alipayKeysOf = ({
  alipayPublicKeys,
  certificates,
}: Pick<AlipayAccount, 'alipayPublicKeys' | 'certificates'>): readonly KeyObject[] =>
  certificates === undefined
    ? alipayPublicKeys
    : [...certificates.alipayFiles.map(({ key }) => key), ...certificates.learned.keys()];

/** One merchant's application, loaded. */
export type AlipayAccount = z.output<typeof AlipayAccount> & AccountSettings;
