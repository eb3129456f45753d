import {
  ATTEMPT_STATES,
  DECLINE_REASONS,
  LEARNED_BY,
  PAYMENT_KINDS,
  PAYMENT_STATES,
  REFUND_CAUSES,
  REFUND_STATES,
  STATED_OUTCOMES,
  WALLETS,
} from '@tillmesh/domain';
import type { Statement } from './connection.ts';
import { ddl } from './ddl.ts';
import { LATER_PARTITION } from './partitions.ts';
import { KEEPERS, STATEMENT_TRIGGERS, TRIGGERS } from './triggers.ts';

/** One step of the schema; the same in every group, run in order, never changed once released. */
export type Migration = { readonly version: number; readonly title: string; readonly statements: readonly Statement[] };

const oneOf = (words: readonly string[]): string => `ENUM(${words.map((word) => `'${word}'`).join(', ')})`;

const ASCII = 'CHARACTER SET ascii COLLATE ascii_bin';
const INNODB = 'ENGINE=InnoDB DEFAULT CHARSET=utf8mb4';
// Order numbers begin with the day: old days are dropped whole. What comes first lies in the last partition until days are made.
const BY_DAY = `PARTITION BY RANGE (order_no) (PARTITION ${LATER_PARTITION} VALUES LESS THAN MAXVALUE)`;

const payment = `CREATE TABLE payment (
  order_no BIGINT UNSIGNED NOT NULL PRIMARY KEY COMMENT 'day, ms, group, worker, sequence: time first',
  merchant_id VARCHAR(32) ${ASCII} NOT NULL,
  merchant_order_no VARCHAR(64) ${ASCII} NOT NULL,
  currency CHAR(3) ${ASCII} NOT NULL,
  amount BIGINT UNSIGNED NOT NULL COMMENT 'minor units',
  kind ${oneOf(PAYMENT_KINDS)} NOT NULL,
  wallet ${oneOf(WALLETS)} NOT NULL,
  subject VARBINARY(600) NOT NULL COMMENT 'encrypted',
  state ${oneOf(PAYMENT_STATES)} NOT NULL,
  version INT UNSIGNED NOT NULL,
  attempt_count TINYINT UNSIGNED NOT NULL,
  action BLOB NULL COMMENT 'encrypted JSON: what the payer has to do',
  learned_by ${oneOf(LEARNED_BY)} NULL,
  decline_reason ${oneOf(DECLINE_REASONS)} NULL,
  paid_at BIGINT NULL COMMENT 'ms since 1970, as the channel says',
  refund_reserved BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'minor units held by refunds',
  refunded BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'minor units given back',
  terminal_id VARCHAR(32) ${ASCII} NOT NULL,
  store_id VARCHAR(32) ${ASCII} NOT NULL,
  traceparent VARCHAR(64) ${ASCII} NOT NULL,
  needs_person VARCHAR(255) NOT NULL DEFAULT '',
  created_at BIGINT NOT NULL COMMENT 'ms since 1970',
  expire_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  next_check_at BIGINT NULL COMMENT 'when the syncer looks; NULL when nothing is open',
  check_count INT UNSIGNED NOT NULL DEFAULT 0,
  map_version BIGINT UNSIGNED NOT NULL COMMENT 'the map that placed the order; the fence of its INSERT',
  jumped_from TINYINT UNSIGNED NULL COMMENT 'the home that the order avoided',
  jumped_to BIGINT UNSIGNED NULL COMMENT 'of a stub: the order that has the merchant number',
  seal VARBINARY(17) NOT NULL COMMENT 'key id and integrity code over the money',
  account_id VARCHAR(32) ${ASCII} NOT NULL COMMENT 'attempt 1 stands in the payment itself, up to settled_at',
  channel_id VARCHAR(32) ${ASCII} NOT NULL,
  token VARCHAR(32) ${ASCII} NOT NULL COMMENT 'of the caller that wrote it',
  attempt_state ${oneOf(ATTEMPT_STATES)} NOT NULL,
  channel_transaction_id VARCHAR(64) NULL,
  channel_code VARCHAR(64) NOT NULL DEFAULT '',
  rule_id VARCHAR(128) NOT NULL DEFAULT '',
  attempt_learned_by ${oneOf(LEARNED_BY)} NULL,
  route_reason VARCHAR(255) NOT NULL,
  settled_at BIGINT NULL,
  created_by VARCHAR(64) ${ASCII} NOT NULL COMMENT 'with created_at and version 1 the first line of the trajectory',
  event_attempt_no TINYINT UNSIGNED NULL COMMENT 'the trigger makes the next line of these',
  event_attempt_state ${oneOf(ATTEMPT_STATES)} NULL,
  event_code VARCHAR(64) NOT NULL DEFAULT '',
  event_source VARCHAR(64) ${ASCII} NOT NULL,
  KEY due (next_check_at),
  KEY of_merchant (merchant_id, order_no),
  CONSTRAINT refunds_within_amount CHECK (refund_reserved <= amount AND refunded <= refund_reserved)
) ${INNODB} ${BY_DAY}`;

