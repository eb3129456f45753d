import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { LogConfig, port, type Secret, secretFile, z } from '@tillmesh/config';

const keyFile = (what: string, read: (pem: string) => KeyObject) =>
  secretFile(what).transform((secret: Secret, context): KeyObject => {
    try {
      return read(secret.reveal());
    } catch {
      context.addIssue({ code: 'custom', message: 'is not a PEM key' });
      return z.NEVER;
    }
  });

const privateKeyFile = (what: string) =>
  keyFile(what, createPrivateKey).describe(`Path of a PEM file that holds ${what}.`);
const publicKeyFile = (what: string) =>
  keyFile(what, createPublicKey).describe(`Path of a PEM file that holds ${what}.`);

const name = (what: string) => z.string().min(1).max(64).describe(what);
const keyOf32 = (what: string) =>
  secretFile(what).refine((secret) => Buffer.byteLength(secret.reveal()) === 32, 'has not 32 bytes');
const ordersMax = z.int().min(1).max(10_000_000).default(1_000_000).describe('Orders held at once; more are refused.');

const WechatAccountConfig = z.strictObject({
  accountId: name("The mesh's name of the account."),
  mchid: z
    .string()
    .regex(/^[0-9]{8,10}$/)
    .describe('Number of the merchant, 8 to 10 digits.'),
  appid: name('The application that pays belong to, such as wx8888888888888888.'),
  merchantSerialNo: z
    .string()
    .regex(/^[0-9A-F]{40}$/)
    .describe("Serial number of the merchant's certificate, 40 hex digits."),
  merchantPublicKeyFile: publicKeyFile("the merchant's public key"),
  apiV3KeyFile: keyOf32("the merchant's APIv3 key, 32 characters"),
  apiV2KeyFile: keyOf32("the merchant's v2 key, 32 characters"),
  appSecretFile: keyOf32("the application's secret, 32 characters, for web authorisation").optional(),
  signedWith: z
    .enum(['public_key', 'certificate'])
    .default('public_key')
    .describe('What WeChat Pay signs with for it where no request asks for a key.'),
  subMerchants: z
    .array(
      z.strictObject({
        accountId: name("The mesh's name of the account."),
        mchid: z
          .string()
          .regex(/^[0-9]{8,10}$/)
          .describe('Number of the merchant, 8 to 10 digits (sub_mchid).'),
        appid: name("The merchant's own application (sub_appid).").optional(),
      }),
    )
    .max(100)
    .default([])
    .describe('The merchants that this one works for as a service provider.'),
});

const WechatConfig = z
  .strictObject({
    platformPrivateKeyFile: privateKeyFile("WeChat Pay's private key"),
    publicKeyId: z
      .string()
      .regex(/^PUB_KEY_ID_[0-9A-Za-z]{1,64}$/)
      .describe('What Wechatpay-Serial says, PUB_KEY_ID_….'),
    certificateFile: secretFile("WeChat Pay's platform certificate"),
    certificateKeyFile: privateKeyFile("the platform certificate's private key"),
    accounts: z.array(WechatAccountConfig).min(1).max(100).describe('The merchants of WeChat Pay.'),
    codeOrderRevokedAfterMs: z
      .int()
      .min(1)
      .default(45_000)
      .describe('Unpaid orders by payment code are revoked after this long; 45 s in reality.'),
    refundTakesMs: z.int().min(0).default(1_000).describe('How long a refund is PROCESSING.'),
    refundGapMs: z
      .int()
      .min(0)
      .default(0)
      .describe('Refunds of one order have to be this far apart; 1 min in reality, 0 switches it off.'),
    ordersMax,
  })
  .describe('The simulated WeChat Pay.');

/** With both, the next certificate can be issued while the sandbox runs. */
const issuerFiles = {
  rootFile: secretFile('the authority above that certificate').optional(),
  rootKeyFile: privateKeyFile("the authority's private key").optional(),
};

