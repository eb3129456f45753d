import { equalMoney, type Payment } from '@tillmesh/domain';
import type { NewPayment } from './order-group.ts';

/** The first field, in the proto's words, in which a repeat differs from what was written; undefined where it is the same request. */
export const differingField = (asked: NewPayment, written: Payment): string | undefined => {
  if (!equalMoney(asked.amount, written.amount)) return 'amount';
  if (asked.kind !== written.kind) return 'kind';
  if (asked.wallet !== written.wallet) return 'wallet';
  if (asked.subject !== written.subject) return 'subject';
  if (asked.terminalId !== written.terminalId) return 'terminal_id';
  return asked.storeId === written.storeId ? undefined : 'store_id';
};
