import { PAYMENT_STATES } from '@tillmesh/domain';
import type { Statement } from '@tillmesh/order-groups';

const ddl = (summary: string, sql: string): Statement => ({ summary, sql, text: true });

const ASCII = 'CHARACTER SET ascii COLLATE ascii_bin';

/** Makes the schema; the name was checked where it was configured. */
export const createDatabase = (database: string): Statement =>
  ddl('CREATE DATABASE lists', `CREATE DATABASE IF NOT EXISTS ${database} DEFAULT CHARACTER SET utf8mb4`);

/**
 * The tables of the lists. All that stands in them is made from the order groups: a later form takes other names and is filled by a
 * rebuild, so nothing here is ever migrated.
 */
export const LIST_TABLES: readonly Statement[] = [
  ddl(
    'CREATE TABLE merchant_payment',
    `CREATE TABLE IF NOT EXISTS merchant_payment (
      merchant_id VARCHAR(32) ${ASCII} NOT NULL,
      order_no BIGINT UNSIGNED NOT NULL,
      version INT UNSIGNED NOT NULL COMMENT 'of the payment: a smaller one changes nothing',
      state ENUM(${PAYMENT_STATES.map((state) => `'${state}'`).join(', ')}) NOT NULL,
      content BLOB NOT NULL COMMENT 'encrypted: what is shown',
      changed_at BIGINT NOT NULL COMMENT 'ms since 1970, by the clock of who wrote the payment',
      applied_at BIGINT NOT NULL COMMENT 'ms since 1970, by the clock of who wrote this row',
      PRIMARY KEY (merchant_id, order_no)
    ) ENGINE=InnoDB`,
  ),
  ddl(
    'CREATE TABLE group_cursor',
    `CREATE TABLE IF NOT EXISTS group_cursor (
      group_tag TINYINT UNSIGNED NOT NULL PRIMARY KEY,
      places MEDIUMTEXT NOT NULL COMMENT 'JSON: how far each stream is applied, and the ids below that were not there',
      complete_at BIGINT NOT NULL COMMENT 'ms since 1970: everything that was committed before is applied'
    ) ENGINE=InnoDB`,
  ),
  ddl(
    'CREATE TABLE list_state',
    `CREATE TABLE IF NOT EXISTS list_state (
      id TINYINT UNSIGNED NOT NULL PRIMARY KEY,
      phase ENUM('live', 'clearing', 'copying') NOT NULL,
      generation INT UNSIGNED NOT NULL COMMENT 'grows with each rebuild: whoever read across one reads again'
    ) ENGINE=InnoDB`,
  ),
  ddl('INSERT list_state', "INSERT IGNORE INTO list_state (id, phase, generation) VALUES (1, 'live', 1)"),
  ddl(
    'CREATE TABLE rebuild_progress',
    `CREATE TABLE IF NOT EXISTS rebuild_progress (
      group_tag TINYINT UNSIGNED NOT NULL PRIMARY KEY,
      copied_to BIGINT UNSIGNED NOT NULL,
      copied_rows BIGINT UNSIGNED NOT NULL,
      is_done BOOLEAN NOT NULL
    ) ENGINE=InnoDB`,
  ),
];
