import { MERCHANT_EVENT_KINDS } from '@tillmesh/domain';
import type { Statement } from '@tillmesh/order-groups';

const ddl = (summary: string, sql: string): Statement => ({ summary, sql, text: true });

const ASCII = 'CHARACTER SET ascii COLLATE ascii_bin';

/** The tables of the store. Events can be read again from the order groups; what was delivered, and who is paused, stands only here. */
export const EVENT_TABLES: readonly Statement[] = [
  ddl(
    'CREATE TABLE merchant_event',
    `CREATE TABLE IF NOT EXISTS merchant_event (
      seq BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY COMMENT 'in the order of commits: drawn under the lock of store_state',
      merchant_id VARCHAR(32) ${ASCII} NOT NULL,
      order_no BIGINT UNSIGNED NOT NULL,
      number BIGINT UNSIGNED NOT NULL COMMENT 'of the refund, or order_no again',
      version INT UNSIGNED NOT NULL,
      kind ENUM(${MERCHANT_EVENT_KINDS.map((kind) => `'${kind}'`).join(', ')}) NOT NULL,
      happened_at BIGINT NOT NULL COMMENT 'ms since 1970',
      recorded_at BIGINT NOT NULL,
      UNIQUE KEY same_event (number, version),
      KEY of_order (order_no),
      KEY of_merchant (merchant_id, seq),
      KEY by_age (recorded_at)
    ) ENGINE=InnoDB`,
  ),
  ddl(
    'CREATE TABLE delivery',
    `CREATE TABLE IF NOT EXISTS delivery (
      seq BIGINT UNSIGNED NOT NULL,
      endpoint_id VARCHAR(32) ${ASCII} NOT NULL,
      merchant_id VARCHAR(32) ${ASCII} NOT NULL,
      order_no BIGINT UNSIGNED NOT NULL,
      happened_at BIGINT NOT NULL COMMENT 'of the event',
      state ENUM('waiting', 'delivered', 'dead') NOT NULL,
      attempts INT UNSIGNED NOT NULL DEFAULT 0,
      next_at BIGINT NOT NULL COMMENT 'ms since 1970; far ahead while the merchant is paused',
      gives_up_at BIGINT NOT NULL,
      claimed_until BIGINT NOT NULL DEFAULT 0,
      claimed_by VARCHAR(32) ${ASCII} NOT NULL DEFAULT '',
      last_status SMALLINT UNSIGNED NULL,
      last_why VARCHAR(64) NOT NULL DEFAULT '',
      settled_at BIGINT NULL,
      PRIMARY KEY (seq, endpoint_id),
      KEY due (state, next_at),
      KEY chain (merchant_id, endpoint_id, order_no, state, seq),
      KEY by_state (merchant_id, state, happened_at)
    ) ENGINE=InnoDB`,
  ),
  ddl(
    'CREATE TABLE merchant_pause',
    `CREATE TABLE IF NOT EXISTS merchant_pause (
      merchant_id VARCHAR(32) ${ASCII} NOT NULL PRIMARY KEY,
      paused_at BIGINT NOT NULL,
      reason VARCHAR(255) NOT NULL
    ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4`,
  ),
  ddl(
    'CREATE TABLE group_cursor',
    `CREATE TABLE IF NOT EXISTS group_cursor (
      group_tag TINYINT UNSIGNED NOT NULL PRIMARY KEY,
      places MEDIUMTEXT NOT NULL COMMENT 'JSON: how far the stream was followed',
      complete_at BIGINT NOT NULL
    ) ENGINE=InnoDB`,
  ),
  ddl(
    'CREATE TABLE store_state',
    `CREATE TABLE IF NOT EXISTS store_state (
      id TINYINT UNSIGNED NOT NULL PRIMARY KEY,
      began_at BIGINT NOT NULL COMMENT 'what happened before is told to nobody',
      forgotten_to BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'events up to this seq are kept no more'
    ) ENGINE=InnoDB`,
  ),
  ddl(
    'INSERT store_state',
    'INSERT IGNORE INTO store_state (id, began_at) VALUES (1, CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED))',
  ),
];
