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

/** One step of the schema; the same in every group, run in order, never changed once released. */
export type Migration = { readonly version: number; readonly title: string; readonly statements: readonly Statement[] };

const ddl = (summary: string, sql: string): Statement => ({ summary, sql, text: true });

const oneOf = (words: readonly string[]): string => `ENUM(${words.map((word) => `'${word}'`).join(', ')})`;

const ASCII = 'CHARACTER SET ascii COLLATE ascii_bin';

// The database's own word on state machines: whatever a program sends, an illegal move is refused.
const refuseIllegalMoves = (
  table: string,
  pairs: readonly { readonly from: string; readonly to: string }[],
): Statement => {
  const allowed = [...new Set(pairs.map(({ from, to }) => `'${from}>${to}'`))].join(', ');
  return ddl(
    `CREATE TRIGGER ${table}_moves`,
    `CREATE TRIGGER ${table}_moves BEFORE UPDATE ON ${table} FOR EACH ROW
     IF NEW.state <> OLD.state AND CONCAT(OLD.state, '>', NEW.state) NOT IN (${allowed}) THEN
       SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'illegal move of ${table}';
     END IF`,
  );
};

const payment = `CREATE TABLE payment (
  order_no BIGINT UNSIGNED NOT NULL PRIMARY KEY COMMENT 'day, ms, group, worker, sequence: time first',
  merchant_id VARCHAR(32) ${ASCII} NOT NULL,
  merchant_order_no VARCHAR(64) ${ASCII} NOT NULL,
  currency CHAR(3) ${ASCII} NOT NULL,
  amount BIGINT UNSIGNED NOT NULL COMMENT 'minor units',
  kind ${oneOf(PAYMENT_KINDS)} NOT NULL,
  wallet ${oneOf(WALLETS)} NOT NULL,
  subject VARCHAR(127) NOT NULL,
  state ${oneOf(PAYMENT_STATES)} NOT NULL,
  version INT UNSIGNED NOT NULL,
  attempt_count TINYINT UNSIGNED NOT NULL,
  action TEXT NULL COMMENT 'JSON: what the payer has to do',
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
  first_account_id VARCHAR(32) ${ASCII} NOT NULL COMMENT 'the trigger makes attempt 1 of these four',
  first_channel_id VARCHAR(32) ${ASCII} NOT NULL,
  first_token VARCHAR(32) ${ASCII} NOT NULL,
  first_route_reason VARCHAR(255) NOT NULL,
  event_attempt_no TINYINT UNSIGNED NULL COMMENT 'the trigger makes the trajectory row of these',
  event_attempt_state ${oneOf(ATTEMPT_STATES)} NULL,
  event_code VARCHAR(64) NOT NULL DEFAULT '',
  event_source VARCHAR(64) ${ASCII} NOT NULL,
  UNIQUE KEY merchant_order (merchant_id, merchant_order_no),
  KEY due (next_check_at),
  CONSTRAINT refunds_within_amount CHECK (refund_reserved <= amount AND refunded <= refund_reserved)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4`;

const attempt = `CREATE TABLE attempt (
  order_no BIGINT UNSIGNED NOT NULL,
  attempt_no TINYINT UNSIGNED NOT NULL,
  account_id VARCHAR(32) ${ASCII} NOT NULL,
  channel_id VARCHAR(32) ${ASCII} NOT NULL,
  token VARCHAR(32) ${ASCII} NOT NULL COMMENT 'of the caller that wrote it',
  state ${oneOf(ATTEMPT_STATES)} NOT NULL,
  channel_transaction_id VARCHAR(64) NULL,
  channel_code VARCHAR(64) NOT NULL DEFAULT '',
  rule_id VARCHAR(128) NOT NULL DEFAULT '',
  learned_by ${oneOf(LEARNED_BY)} NULL,
  route_reason VARCHAR(255) NOT NULL,
  started_at BIGINT NOT NULL,
  settled_at BIGINT NULL,
  PRIMARY KEY (order_no, attempt_no),
  CONSTRAINT attempt_has_one_digit CHECK (attempt_no BETWEEN 1 AND 9)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4`;

const refund = `CREATE TABLE refund (
  refund_no BIGINT UNSIGNED NOT NULL PRIMARY KEY,
  order_no BIGINT UNSIGNED NOT NULL,
  merchant_refund_no VARCHAR(64) ${ASCII} NOT NULL,
  currency CHAR(3) ${ASCII} NOT NULL,
  amount BIGINT UNSIGNED NOT NULL,
  state ${oneOf(REFUND_STATES)} NOT NULL,
  cause ${oneOf(REFUND_CAUSES)} NOT NULL,
  reason VARCHAR(80) NOT NULL,
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
  event_source VARCHAR(64) ${ASCII} NOT NULL,
  UNIQUE KEY merchant_refund (order_no, merchant_refund_no),
  KEY due (next_check_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4`;

