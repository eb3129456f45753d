export type { Created } from './bounce.ts';
export { type Account, openConnection } from './connection.ts';
export { DatabaseError } from './database-error.ts';
export { differingField } from './differing-field.ts';
export type { DueItem, DueWork } from './due-work.ts';
export type { GroupStatus } from './group-client.ts';
export { UnknownGroup } from './group-clients.ts';
export { type GroupMap, GroupMapConfig, type GroupState, placementOf } from './group-map.ts';
export { type MigrationReport, migrateGroup } from './migrate.ts';
export type { AttemptPlan, NewPayment } from './order-group.ts';
export {
  createOrderGroups,
  createOrderReader,
  type OrderGroups,
  OrderGroupsConfig,
  type OrderReader,
  OrderReadersConfig,
} from './order-groups.ts';
export { ClockWentBack } from './order-number-source.ts';
export type { ReadPayment } from './payment-reader.ts';
export { asWritten, type StoredPayment, type StoredRefund } from './payment-rows.ts';
export type { Applied, AttemptNews, Continued } from './payment-store.ts';
export type { ChannelRefundNews, NewRefund, RefundCreated } from './refund-store.ts';
