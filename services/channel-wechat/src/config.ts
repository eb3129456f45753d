import { type AccountSettings, accountSettings, privateKeyFile, publicKeyFile } from '@tillmesh/channel-kit';
import { type Secret, secretFile, z } from '@tillmesh/config';

const KEY_CHARACTERS = 32;

/** A setting that names the file of one of WeChat Pay's symmetric keys. */
const symmetricKeyFile = (what: string) =>
  secretFile(what)
    .refine(
      (secret: Secret) => new RegExp(`^[0-9A-Za-z]{${KEY_CHARACTERS}}$`).test(secret.reveal()),
      `the key file does not hold ${KEY_CHARACTERS} letters and digits`,
    )
    .describe(`Path of a file that holds ${what}, 32 letters and digits, relative to the configuration file.`);

const merchantNumber = z.string().regex(/^[0-9]{6,32}$/, 'is not 6 to 32 digits');
const application = z.string().regex(/^wx[0-9a-zA-Z]{1,30}$/, 'does not look like wx...');

/** One merchant account at WeChat Pay. */
export const WechatAccount = z
  .strictObject({
    ...accountSettings,
    mchId: merchantNumber.describe('The merchant number (mchid) that signs; of a service provider its own (sp_mchid).'),
    appId: application.describe(
      'The application (appid) that orders are placed for; of a service provider its own (sp_appid).',
    ),
    subMerchant: z
      .strictObject({
        mchId: merchantNumber.describe('The merchant that is paid (sub_mchid).'),
        appId: application
          .optional()
          .describe("The merchant's own application (sub_appid); payers are then known by its openids."),
      })
      .optional()
      .describe('For whom a service provider works. Without it the account is a merchant of its own.'),
    codePayments: z
      .enum(['v2', 'v3'])
      .default('v2')
      .describe('The API that takes payment codes; v3 is granted to selected merchants.'),
    merchantSerialNo: z
      .string()
      .regex(/^[0-9A-Fa-f]{1,64}$/, 'is not hexadecimal')
      .describe("Serial number of the merchant's API certificate."),
    privateKeyFile: privateKeyFile("the merchant's private key"),
    apiV3KeyFile: symmetricKeyFile('the APIv3 key'),
    apiV2KeyFile: symmetricKeyFile('the API key of v2, for payment codes over v2').optional(),
    v2SignType: z.enum(['HMAC-SHA256', 'MD5']).default('HMAC-SHA256').describe('How v2 requests are signed.'),
    wechatpayKeys: z
      .array(
        z.strictObject({
          id: z.string().min(1).max(64).describe('PUB_KEY_ID_..., or the serial number of a platform certificate.'),
          keyFile: publicKeyFile("WeChat Pay's public key or platform certificate"),
        }),
      )
      .max(8)
      .default([])
      .refine((keys) => new Set(keys.map(({ id }) => id)).size === keys.length, 'has an id twice')
      .describe("WeChat Pay's keys. All are accepted, so that one can follow another; requests ask for the first."),
    platformCertificates: z
      .strictObject({
        refreshMs: z
          .int()
          .min(60_000)
          .max(43_200_000)
          .default(21_600_000)
          .describe('How often they are fetched, ms; WeChat Pay asks for 12 hours at most.'),
        unknownSerialGapMs: z
          .int()
          .min(1_000)
          .max(3_600_000)
          .default(60_000)
          .describe('How far apart they are fetched at least because an answer names an unknown one, ms.'),
      })
      .optional()
      .describe(
        "Fetches WeChat Pay's platform certificates, which are accepted beside wechatpayKeys while they are valid.",
      ),
    payerAuth: z
      .strictObject({
        appSecretFile: secretFile("the application's secret (AppSecret)"),
        authorizeUrl: z
          .url({ protocol: /^https?$/ })
          .default('https://open.weixin.qq.com/connect/oauth2/authorize')
          .describe('Where WeChat says who its owner is.'),
        apiUrl: z
          .url({ protocol: /^https?$/ })
          .default('https://api.weixin.qq.com')
          .describe('Where its code is turned into an openid.'),
      })
      .optional()
      .describe(
        'Web authorisation of the application, for one-code QRs. Without it the account takes no payer from a page of ours.',
      ),
    apiCertificate: z
      .strictObject({
        certificateFile: secretFile("the merchant's API certificate"),
        keyFile: secretFile("the API certificate's private key"),
      })
      .optional()
      .describe('What proves the merchant in TLS to /secapi (reverse). WeChat Pay itself demands it.'),
  })
  .superRefine((account, context) => {
    const note = (path: string[], message: string) => context.addIssue({ code: 'custom', path, message });
    const { codePayments, apiV2KeyFile, subMerchant, mchId, wechatpayKeys, platformCertificates } = account;
    if (wechatpayKeys.length === 0 && platformCertificates === undefined) {
      note(['wechatpayKeys'], 'is empty: name a key, or let platformCertificates be fetched');
    }
    if (codePayments === 'v2' && apiV2KeyFile === undefined) {
      note(['apiV2KeyFile'], 'is needed: payment codes go over v2 unless codePayments is v3');
    }
    if (subMerchant?.mchId === mchId) note(['subMerchant', 'mchId'], 'is the service provider itself (mchId)');
  })
  .describe('One merchant account at WeChat Pay.');

/** One merchant account, loaded. */
export type WechatAccount = z.output<typeof WechatAccount> & AccountSettings;