const attempt = `CREATE TABLE attempt (
  order_no BIGINT UNSIGNED NOT NULL,
  attempt_no TINYINT UNSIGNED NOT NULL COMMENT '2 to 9',
  account_id VARCHAR(32) ${ASCII} NOT NULL,
  channel_id VARCHAR(32) ${ASCII} NOT NULL,
  token VARCHAR(32) ${ASCII} NOT NULL,
  attempt_state ${oneOf(ATTEMPT_STATES)} NOT NULL,
  channel_transaction_id VARCHAR(64) NULL,
  channel_code VARCHAR(64) NOT NULL DEFAULT '',
  rule_id VARCHAR(128) NOT NULL DEFAULT '',
  attempt_learned_by ${oneOf(LEARNED_BY)} NULL,
  route_reason VARCHAR(255) NOT NULL,
  started_at BIGINT NOT NULL,
  settled_at BIGINT NULL,
  PRIMARY KEY (order_no, attempt_no),
  CONSTRAINT attempt_has_one_digit CHECK (attempt_no BETWEEN 2 AND 9)
) ${INNODB} ${BY_DAY}`;

const refund = `CREATE TABLE refund (
  refund_no BIGINT UNSIGNED NOT NULL,
  order_no BIGINT UNSIGNED NOT NULL,
  merchant_refund_no VARCHAR(64) ${ASCII} NOT NULL,
  currency CHAR(3) ${ASCII} NOT NULL,
  amount BIGINT UNSIGNED NOT NULL,
  state ${oneOf(REFUND_STATES)} NOT NULL,
  cause ${oneOf(REFUND_CAUSES)} NOT NULL,
  reason VARBINARY(400) NOT NULL COMMENT 'encrypted',
  attempt_no TINYINT UNSIGNED NOT NULL,
  channel_refund_id VARCHAR(64) NOT NULL DEFAULT '',
  channel_code VARCHAR(64) NOT NULL DEFAULT '',
  learned_by ${oneOf(LEARNED_BY)} NULL,
  needs_person VARCHAR(255) NOT NULL DEFAULT '',
  version INT UNSIGNED NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  settled_at BIGINT NULL,
  next_check_at BIGINT NULL,
  check_count INT UNSIGNED NOT NULL DEFAULT 0,
  seal VARBINARY(17) NOT NULL,
  event_source VARCHAR(64) ${ASCII} NOT NULL,
  PRIMARY KEY (order_no, refund_no),
  UNIQUE KEY merchant_refund (order_no, merchant_refund_no),
  KEY by_number (refund_no),
  KEY due (next_check_at)
) ${INNODB} ${BY_DAY}`;

