import type { Clock } from '@tillmesh/clock';
import type { LocalStack } from '@tillmesh/local-stack';
import mysql, { type Connection, type TypedParameterValue } from 'mysql2';

/** The driver alone: prepared single-row INSERTs of an order's columns into a plain table with an order's indexes. */
export type RawInserts = {
  /** One INSERT on the caller's own connection. */
  insert(caller: number): Promise<void>;
  close(): Promise<void>;
};

// The same columns, types and secondary indexes as a payment; no partitions, no triggers, no fence, nothing encrypted or sealed here.
const TABLE = `CREATE TABLE raw_payment (
  order_no BIGINT UNSIGNED NOT NULL PRIMARY KEY, merchant_id VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  merchant_order_no VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, currency CHAR(3) CHARACTER SET ascii NOT NULL,
  amount BIGINT UNSIGNED NOT NULL, kind ENUM('payment_code', 'merchant_qr') NOT NULL, wallet ENUM('wechat', 'alipay') NOT NULL,
  subject VARBINARY(600) NOT NULL, state ENUM('unbound', 'paying', 'succeeded') NOT NULL, version INT UNSIGNED NOT NULL,
  attempt_count TINYINT UNSIGNED NOT NULL, action BLOB NULL, learned_by ENUM('answer', 'query') NULL, decline_reason ENUM('other') NULL,
  paid_at BIGINT NULL, refund_reserved BIGINT UNSIGNED NOT NULL DEFAULT 0, refunded BIGINT UNSIGNED NOT NULL DEFAULT 0,
  terminal_id VARCHAR(32) NOT NULL, store_id VARCHAR(32) NOT NULL, traceparent VARCHAR(64) NOT NULL, needs_person VARCHAR(255) NOT NULL DEFAULT '',
  created_at BIGINT NOT NULL, expire_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, next_check_at BIGINT NULL,
  check_count INT UNSIGNED NOT NULL DEFAULT 0, map_version BIGINT UNSIGNED NOT NULL, jumped_from TINYINT UNSIGNED NULL,
  jumped_to BIGINT UNSIGNED NULL, seal VARBINARY(17) NOT NULL, account_id VARCHAR(32) NOT NULL, channel_id VARCHAR(32) NOT NULL,
  token VARCHAR(32) NOT NULL, attempt_state ENUM('started', 'succeeded') NOT NULL, channel_transaction_id VARCHAR(64) NULL,
  channel_code VARCHAR(64) NOT NULL DEFAULT '', rule_id VARCHAR(128) NOT NULL DEFAULT '', attempt_learned_by ENUM('answer') NULL,
  route_reason VARCHAR(255) NOT NULL, settled_at BIGINT NULL, created_by VARCHAR(64) NOT NULL, event_attempt_no TINYINT UNSIGNED NULL,
  event_attempt_state ENUM('started') NULL, event_code VARCHAR(64) NOT NULL DEFAULT '', event_source VARCHAR(64) NOT NULL,
  UNIQUE KEY merchant_order (merchant_id, merchant_order_no), KEY due (next_check_at), KEY of_merchant (merchant_id, order_no)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4`;

const COLUMNS = `order_no, merchant_id, merchant_order_no, currency, amount, kind, wallet, subject, state, terminal_id, store_id, traceparent,
  created_at, expire_at, updated_at, next_check_at, jumped_from, jumped_to, seal, account_id, channel_id, token, route_reason, created_by,
  event_source, version, attempt_count, attempt_state, map_version`;
const INSERT = `INSERT INTO raw_payment (${COLUMNS}) VALUES (${Array.from({ length: 29 }, () => '?').join(', ')})`;

const connect = (options: mysql.ConnectionOptions): Promise<Connection> =>
  new Promise((resolve, reject) => {
    const connection = mysql.createConnection({ ...options, maxPreparedStatements: 8 });
    connection.connect((error) => (error === null ? resolve(connection) : reject(error)));
  });

type Value = string | number | null | Buffer | TypedParameterValue;

/** Opens so many connections, spread over the groups' primaries, and makes the table there. */
export const openRawInserts = async (stack: LocalStack, callers: number, clock: Clock): Promise<RawInserts> => {
  const { app } = stack.accounts;
  for (const group of stack.groups) {
    await group.primary().administer(async (connection) => {
      await connection.query('USE tillmesh');
      await connection.query(TABLE);
    });
  }
  const connections = await Promise.all(
    Array.from({ length: callers }, (_, caller) => {
      const { host, port } = (stack.groups[caller % stack.groups.length] ?? stack.groups[0])?.primary() ?? {};
      return connect({
        ...(host === undefined || port === undefined ? {} : { host, port }),
        user: app.user,
        password: app.password.reveal(),
        database: 'tillmesh',
      });
    }),
  );
  let number = 0;
  const values = (): Value[] => {
    number += 1;
    const nowMs = clock.nowMs();
    const key = (BigInt(nowMs) << 20n) | BigInt(number & 0xfffff);
    return [
      mysql.TypedParameter.LONGLONG.unsigned(key),
      `merchant-${number % 200}`,
      `bench-${number}-${nowMs}`,
      'CNY',
      1_234,
      'payment_code',
      'wechat',
      Buffer.alloc(61, 7),
      'paying',
      'till-1',
      'store-1',
      '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      nowMs,
      nowMs + 300_000,
      nowMs,
      nowMs + 5_000,
      null,
      null,
      Buffer.alloc(17, 1),
      'wechat-a',
      'wechat',
      'abcdefgh12345678',
      'the first of two by rank',
      'cashier',
      'cashier',
      1,
      1,
      'started',
      1,
    ];
  };
  return {
    insert: (caller) =>
      new Promise((resolve, reject) => {
        connections[caller]?.execute(INSERT, values(), (error) => (error === null ? resolve() : reject(error)));
      }),
    close: async () => {
      for (const connection of connections) connection.destroy();
    },
  };
};