const trajectory = `CREATE TABLE trajectory (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
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
  KEY by_order (order_no)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4`;

const TRACK =
  'INSERT INTO trajectory (order_no, refund_no, happened_at, event, state, version, attempt_no, attempt_state, learned_by, code, source)';

const paymentCreated = `CREATE TRIGGER payment_created AFTER INSERT ON payment FOR EACH ROW
BEGIN
  IF NEW.state <> 'void' THEN
    INSERT INTO attempt (order_no, attempt_no, account_id, channel_id, token, state, route_reason, started_at)
    VALUES (NEW.order_no, 1, NEW.first_account_id, NEW.first_channel_id, NEW.first_token, 'started', NEW.first_route_reason, NEW.created_at);
  END IF;
  ${TRACK}
  VALUES (NEW.order_no, NULL, NEW.created_at, 'payment_created', NEW.state, NEW.version, 1, 'started', NULL, '', NEW.event_source);
END`;

// A schedule that moves is no news; the version tells.
const paymentChanged = `CREATE TRIGGER payment_changed AFTER UPDATE ON payment FOR EACH ROW
IF NEW.version <> OLD.version THEN
  ${TRACK}
  VALUES (NEW.order_no, NULL, NEW.updated_at, IF(NEW.state = OLD.state, 'payment_noted', 'payment_moved'), NEW.state, NEW.version,
          NEW.event_attempt_no, NEW.event_attempt_state, NEW.learned_by, NEW.event_code, NEW.event_source);
END IF`;

const refundCreated = `CREATE TRIGGER refund_created AFTER INSERT ON refund FOR EACH ROW
${TRACK}
VALUES (NEW.order_no, NEW.refund_no, NEW.created_at, 'refund_created', NEW.state, NEW.version, NEW.attempt_no, NULL, NULL, '', NEW.event_source)`;

const refundChanged = `CREATE TRIGGER refund_changed AFTER UPDATE ON refund FOR EACH ROW
IF NEW.version <> OLD.version THEN
  ${TRACK}
  VALUES (NEW.order_no, NEW.refund_no, NEW.updated_at, 'refund_moved', NEW.state, NEW.version, NEW.attempt_no, NULL, NEW.learned_by,
          NEW.channel_code, NEW.event_source);
END IF`;

/** Every step of the schema, in order. */
export const MIGRATIONS: readonly Migration[] = [
  {
    version: 1,
    title: 'payments, attempts, refunds, claims and trajectory',
    statements: [
      ddl(
        'CREATE TABLE group_epoch',
        `CREATE TABLE group_epoch (
          id TINYINT UNSIGNED NOT NULL PRIMARY KEY,
          epoch BIGINT UNSIGNED NOT NULL COMMENT 'the fence: a writer that holds another one writes nothing',
          mode ENUM('RW', 'RO') NOT NULL
        ) ENGINE=InnoDB`,
      ),
      ddl('INSERT group_epoch', "INSERT INTO group_epoch (id, epoch, mode) VALUES (1, 1, 'RW')"),
      ddl(
        'CREATE TABLE heartbeat',
        `CREATE TABLE heartbeat (
          worker_id SMALLINT UNSIGNED NOT NULL PRIMARY KEY,
          beat_at BIGINT NOT NULL,
          beats BIGINT UNSIGNED NOT NULL DEFAULT 0
        ) ENGINE=InnoDB`,
      ),
      ddl('CREATE TABLE payment', payment),
      ddl('CREATE TABLE attempt', attempt),
      ddl('CREATE TABLE refund', refund),
      ddl('CREATE TABLE trajectory', trajectory),
      ddl(
        'CREATE TABLE jump_claim',
        `CREATE TABLE jump_claim (
          merchant_id VARCHAR(32) ${ASCII} NOT NULL,
          merchant_order_no VARCHAR(64) ${ASCII} NOT NULL,
          order_no BIGINT UNSIGNED NOT NULL,
          state ENUM('open', 'bound', 'abandoned') NOT NULL,
          home_tag TINYINT UNSIGNED NOT NULL,
          created_at BIGINT NOT NULL,
          updated_at BIGINT NOT NULL,
          PRIMARY KEY (merchant_id, merchant_order_no)
        ) ENGINE=InnoDB`,
      ),
      refuseIllegalMoves('payment', allowedPairs(PAYMENT_MOVES)),
      refuseIllegalMoves('attempt', allowedPairs(ATTEMPT_MOVES)),
      refuseIllegalMoves('refund', allowedPairs(REFUND_MOVES)),
      ddl('CREATE TRIGGER payment_created', paymentCreated),
      ddl('CREATE TRIGGER payment_changed', paymentChanged),
      ddl('CREATE TRIGGER refund_created', refundCreated),
      ddl('CREATE TRIGGER refund_changed', refundChanged),
    ],
  },
];
