import type { Severity } from '@tillmesh/alarms';
import type { DiscrepancyClass } from '@tillmesh/reconciliation';

/**
 * What is done about a class by itself.
 * - `query`: the syncer asks the channel once more, where we do not know the end yet.
 * - `neighbour_bill`: the bills of the day before and the day after are looked into.
 * - `none`: a person decides. Nobody's money is moved because two books differ.
 */
export type ClassRule = {
  readonly repair: 'query' | 'neighbour_bill' | 'none';
  /** Of the alarm about what is not repaired. */
  readonly severity: Severity;
};

/** The rule of each class. */
export const CLASS_RULES: Readonly<Record<DiscrepancyClass, ClassRule>> = {
  long: { repair: 'neighbour_bill', severity: 'urgent' },
  short: { repair: 'query', severity: 'urgent' },
  unknown_order: { repair: 'none', severity: 'urgent' },
  amount: { repair: 'none', severity: 'urgent' },
  state: { repair: 'none', severity: 'urgent' },
  fee: { repair: 'none', severity: 'watch' },
  duplicate: { repair: 'none', severity: 'urgent' },
  cross_day: { repair: 'neighbour_bill', severity: 'watch' },
};
