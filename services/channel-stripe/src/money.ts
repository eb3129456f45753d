import { type JsonObject, textAt, wholeNumberAt } from '@tillmesh/channel-kit';
import { type Money, parseMoney } from '@tillmesh/domain';

// Stripe counts in the currency's smallest unit, as we do: hundredths for most, whole ones for yen, won and the others without
// decimals. These are the currencies for which its unit is not the smallest one of ISO 4217, or for which it takes not every
// amount (docs.stripe.com/currencies, special cases and three decimals): a factor that is wrong once is a payment of a hundred times
// as much, so they are refused until somebody needs one.
const OTHER_UNITS: ReadonlySet<string> = new Set([
  'BHD',
  'IQD',
  'ISK',
  'JOD',
  'KWD',
  'LYD',
  'MGA',
  'OMR',
  'TND',
  'UGX',
]);

/** Whether an amount in our smallest unit is the amount that Stripe takes. */
export const hasStripesUnit = ({ currency }: Money): boolean => !OTHER_UNITS.has(currency);

/** The amount under a name, with the object's currency; undefined where it cannot be read. */
export const moneyIn = (content: JsonObject, name: string): Money | undefined => {
  const units = wholeNumberAt(content, name);
  // Stripe writes currencies in lower case; anything else is not from it.
  const currency = textAt(content, 'currency') ?? '';
  if (units === undefined || !/^[a-z]{3}$/.test(currency)) return undefined;
  const amount = parseMoney(currency.toUpperCase(), BigInt(units));
  return amount !== undefined && hasStripesUnit(amount) ? amount : undefined;
};
