/** Whose money is moved. A payer cannot change wallet within a payment. */
export const WALLETS = ['wechat', 'wechat_hk', 'alipay', 'unionpay', 'card'] as const;
export type Wallet = (typeof WALLETS)[number];

/** How payer and merchant meet. */
export const PAYMENT_KINDS = [
  'payment_code',
  'merchant_qr',
  'jsapi',
  'mini_program',
  'app',
  'h5',
  'pc_redirect',
  'card',
] as const;
export type PaymentKind = (typeof PAYMENT_KINDS)[number];

// WeChat: 18 digits, 10 to 14 mainland, 15 Hong Kong. Alipay: 16 to 24 digits, 25 to 30. UnionPay: 19 digits, 62.
// Sources: research of the wallets' own documents; vectors in payment-code-detection.json. ASCII digits only: \d
// would do too, [0-9] says so.
const RULES: readonly (readonly [RegExp, Wallet])[] = [
  [/^1[0-4][0-9]{16}$/, 'wechat'],
  [/^15[0-9]{16}$/, 'wechat_hk'],
  [/^(?:2[5-9]|30)[0-9]{14,22}$/, 'alipay'],
  [/^62[0-9]{17}$/, 'unionpay'],
];

/** The wallet that issues such payment codes; undefined where none does. */
export const walletOfPaymentCode = (code: string): Wallet | undefined => RULES.find(([form]) => form.test(code))?.[1];
