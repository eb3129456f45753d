import type { CheckItem } from '@tillmesh/delay-queue';

/** A payment or a refund as the protos name it. */
export type WireItem = {
  readonly case: 'orderNo' | 'refundNo' | undefined;
  readonly value?: string | undefined;
};

/** What a caller or the order store names; undefined where it names nothing. */
export const itemFromWire = ({ case: kind, value = '' }: WireItem): CheckItem | undefined =>
  kind === undefined ? undefined : { kind: kind === 'orderNo' ? 'payment' : 'refund', number: value };

/** The same for the wire. */
export const itemToWire = ({ kind, number }: CheckItem) =>
  ({ case: kind === 'payment' ? 'orderNo' : 'refundNo', value: number }) as const;
