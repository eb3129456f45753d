import type { Alarms } from '@tillmesh/alarms';
import type { Report } from '@tillmesh/proto/tillmesh/reconciliation/v1/reconciler_service_pb.ts';
import type { DiscrepancyClass } from '@tillmesh/reconciliation';
import { CLASS_RULES } from './class-rules.ts';
import { WIRE_CLASS } from './report-messages.ts';

const NAME = 'reconciliation_mismatch';

/** Raises an alarm for each class of which something is open, and ends those of the others. */
export const tellAlarms = (alarms: Pick<Alarms, 'raise' | 'end'>, report: Report): void => {
  const { channelId = '', accountId = '', day = '' } = report.bill ?? {};
  for (const [name, { severity }] of Object.entries(CLASS_RULES)) {
    const labels = { account: accountId, day, class: name };
    const count = report.classes.find((one) => one.class === WIRE_CLASS[name as DiscrepancyClass]);
    if (count === undefined || count.open === 0n) {
      alarms.end({ name: NAME, labels });
      continue;
    }
    const sums = count.sums.map(({ currency, minorUnits }) => `${minorUnits} ${currency}`).join(', ');
    alarms.raise({
      name: NAME,
      severity,
      labels,
      summary: `${channelId} ${accountId}, bill of ${day}: ${count.open} ${name} open, of ${count.count} (${sums} minor units in all)`,
    });
  }
};
