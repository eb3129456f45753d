import type { KeyObject } from 'node:crypto';

/** A merchant's application as Alipay knows it. */
export type AlipayAccount = {
  /** The mesh's name of the account; Alipay does not know it. */
  readonly accountId: string;
  readonly appId: string;
  /** The merchant behind the application: 16 digits that begin with 2088. */
  readonly sellerId: string;
  readonly appPublicKey: KeyObject;
  /** Number of the application's certificate; undefined where it has none. */
  readonly appCertSn: string | undefined;
};
