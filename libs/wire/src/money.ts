import type { MessageInitShape } from '@bufbuild/protobuf';
import { type Money, parseMoney } from '@tillmesh/domain';
import type { MoneySchema, Money as WireMoney } from '@tillmesh/proto/tillmesh/money/v1/money_pb.ts';

/** An amount for the wire. */
export const moneyToWire = (amount: Money): MessageInitShape<typeof MoneySchema> => ({
  currency: amount.currency,
  minorUnits: amount.minorUnits,
});

/** The amount, or undefined where there is none or where it is out of range. */
export const moneyFromWire = (amount: WireMoney | undefined): Money | undefined =>
  amount === undefined ? undefined : parseMoney(amount.currency, amount.minorUnits);
