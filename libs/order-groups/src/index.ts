export { BOOKS_READ_MAX, type BookedRefund, type BookRange, type BookRun, type Books } from './books.ts';
export type { Created } from './bounce.ts';
export {
  CHANGES_READ_MAX,
  type Change,
  type ChangeFeed,
  type ChangeLine,
  type IdRange,
  type PaymentWithRefunds,
  RANGES_READ_MAX,
} from './change-feed.ts';
export type { MapChange, MapChanged } from './change-map.ts';
export { type ColumnCipher, createColumnCipher } from './column-cipher.ts';
export { big, optionalBytes, optionalText, optionalWhole, text, whole } from './columns.ts';
export {
  type Account,
  bigintParameter,
  type Connection,
  type Deadline,
  openConnection,
  type Parameter,
  type Row,
  type Statement,
} from './connection.ts';
export { budgetLine } from './connection-budget.ts';
export { type ConnectionPool, createConnectionPool } from './connection-pool.ts';
export { DatabaseError, OWN_CODES } from './database-error.ts';
export { differingField } from './differing-field.ts';
export type { DueItem, DueWork } from './due-work.ts';
export type { Follower, FollowerPlaces, FollowSettings } from './follow/follow-group.ts';
export { followGroups } from './follow/follow-groups.ts';
export {
  createGroupAdministration,
  type GroupAdministration,
  type MoveRequest,
  tagsHeldBy,
  whyNotMovable,
} from './group-administration.ts';
export { UnknownGroup } from './group-clients.ts';
export {
  type Endpoint,
  type GroupDescription,
  type GroupMap,
  GroupMapConfig,
  type GroupState,
  placementOf,
} from './group-map.ts';
export type { MapView } from './group-maps.ts';
export type { GroupStatus } from './group-watch.ts';
export type { StreamName } from './list-statements.ts';
export { type MigrationReport, migrateGroup, migrateGroups } from './migrate.ts';
export type { MoveProgress, MoveReport } from './move/move-group.ts';
export { MoveRefused } from './move/move-refused.ts';
export { createProgressLines, progressLine } from './move/progress-line.ts';
export {
  OPEN_PAGE_MAX,
  type OpenItem,
  type OpenWorkCount,
  type OpenWorkFilter,
  type OpenWorkPage,
  type OpenWorkPlace,
} from './open-work.ts';
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
export { type GroupScan, type MergedPage, mergePage, type PagePosition, placeOf } from './page-position.ts';
export type { ListedPage, ListQuestion, PaymentLists } from './payment-lists.ts';
export type { ReadPayment, ReadTrajectory } from './payment-reader.ts';
export type { Applied, AttemptNews, Continued } from './payment-store.ts';
export { connectToPrimary, isWritable } from './primary-connection.ts';
export type { ChannelRefundNews, NewRefund, RefundCreated } from './refund-store.ts';
export { type RotationReport, rotateRowKeys } from './rotate-row-keys.ts';
export { openRowKeys, RowKeysConfig } from './row-keys.ts';
export { RowTampered } from './row-seal.ts';
export type { NodeFinding } from './safety-watch.ts';
export { SCHEMA_VERSION } from './schema.ts';
export { assertSchemas, type GroupSchema, SchemaBehind } from './schema-version.ts';
export { type KeptStatement, STATEMENTS_MAX, type Stated, type StatementStore } from './statement-store.ts';
export { paymentAsWritten, type StoredPayment, type StoredRefund } from './stored-payment.ts';
export { TRAJECTORY_LINES_MAX, type Trajectory, type TrajectoryRow } from './trajectory.ts';
export { transaction } from './transaction.ts';
