import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import {
  DETAIL_FIELDS,
  type DetailField,
  type Discount,
  detailsOf,
  type KnownDetails,
  type Payment,
  type PaymentDetails,
  type Succeeded,
  soundDetails,
} from '@tillmesh/domain';
import {
  type DetailOriginSchema,
  type DiscountSchema,
  type PaymentDetailsSchema,
  type PaymentDetails as WireDetails,
  type Discount as WireDiscount,
  DetailField as WireField,
} from '@tillmesh/proto/tillmesh/payment/v1/payment_details_pb.ts';
import { discountFunderMap, discountKindMap, fundingKindMap, learnedByMap } from './enums.ts';
import { moneyFromWire, moneyToWire } from './money.ts';

const FIELD_TO_WIRE: Readonly<Record<DetailField, WireField>> = {
  payerId: WireField.PAYER_ID,
  payerAccount: WireField.PAYER_ACCOUNT,
  funding: WireField.FUNDING,
  discounts: WireField.DISCOUNTS,
  payerPaid: WireField.PAYER_PAID,
  settled: WireField.SETTLED,
};

const discountToWire = ({ kind, name, id, amount, fundedBy }: Discount): MessageInitShape<typeof DiscountSchema> => ({
  kind: discountKindMap.toWire(kind),
  name,
  discountId: id,
  amount: moneyToWire(amount),
  fundedBy: discountFunderMap.toWire(fundedBy),
});

const payerToWire = ({ payerId, payerAccount, funding }: PaymentDetails) =>
  payerId === undefined && payerAccount === undefined && funding === undefined
    ? undefined
    : {
        payerId: payerId ?? '',
        account: payerAccount ?? '',
        ...(funding === undefined
          ? {}
          : { funding: fundingKindMap.toWire(funding.kind), fundingSource: funding.source }),
      };

const plainDetails = (details: PaymentDetails) => {
  const payer = payerToWire(details);
  const { discounts, payerPaid, settled } = details;
  return {
    ...(payer === undefined ? {} : { payer }),
    ...(discounts === undefined ? {} : { discounts: { discounts: discounts.map(discountToWire) } }),
    ...(payerPaid === undefined ? {} : { payerPaid: moneyToWire(payerPaid) }),
    ...(settled === undefined ? {} : { settled: moneyToWire(settled) }),
  };
};

/** What a channel told of a success, for the wire. */
export const detailsToWire = (
  details: PaymentDetails,
  of: Pick<Succeeded, 'channelTransactionId' | 'paidAtMs'>,
): MessageInitShape<typeof PaymentDetailsSchema> => ({
  ...plainDetails(details),
  channelTransactionId: of.channelTransactionId,
  paidAt: timestampFromMs(of.paidAtMs),
});

const originsOf = (details: KnownDetails): MessageInitShape<typeof DetailOriginSchema>[] =>
  DETAIL_FIELDS.flatMap((field) => {
    const from = details[field]?.from;
    return from === undefined ? [] : [{ field: FIELD_TO_WIRE[field], learnedBy: learnedByMap.toWire(from) }];
  });

/** What is known of a payment, for its callers. Undefined where it is not paid. */
export const knownDetailsToWire = (payment: Payment): MessageInitShape<typeof PaymentDetailsSchema> | undefined => {
  const { state, details = {}, attempts, paidAtMs } = payment;
  if (state !== 'succeeded') return undefined;
  return {
    ...plainDetails(detailsOf(details)),
    channelTransactionId: attempts.find((attempt) => attempt.state === 'succeeded')?.channelTransactionId ?? '',
    ...(paidAtMs === undefined ? {} : { paidAt: timestampFromMs(paidAtMs) }),
    origins: originsOf(details),
  };
};

const discountFromWire = (discount: WireDiscount): Discount | undefined => {
  const amount = moneyFromWire(discount.amount);
  const kind = discountKindMap.fromWire(discount.kind);
  const fundedBy = discountFunderMap.fromWire(discount.fundedBy);
  return amount === undefined || kind === undefined || fundedBy === undefined
    ? undefined
    : { kind, name: discount.name, id: discount.discountId, amount, fundedBy };
};

const discountsFromWire = (discounts: readonly WireDiscount[]): readonly Discount[] | undefined => {
  const read = discounts.flatMap((discount) => discountFromWire(discount) ?? []);
  // A list with one that nobody can read is no list of all.
  return read.length === discounts.length ? read : undefined;
};

const nonEmpty = (text: string | undefined): string | undefined => (text === '' ? undefined : text);

/** What an adapter says that its channel told of a success; what cannot be right is left out, as the adapter should have. */
export const detailsFromWire = (
  wire: WireDetails | undefined,
  paid: Parameters<typeof soundDetails>[1],
): PaymentDetails => {
  const { payer } = wire ?? {};
  const kind = payer && fundingKindMap.fromWire(payer.funding);
  const told: PaymentDetails = {
    payerId: nonEmpty(payer?.payerId),
    payerAccount: nonEmpty(payer?.account),
    funding:
      payer === undefined || kind === undefined || payer.fundingSource === ''
        ? undefined
        : { kind, source: payer.fundingSource },
    discounts: wire?.discounts && discountsFromWire(wire.discounts.discounts),
    payerPaid: moneyFromWire(wire?.payerPaid),
    settled: moneyFromWire(wire?.settled),
  };
  return soundDetails(told, paid).details;
};
