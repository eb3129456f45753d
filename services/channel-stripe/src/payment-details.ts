import { isJsonObject, type JsonObject, type ToldDetails, toldValue } from '@tillmesh/channel-kit';
import type { Funding } from '@tillmesh/domain';
import { moneyIn } from './money.ts';

const KINDS: ReadonlyMap<string, Funding['kind']> = new Map([
  ['credit', 'credit'],
  ['debit', 'debit'],
  ['prepaid', 'prepaid'],
]);

const objectIn = (value: unknown, name: string): JsonObject | undefined =>
  isJsonObject(value) && isJsonObject(value[name]) ? value[name] : undefined;
const textIn = (value: JsonObject | undefined, name: string): string | undefined => {
  const text = value?.[name];
  return typeof text === 'string' && text !== '' ? text : undefined;
};

const accountOf = (last4: unknown): string | undefined =>
  typeof last4 === 'string' && /^[0-9]{4}$/.test(last4) ? `**** ${last4}` : undefined;

/**
 * What an intent with its charge tells: `amount_received`; `payment_method_details` of the charge (the wallet's `buyer_id`, or the `fingerprint` of the card
 * or the wallet; `card.last4`, `.funding`, `.brand`); `amount` of its balance_transaction, where a query has asked for that. A webhook has the charge's id alone.
 */
export const detailsOfIntent = (content: JsonObject): ToldDetails => {
  const charge = objectIn(content, 'latest_charge');
  const method = objectIn(charge, 'payment_method_details');
  const type = textIn(method, 'type') ?? '';
  const of = objectIn(method, type);
  const balance = objectIn(charge, 'balance_transaction');
  return {
    payerId: textIn(of, 'buyer_id') ?? textIn(of, 'fingerprint'),
    payerAccount: toldValue(of?.['last4'], accountOf),
    funding:
      type === ''
        ? undefined
        : { kind: KINDS.get(textIn(of, 'funding') ?? '') ?? 'other', source: textIn(of, 'brand') ?? type },
    payerPaid: toldValue(content['amount_received'], () => moneyIn(content, 'amount_received')),
    settled: toldValue(balance?.['amount'], () => balance && moneyIn(balance, 'amount')),
  };
};
