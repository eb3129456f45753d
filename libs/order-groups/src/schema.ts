import {
  ATTEMPT_MOVES,
  ATTEMPT_STATES,
  allowedPairs,
  DECLINE_REASONS,
  LEARNED_BY,
  PAYMENT_KINDS,
  PAYMENT_MOVES,
  PAYMENT_STATES,
  REFUND_CAUSES,
  REFUND_MOVES,
  REFUND_STATES,
  WALLETS,
} from '@tillmesh/domain';
import type { Statement } from './connection.ts';
import { LATER_PARTITION } from './partitions.ts';

/** One step of the schema; the same in every group, run in order, never changed once released. */
export type Migration = { readonly version: number; readonly title: string; readonly statements: readonly Statement[] };

const ddl = (summary: string, sql: string): Statement => ({ summary, sql, text: true });

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

const pairsOf = (pairs: readonly { readonly from: string; readonly to: string }[]): string =>
  [...new Set(pairs.map(({ from, to }) => `'${from}>${to}'`))].join(', ');

const refuseMove = (state: string, pairs: string, what: string): string =>
  `IF NEW.${state} <> OLD.${state} AND CONCAT(OLD.${state}, '>', NEW.${state}) NOT IN (${pairs}) THEN
    SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'illegal move of ${what}';
  END IF;`;

// A group whose orders are about to go to another one takes no change any more. The shared lock makes whoever closes it wait for
// changes under way. 1836 is what a read-only server says itself.
const REFUSE_READ_ONLY = `IF (SELECT mode FROM group_epoch WHERE id = 1 LOCK IN SHARE MODE) = 'RO' THEN
    SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1836, MESSAGE_TEXT = 'the group is read-only';
  END IF;`;

// It is shown to callers, and comes with a schedule, which is no news by itself: without a version of its own nobody who follows would learn it.
const CALL_FOR_PERSON_IS_NEWS = `IF NEW.needs_person <> OLD.needs_person AND NEW.version = OLD.version THEN
    SET NEW.version = OLD.version + 1, NEW.event_code = 'needs_person', NEW.event_attempt_no = NULL, NEW.event_attempt_state = NULL,
        NEW.updated_at = GREATEST(OLD.updated_at, CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED));
  END IF;`;

const trigger = (name: string, when: string, table: string, body: string): Statement =>
  ddl(`CREATE TRIGGER ${name}`, `CREATE TRIGGER ${name} ${when} ON ${table} FOR EACH ROW\nBEGIN\n  ${body}\nEND`);

const TRACK =
  'INSERT INTO trajectory (order_no, refund_no, happened_at, event, state, version, attempt_no, attempt_state, learned_by, code, source)';

// What comes from another group (@tillmesh_moving) brings its history along, and its merchant number only where that is free.
// The database's own word on state machines and uniqueness: whatever a program sends, what is not allowed is refused.
const triggers: readonly Statement[] = [
  trigger(
    'payment_takes_number',
    'BEFORE INSERT',
    'payment',
    // Told before a number that is taken: whoever holds an old map must not draw conclusions from what it finds here.
    `IF NEW.map_version IS NULL THEN
    SIGNAL SQLSTATE '23000' SET MYSQL_ERRNO = 1048, MESSAGE_TEXT = 'the fence was missed';
  END IF;
  IF @tillmesh_moving IS NULL THEN
    INSERT INTO merchant_order (merchant_id, merchant_order_no, order_no)
    VALUES (NEW.merchant_id, NEW.merchant_order_no, NEW.order_no);
  END IF;`,
  ),
  trigger(
    'payment_moves',
    'BEFORE UPDATE',
    'payment',
    [
      REFUSE_READ_ONLY,
      refuseMove('state', pairsOf(allowedPairs(PAYMENT_MOVES)), 'payment'),
      refuseMove('attempt_state', pairsOf(allowedPairs(ATTEMPT_MOVES)), 'attempt'),
      CALL_FOR_PERSON_IS_NEWS,
    ].join('\n  '),
  ),
  // A schedule that moves is no news; the version tells.
  trigger(
    'payment_changed',
    'AFTER UPDATE',
    'payment',
    `IF NEW.version <> OLD.version THEN
    ${TRACK}
    VALUES (NEW.order_no, NULL, NEW.updated_at, IF(NEW.state = OLD.state, 'payment_noted', 'payment_moved'), NEW.state, NEW.version,
            NEW.event_attempt_no, NEW.event_attempt_state, NEW.learned_by, NEW.event_code, NEW.event_source);
  END IF;
  IF NEW.state = 'void' AND OLD.state <> 'void' AND NEW.jumped_from IS NOT NULL THEN
    DELETE FROM merchant_order
    WHERE merchant_id = NEW.merchant_id AND merchant_order_no = NEW.merchant_order_no AND order_no = NEW.order_no;
  END IF;`,
  ),
  trigger(
    'payment_removed',
    'AFTER DELETE',
    'payment',
    `DELETE FROM merchant_order
  WHERE merchant_id = OLD.merchant_id AND merchant_order_no = OLD.merchant_order_no AND order_no = OLD.order_no;`,
  ),
  trigger('claim_moves', 'BEFORE UPDATE', 'jump_claim', REFUSE_READ_ONLY),
  trigger('event_kept', 'BEFORE INSERT', 'pending_event', REFUSE_READ_ONLY),
  trigger('event_ends', 'BEFORE UPDATE', 'pending_event', REFUSE_READ_ONLY),
  trigger(
    'attempt_moves',
    'BEFORE UPDATE',
    'attempt',
    refuseMove('attempt_state', pairsOf(allowedPairs(ATTEMPT_MOVES)), 'attempt'),
  ),
  trigger(
    'refund_moves',
    'BEFORE UPDATE',
    'refund',
    [REFUSE_READ_ONLY, refuseMove('state', pairsOf(allowedPairs(REFUND_MOVES)), 'refund')].join('\n  '),
  ),
  trigger(
    'refund_created',
    'AFTER INSERT',
    'refund',
    `IF @tillmesh_moving IS NULL THEN
    ${TRACK}
    VALUES (NEW.order_no, NEW.refund_no, NEW.created_at, 'refund_created', NEW.state, NEW.version, NEW.attempt_no, NULL, NULL, '', NEW.event_source);
  END IF;`,
  ),
  trigger(
    'refund_changed',
    'AFTER UPDATE',
    'refund',
    `IF NEW.version <> OLD.version THEN
    ${TRACK}
    VALUES (NEW.order_no, NEW.refund_no, NEW.updated_at, 'refund_moved', NEW.state, NEW.version, NEW.attempt_no, NULL, NEW.learned_by,
            NEW.channel_code, NEW.event_source);
  END IF;`,
  ),
];

