export type { Created } from './bounce.ts';
export type { MapChange, MapChanged } from './change-map.ts';
export { type Account, openConnection } from './connection.ts';
export { budgetLine } from './connection-budget.ts';
export { DatabaseError } from './database-error.ts';
export { differingField } from './differing-field.ts';
export type { DueItem, DueWork } from './due-work.ts';
export {
  createGroupAdministration,
  type GroupAdministration,
  type MoveRequest,
  tagsHeldBy,
  whyNotMovable,
} from './group-administration.ts';
export { UnknownGroup } from './group-clients.ts';
export {
  type GroupDescription,
  type GroupMap,
  GroupMapConfig,
  type GroupState,
  placementOf,
} from './group-map.ts';
export type { MapView } from './group-maps.ts';
export type { GroupStatus } from './group-watch.ts';
export { type MigrationReport, migrateGroup, migrateGroups } from './migrate.ts';
export type { MoveProgress, MoveReport } from './move/move-group.ts';
export { MoveRefused } from './move/move-refused.ts';
export { createProgressLines, progressLine } from './move/progress-line.ts';
export type { AttemptPlan, NewPayment } from './order-group.ts';
export {
  createOrderGroups,
  createOrderReader,
  GroupAdministrationConfig,
  type OrderGroups,
  OrderGroupsConfig,
  type OrderReader,
  OrderReadersConfig,
} from './order-groups.ts';
export { ClockWentBack } from './order-number-source.ts';
export type { ReadPayment } from './payment-reader.ts';
export type { Applied, AttemptNews, Continued } from './payment-store.ts';
export type { ChannelRefundNews, NewRefund, RefundCreated } from './refund-store.ts';
export { type RotationReport, rotateRowKeys } from './rotate-row-keys.ts';
export { openRowKeys, RowKeysConfig } from './row-keys.ts';
export { RowTampered } from './row-seal.ts';
export type { NodeFinding } from './safety-watch.ts';
export { SCHEMA_VERSION } from './schema.ts';
export { assertSchemas, type GroupSchema, SchemaBehind } from './schema-version.ts';
export { paymentAsWritten, type StoredPayment, type StoredRefund } from './stored-payment.ts';
