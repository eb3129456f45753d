import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { AlarmService, AlarmSeverity } from '@tillmesh/proto/tillmesh/alarm/v1/alarm_service_pb.ts';
import { type Binding, bind } from '@tillmesh/rpc';
import type { Severity } from './alarm-book.ts';
import type { Alarms } from './alarms.ts';

const SEVERITY: Readonly<Record<Severity, AlarmSeverity>> = {
  urgent: AlarmSeverity.URGENT,
  watch: AlarmSeverity.WATCH,
};

/** What stands, for whoever asks the process. */
export const bindAlarms = (alarms: Pick<Alarms, 'standing' | 'dropped'>): Binding =>
  bind(AlarmService, {
    listAlarms: async () => ({
      alarms: alarms.standing().map(({ name, severity, labels, summary, raisedAtMs, lastSeenAtMs, times }) => ({
        name,
        severity: SEVERITY[severity],
        labels: { ...labels },
        summary,
        raisedAt: timestampFromMs(raisedAtMs),
        lastSeenAt: timestampFromMs(lastSeenAtMs),
        times: BigInt(times),
      })),
      dropped: BigInt(alarms.dropped()),
    }),
  });
