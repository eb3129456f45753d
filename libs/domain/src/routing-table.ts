import type { AccountId, ChannelId, MerchantId } from './ids.ts';
import type { MerchantWebhook } from './merchant-event.ts';
import type { Currency } from './money.ts';
import type { PaymentKind, Wallet } from './wallet.ts';

/** Whose days count where a table names no time zone: that of the wallets that are taken. */
export const DEFAULT_TIME_ZONE = 'Asia/Shanghai';

/** What an account may take on one day of its own time zone. */
export type DayLimit = {
  /** IANA name, such as `Asia/Shanghai`: the day begins at midnight there. */
  readonly timeZone: string;
  /** In minor units; undefined where only the number of payments counts. */
  readonly amountMax: bigint | undefined;
  /** Payments; undefined where only the amount counts. */
  readonly countMax: number | undefined;
};

/** Who may use an account that is being released: those payments prefer it, all others never see it. */
export type GreyRelease = {
  /** Share of all payments, 0 to 100, by a stable hash of the merchant's order number. */
  readonly percent: number;
  /** Merchants whose payments all take part. */
  readonly merchantIds: readonly MerchantId[];
};

/** An account at a channel, as routing sees it. */
export type RoutedAccount = {
  readonly accountId: AccountId;
  readonly channelId: ChannelId;
  readonly wallets: readonly Wallet[];
  readonly kinds: readonly PaymentKind[];
  readonly currencies: readonly Currency[];
  /** The most one payment may be, in minor units. */
  readonly amountMax: bigint;
  /** Lower is tried first. */
  readonly rank: number;
  /** What the channel keeps of a payment, in hundredths of a percent: of equal rank the cheaper is tried first. */
  readonly feeBasisPoints: number;
  /** Share among accounts of equal rank and fee. */
  readonly weight: number;
  readonly dayLimit: DayLimit | undefined;
  /** Undefined where the account is released to all. */
  readonly grey: GreyRelease | undefined;
  readonly enabled: boolean;
  readonly stateNote: string;
};

/** A merchant's own wish for some of its payments; an empty list or an undefined bound means all. */
export type MerchantRule = {
  readonly wallets: readonly Wallet[];
  readonly kinds: readonly PaymentKind[];
  /** In minor units, both included. */
  readonly amountMin: bigint | undefined;
  readonly amountMax: bigint | undefined;
  /** Tried before all others, in this order. */
  readonly prefer: readonly AccountId[];
  /** Never tried. */
  readonly exclude: readonly AccountId[];
};

export type RoutedMerchant = {
  readonly displayName: string;
  readonly accountIds: readonly AccountId[];
  /** All that fit a payment hold; of several that prefer, the first. */
  readonly rules: readonly MerchantRule[];
  /** Where it is told what became of its payments and refunds. */
  readonly webhooks: readonly MerchantWebhook[];
};

/** One step of a return: so much of its payments, for so long. */
export type ReturnStep = { readonly sharePercent: number; readonly ms: number };

/** How health turns into shares of new payments. */
export type HealthPolicy = {
  /** After a sickness, one after the other; then everything. Shares grow. */
  readonly returnSteps: readonly ReturnStep[];
  /** A rate of success of so much or more is as good as all. */
  readonly goodPercent: number;
  /** A rate of success of so much or less leaves the smallest share. */
  readonly badPercent: number;
  /** Fewer outcomes in the window say nothing. */
  readonly outcomesMin: number;
  /** What another process reported longer ago says nothing. */
  readonly reportAgeMsMax: number;
};

/** As long as a table says nothing else. */
export const DEFAULT_HEALTH_POLICY: HealthPolicy = {
  returnSteps: [
    { sharePercent: 5, ms: 1_000 },
    { sharePercent: 25, ms: 2_000 },
    { sharePercent: 50, ms: 2_000 },
  ],
  goodPercent: 95,
  badPercent: 50,
  outcomesMin: 20,
  reportAgeMsMax: 5_000,
};

/** Everything that a choice depends on beside health and chance; a value, so that a choice can be repeated. */
export type RoutingTable = {
  readonly version: bigint;
  readonly merchants: ReadonlyMap<MerchantId, RoutedMerchant>;
  readonly accounts: ReadonlyMap<AccountId, RoutedAccount>;
  readonly healthPolicy: HealthPolicy;
};
