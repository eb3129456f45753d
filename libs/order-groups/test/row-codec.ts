import { systemRandom } from '@tillmesh/clock';
import { Secret } from '@tillmesh/config';
import { createRowCodec, type RowCodec } from '../src/payment-rows.ts';
import { openRowKeys } from '../src/row-keys.ts';

/** Keys of rows that are made for a test. */
export const testRowKeys = () => ({ current: 1, keys: [{ id: 1, keyFile: new Secret(systemRandom.hex(32)) }] });

/** A codec over keys of its own. */
export const rowCodec = (): RowCodec => createRowCodec(openRowKeys(testRowKeys()));
