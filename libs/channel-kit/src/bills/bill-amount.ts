/** Decimals that amounts of bills have at most: WeChat Pay's fees have five. */
export const BILL_DECIMALS = 5;

const DECIMAL = /^(-?)([0-9]{1,12})(?:\.([0-9]{1,5}))?$/;
const UNITS_PER_CENT = 10n ** BigInt(BILL_DECIMALS - 2);

/** `-12.3` as 1/100,000 of the main unit, exactly; undefined for anything that is not such a number. */
export const parseBillAmount = (text: string): bigint | undefined => {
  const [, sign, whole, fraction = ''] = DECIMAL.exec(text) ?? [];
  if (whole === undefined) return undefined;
  const units = BigInt(whole + fraction.padEnd(BILL_DECIMALS, '0'));
  return sign === '-' ? -units : units;
};

/** Whole hundredths of what parseBillAmount gave; undefined where there are fractions of one. */
export const wholeCents = (units: bigint): bigint | undefined =>
  units % UNITS_PER_CENT === 0n ? units / UNITS_PER_CENT : undefined;

/** Hundredths, a half of one away from zero. */
export const roundedCents = (units: bigint): bigint => {
  const half = units < 0n ? -UNITS_PER_CENT / 2n : UNITS_PER_CENT / 2n;
  return (units + half) / UNITS_PER_CENT;
};
