import type { Clock } from '@tillmesh/clock';
import { createListStore, type ListStore } from '@tillmesh/merchant-lists';
import { createColumnCipher, openRowKeys } from '@tillmesh/order-groups';
import type { ProjectorConfig } from './config.ts';

/** Opens the lists; what stands in them is encrypted with the keys of the orders. */
export const openStore = ({ store, orders }: Pick<ProjectorConfig, 'store' | 'orders'>, clock: Clock): ListStore =>
  createListStore({ config: store, cipher: createColumnCipher(openRowKeys(orders.rowKeys)), clock });