const refuse = (condition: string, message: string): string =>
  `IF ${condition} THEN
    SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '${message}';
  END IF;`;

const changes = (columns: readonly string[]): string =>
  columns.map((column) => `NOT (NEW.${column} <=> OLD.${column})`).join(' OR ');

const PAYMENT_KEEPS = [
  'order_no',
  'merchant_id',
  'merchant_order_no',
  'currency',
  'amount',
  'kind',
  'wallet',
  'created_at',
];
const FIRST_ATTEMPT_KEEPS = ['account_id', 'channel_id'];
const ATTEMPT_KEEPS = ['order_no', 'attempt_no', 'account_id', 'channel_id', 'token', 'started_at'];
const REFUND_KEEPS = [
  'refund_no',
  'order_no',
  'merchant_refund_no',
  'currency',
  'amount',
  'cause',
  'attempt_no',
  'created_at',
];

// What was agreed once never changes, nothing goes back, and what has happened stays told.
const keepers: readonly Statement[] = [
  trigger(
    'payment_keeps',
    'BEFORE UPDATE',
    'payment',
    [
      refuse(changes([...PAYMENT_KEEPS, ...FIRST_ATTEMPT_KEEPS]), 'a payment keeps its numbers, amount and account'),
      refuse('NEW.version < OLD.version OR NEW.refunded < OLD.refunded', 'a payment never goes back'),
      refuse('OLD.paid_at IS NOT NULL AND NOT (NEW.paid_at <=> OLD.paid_at)', 'a payment is paid once'),
    ].join('\n  '),
  ),
  trigger(
    'attempt_keeps',
    'BEFORE UPDATE',
    'attempt',
    refuse(changes(ATTEMPT_KEEPS), 'an attempt keeps its numbers and its account'),
  ),
  trigger(
    'refund_keeps',
    'BEFORE UPDATE',
    'refund',
    [
      refuse(changes(REFUND_KEEPS), 'a refund keeps its numbers and its amount'),
      refuse('NEW.version < OLD.version', 'a refund never goes back'),
    ].join('\n  '),
  ),
  trigger(
    'trajectory_keeps',
    'BEFORE UPDATE',
    'trajectory',
    "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'what has happened is not changed';",
  ),
  trigger(
    'trajectory_stays',
    'BEFORE DELETE',
    'trajectory',
    // A copy that is made once more is taken back first; its original stays where it is.
    refuse('@tillmesh_moving IS NULL', 'what has happened stays told until its day is dropped'),
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
      ...triggers,
    ],
  },
  { version: 2, title: 'money, numbers and trajectory that nobody changes', statements: keepers },
];

/** The version that this program needs in every group. */
export const SCHEMA_VERSION = MIGRATIONS.at(-1)?.version ?? 0;
