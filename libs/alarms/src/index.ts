export {
  ALARMS_MAX,
  type Alarm,
  type AlarmBook,
  type AlarmNews,
  createAlarmBook,
  type Severity,
} from './alarm-book.ts';
export { type Alarms, AlarmsConfig, createAlarms } from './alarms.ts';
export { bindAlarms } from './bind-alarms.ts';