const trajectory = `CREATE TABLE trajectory (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  order_no BIGINT UNSIGNED NOT NULL,
  refund_no BIGINT UNSIGNED NULL,
  happened_at BIGINT NOT NULL,
  event VARCHAR(32) ${ASCII} NOT NULL,
  state VARCHAR(16) ${ASCII} NOT NULL,
  version INT UNSIGNED NOT NULL,
  attempt_no TINYINT UNSIGNED NULL,
  attempt_state VARCHAR(16) ${ASCII} NULL,
  learned_by VARCHAR(16) ${ASCII} NULL,
  code VARCHAR(64) NOT NULL,
  source VARCHAR(64) ${ASCII} NOT NULL,
  PRIMARY KEY (id, order_no),
  KEY by_order (order_no, id)
) ${INNODB} ${BY_DAY}`;

const personStatement = `CREATE TABLE person_statement (
  order_no BIGINT UNSIGNED NOT NULL,
  item BIGINT UNSIGNED NOT NULL COMMENT 'the attempt, 1 to 9, or the number of the refund',
  statement_no SMALLINT UNSIGNED NOT NULL,
  person VARCHAR(64) NOT NULL,
  outcome ${oneOf(STATED_OUTCOMES)} NOT NULL,
  channel_transaction_id VARCHAR(64) NOT NULL COMMENT 'empty where no money moved',
  happened_at BIGINT NULL COMMENT 'when the money moved, ms since 1970',
  evidence VARCHAR(1000) NOT NULL COMMENT 'where it can be seen',
  said_at BIGINT NOT NULL,
  said_through VARCHAR(64) ${ASCII} NOT NULL COMMENT 'the service that was told',
  PRIMARY KEY (order_no, item, statement_no)
) ${INNODB} ${BY_DAY}`;

// Narrow, and not partitioned: a number is unique over all days. Its clustered index is the unique key itself.
const merchantOrder = `CREATE TABLE merchant_order (
  merchant_id VARCHAR(32) ${ASCII} NOT NULL,
  merchant_order_no VARCHAR(64) ${ASCII} NOT NULL,
  order_no BIGINT UNSIGNED NOT NULL,
  arrival BIGINT UNSIGNED NOT NULL AUTO_INCREMENT COMMENT 'in what order new orders came: the outbox of those that follow them',
  UNIQUE KEY merchant_order (merchant_id, merchant_order_no),
  KEY by_arrival (arrival, order_no)
) ENGINE=InnoDB`;

const jumpClaim = `CREATE TABLE jump_claim (
  merchant_id VARCHAR(32) ${ASCII} NOT NULL,
  merchant_order_no VARCHAR(64) ${ASCII} NOT NULL,
  order_no BIGINT UNSIGNED NOT NULL,
  state ENUM('open', 'bound', 'abandoned') NOT NULL,
  home_tag TINYINT UNSIGNED NOT NULL,
  is_closed BOOLEAN NOT NULL DEFAULT FALSE COMMENT 'the sweep has brought it to its end',
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (merchant_id, merchant_order_no),
  KEY to_sweep (is_closed, created_at)
) ENGINE=InnoDB`;

const pendingEvent = `CREATE TABLE pending_event (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  group_tag TINYINT UNSIGNED NOT NULL COMMENT 'the group that could not take it',
  digest BINARY(16) NOT NULL COMMENT 'the same news twice is one event',
  number BIGINT UNSIGNED NOT NULL COMMENT 'of the payment or the refund',
  kind ENUM('attempt', 'refund') NOT NULL,
  news BLOB NOT NULL COMMENT 'encrypted JSON',
  created_at BIGINT NOT NULL,
  replayed_at BIGINT NULL,
  UNIQUE KEY same_news (number, digest),
  KEY to_replay (group_tag, replayed_at, id)
) ENGINE=InnoDB`;

