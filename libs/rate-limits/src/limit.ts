/** A token bucket: calls a second in the long run, and how many may come at once. */
export type Limit = {
  /** More than 0, at most 1,000,000. */
  readonly perSecond: number;
  /** At least 1, at most 1,000,000. */
  readonly burst: number;
};

/** Whose bucket: `merchant`, `terminal`, `source` and so on. For messages and metrics. */
export type BucketKind = string;

/** One bucket that a call takes a token from. */
export type Bucket = {
  readonly kind: BucketKind;
  /** Whose it is, within its kind; at most 128 characters. */
  readonly key: string;
  readonly limit: Limit;
};

/** Whether a call may go on. Refused: no bucket lost a token. */
export type Verdict =
  | { readonly allowed: true }
  | {
      readonly allowed: false;
      /** The bucket that is empty. */
      readonly bucket: Bucket;
      /** When it has a token again, ms. */
      readonly retryAfterMs: number;
    };

/** Between two tokens, microseconds. */
export const intervalUs = ({ perSecond }: Limit): number => 1e6 / perSecond;

/** How far a bucket may be ahead of the time: a full burst but for the call that asks, microseconds. */
export const toleranceUs = (limit: Limit): number => (limit.burst - 1) * intervalUs(limit);
