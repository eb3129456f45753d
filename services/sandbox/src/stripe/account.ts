/** An account as Stripe knows it. */
export type StripeAccount = {
  /** The mesh's name of the account; Stripe does not know it. */
  readonly accountId: string;
  /** `acct_…`. */
  readonly stripeAccountId: string;
  readonly secretKey: string;
  readonly webhookSecret: string;
  /** The account's one webhook endpoint; without it nothing is told. */
  readonly webhookUrl: string | undefined;
};