const groupMove = `CREATE TABLE group_move (
  source_tag TINYINT UNSIGNED NOT NULL PRIMARY KEY COMMENT 'the group whose orders come here',
  started_at BIGINT NOT NULL,
  watermark BIGINT UNSIGNED NOT NULL COMMENT 'copies are as new as this id of the source’s trajectory',
  last_key BIGINT UNSIGNED NOT NULL COMMENT 'orders of the source up to this one were copied',
  copied BIGINT UNSIGNED NOT NULL COMMENT 'orders'
) ${INNODB}`;

const groupTables: readonly Statement[] = [
  ddl(
    'CREATE TABLE group_epoch',
    `CREATE TABLE group_epoch (
      id TINYINT UNSIGNED NOT NULL PRIMARY KEY,
      map_version BIGINT UNSIGNED NOT NULL COMMENT 'the fence: a writer that holds another map writes no new order',
      mode ENUM('RW', 'RO') NOT NULL COMMENT 'RO: nothing here changes any more'
    ) ENGINE=InnoDB`,
  ),
  ddl('INSERT group_epoch', "INSERT INTO group_epoch (id, map_version, mode) VALUES (1, 1, 'RW')"),
  ddl(
    'CREATE TABLE group_map',
    `CREATE TABLE group_map (
      version BIGINT UNSIGNED NOT NULL PRIMARY KEY,
      state ENUM('prepared', 'active') NOT NULL,
      content MEDIUMTEXT NOT NULL COMMENT 'JSON',
      reason VARCHAR(255) NOT NULL,
      created_at BIGINT NOT NULL,
      activated_at BIGINT NULL
    ) ${INNODB}`,
  ),
  ddl(
    'CREATE TABLE heartbeat',
    `CREATE TABLE heartbeat (
      instance_id INT UNSIGNED NOT NULL PRIMARY KEY,
      beat_at BIGINT NOT NULL,
      beats BIGINT UNSIGNED NOT NULL DEFAULT 0
    ) ENGINE=InnoDB`,
  ),
  ddl(
    'CREATE TABLE worker_lease',
    `CREATE TABLE worker_lease (
      worker_id TINYINT UNSIGNED NOT NULL PRIMARY KEY,
      holder VARCHAR(64) ${ASCII} NOT NULL,
      renewals BIGINT UNSIGNED NOT NULL,
      numbers_until BIGINT NOT NULL COMMENT 'ms since 1970: the holder draws no number beyond it'
    ) ENGINE=InnoDB`,
  ),
];

/** Every step of the schema, in order. */
export const MIGRATIONS: readonly Migration[] = [
  {
    version: 1,
    title: 'payments, attempts, refunds, claims, trajectory, maps and leases',
    statements: [
      ...groupTables,
      ddl('CREATE TABLE merchant_order', merchantOrder),
      ddl('CREATE TABLE payment', payment),
      ddl('CREATE TABLE attempt', attempt),
      ddl('CREATE TABLE refund', refund),
      ddl('CREATE TABLE trajectory', trajectory),
      ddl('CREATE TABLE jump_claim', jumpClaim),
      ddl('CREATE TABLE pending_event', pendingEvent),
      ddl('CREATE TABLE group_move', groupMove),
      ...TRIGGERS,
    ],
  },
  { version: 2, title: 'money, numbers and trajectory that nobody changes', statements: KEEPERS },
  {
    version: 3,
    title: 'what persons say of payments that no channel settles',
    statements: [ddl('CREATE TABLE person_statement', personStatement), ...STATEMENT_TRIGGERS],
  },
  {
    version: 4,
    title: 'what is known of a payment beyond that it is paid',
    statements: [
      // Last, so that the server adds it without writing a row again; programs of the version before do not name it.
      ddl(
        'ALTER TABLE payment ADD details',
        `ALTER TABLE payment ADD COLUMN details BLOB NULL COMMENT 'encrypted JSON: payer, discounts, settled amount'`,
      ),
    ],
  },
];

/** The version that this program needs in every group. */
export const SCHEMA_VERSION = MIGRATIONS.at(-1)?.version ?? 0;
