import type { KeyObject } from 'node:crypto';

/** A merchant as UnionPay knows it. */
export type UnionpayAccount = {
  /** The mesh's name of the account; UnionPay does not know it. */
  readonly accountId: string;
  /** 15 digits. */
  readonly merId: string;
  /** Serial number of the merchant's certificate, decimal. */
  readonly certId: string;
  readonly merchantPublicKey: KeyObject;
};