const AlipayConfig = z
  .strictObject({
    privateKeyFile: privateKeyFile("Alipay's private key"),
    certificates: z
      .strictObject({
        certificateFile: secretFile("Alipay's certificate"),
        certificateKeyFile: privateKeyFile('the private key of that certificate'),
        ...issuerFiles,
      })
      .optional()
      .describe('For applications in certificate mode; without it there are none.'),
    accounts: z
      .array(
        z.strictObject({
          accountId: name("The mesh's name of the account."),
          appId: z
            .string()
            .regex(/^[0-9]{16}$/)
            .describe('Number of the application, 16 digits.'),
          sellerId: z
            .string()
            .regex(/^2088[0-9]{12}$/)
            .describe('Number of the merchant, 2088 and 12 digits.'),
          appPublicKeyFile: publicKeyFile("the application's public key"),
          appCertificateFile: secretFile("the application's certificate, for certificate mode").optional(),
        }),
      )
      .min(1)
      .max(100)
      .describe('The applications of Alipay.'),
    codeTradeClosedAfterMs: z
      .int()
      .min(1)
      .default(180_000)
      .describe('Unpaid trades by payment code are closed after this long; about 3 min in reality.'),
    timestampToleranceMs: z
      .int()
      .min(1_000)
      .default(24 * 3_600_000)
      .describe("How far a request's time stamp may be off."),
    ordersMax,
  })
  .describe('The simulated Alipay.');

const StripeConfig = z
  .strictObject({
    certificateFile: secretFile('the certificate that the simulated Stripe shows'),
    certificateKeyFile: secretFile("that certificate's private key"),
    accounts: z
      .array(
        z.strictObject({
          accountId: name("The mesh's name of the account."),
          stripeAccountId: z
            .string()
            .regex(/^acct_[0-9A-Za-z]{16}$/)
            .describe("Stripe's id of the account, acct_…."),
          secretKeyFile: secretFile("the account's secret key, sk_test_…"),
          webhookSecretFile: secretFile("the secret of the account's webhook endpoint, whsec_…"),
          webhookUrl: z
            .url({ protocol: /^https?$/ })
            .optional()
            .describe('The webhook endpoint of the account; without it nothing is told.'),
        }),
      )
      .min(1)
      .max(100)
      .describe('The accounts at Stripe.'),
    searchLagMs: z
      .int()
      .min(0)
      .default(1_000)
      .describe('A new intent is found by a search after this; under a minute in reality, and longer in an outage.'),
    refundTakesMs: z
      .int()
      .min(0)
      .default(1_000)
      .describe('How long a refund to a wallet is pending; to a card none is.'),
    idempotencyKeptMs: z
      .int()
      .min(1)
      .default(24 * 3_600_000)
      .describe('How long the first answer under an Idempotency-Key is given again; at least a day in reality.'),
    ordersMax,
  })
  .describe('The simulated Stripe.');

const UnionpayConfig = z
  .strictObject({
    privateKeyFile: privateKeyFile('what UnionPay signs with'),
    certificateFile: secretFile('its certificate, which stands in every answer'),
    ...issuerFiles,
    accounts: z
      .array(
        z.strictObject({
          accountId: name("The mesh's name of the account."),
          merId: z
            .string()
            .regex(/^[0-9]{15}$/)
            .describe('Number of the merchant, 15 digits.'),
          certId: z
            .string()
            .regex(/^[0-9]{1,40}$/)
            .describe("Serial number of the merchant's certificate, decimal."),
          merchantPublicKeyFile: publicKeyFile("the merchant's public key"),
        }),
      )
      .min(1)
      .max(100)
      .describe('The merchants of UnionPay.'),
    ordersMax,
  })
  .describe('The simulated UnionPay.');

const feePerTenThousand = (usual: number) =>
  z.int().min(0).max(10_000).default(usual).describe('What the channel takes of a payment.');

const isUnique = (values: readonly string[]): boolean => new Set(values).size === values.length;

export const SandboxConfig = z
  .strictObject({
    host: z.string().min(1).default('127.0.0.1').describe('Address to listen on.'),
    ports: z
      .strictObject({
        control: port.default(0),
        wechat: port.default(0),
        alipay: port.default(0),
        stripe: port.default(0),
        unionpay: port.default(0),
        second: z
          .strictObject({ wechat: port.default(0), alipay: port.default(0), unionpay: port.default(0) })
          .prefault({})
          .describe('The second addresses of the channels that have two, over the same orders.'),
      })
      .prefault({})
      .describe('A port for each; 0 takes a free one.'),
    portFile: z.string().min(1).optional().describe('The ports in use are written here as JSON once all listen.'),
    journalFile: z.string().min(1).optional().describe('What is to outlive the process; without it nothing does.'),
    logLevel: LogConfig,
    wechat: WechatConfig,
    alipay: AlipayConfig,
    stripe: StripeConfig,
    unionpay: UnionpayConfig,
    tls: z
      .strictObject({
        certificateFile: secretFile('the certificate that WeChat Pay, Alipay and UnionPay show'),
        certificateKeyFile: secretFile("that certificate's private key"),
      })
      .optional()
      .describe('Without it these channels speak plain HTTP.'),
    bills: z
      .strictObject({
        timeScale: z
          .number()
          .min(0)
          .max(1)
          .default(1)
          .describe(
            "Factor on the time from a day's beginning to its bill; 1 is the channels' real pace, 0 gives today's bill, of what has moved so far.",
          ),
        feesPerTenThousand: z
          .strictObject({
            wechat: feePerTenThousand(60),
            alipay: feePerTenThousand(60),
            stripe: feePerTenThousand(290),
            unionpay: feePerTenThousand(38),
          })
          .prefault({}),
      })
      .prefault({})
      .describe('What the bills say, and when.'),
    notifications: z
      .strictObject({
        timeScale: z
          .number()
          .positive()
          .max(1)
          .default(1)
          .describe("Factor on the waits between a notification's tries; 1 is the channels' real pace."),
        timeoutMs: z.int().min(1).max(60_000).default(5_000).describe('How long a merchant may take to answer.'),
        concurrentMax: z.int().min(1).max(1_000).default(32).describe('Notifications under way at once.'),
      })
      .prefault({})
      .describe('How the channels notify merchants.'),
    payers: z
      .strictObject({
        balanceFen: z
          .int()
          .min(0)
          .max(100_000_000_000)
          .default(100_000_000)
          .describe('What a new payer has; a million yuan unless said otherwise.'),
        paymentCodeValidMs: z.int().min(1).default(120_000).describe('How long a payment code can be used.'),
      })
      .prefault({})
      .describe('The simulated payers.'),
  })
  .refine(
    ({ wechat, alipay, stripe, unionpay }) =>
      isUnique(
        [
          ...wechat.accounts,
          ...wechat.accounts.flatMap(({ subMerchants }) => subMerchants),
          ...alipay.accounts,
          ...stripe.accounts,
          ...unionpay.accounts,
        ].map(({ accountId }) => accountId),
      ),
    'two accounts have the same accountId',
  )
  .refine(
    ({ wechat }) => isUnique(wechat.accounts.map(({ mchid }) => mchid)),
    'two WeChat accounts have the same mchid',
  )
  .refine(
    ({ alipay }) => isUnique(alipay.accounts.map(({ appId }) => appId)),
    'two Alipay accounts have the same appId',
  )
  .refine(
    ({ stripe }) => isUnique(stripe.accounts.map(({ secretKeyFile }) => secretKeyFile.reveal())),
    'two Stripe accounts have the same secret key',
  );

export type SandboxConfig = z.output<typeof SandboxConfig>;
