import { ATTEMPT_MOVES, allowedPairs, PAYMENT_MOVES, REFUND_MOVES } from '@tillmesh/domain';
import type { Statement } from './connection.ts';
import { ddl } from './ddl.ts';

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

/**
 * The database's own word on state machines and uniqueness: whatever a program sends, what is not allowed is refused. What comes from
 * another group (@tillmesh_moving) brings its history along, and its merchant number only where that is free.
 */
export const TRIGGERS: readonly Statement[] = [
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

/** What was agreed once never changes, nothing goes back, and what has happened stays told. */
export const KEEPERS: readonly Statement[] = [
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

/** What a person said stays said, and is a line of the trajectory. */
export const STATEMENT_TRIGGERS: readonly Statement[] = [
  trigger(
    'statement_in_time',
    'BEFORE INSERT',
    'person_statement',
    `IF @tillmesh_moving IS NULL THEN
    ${REFUSE_READ_ONLY}
  END IF;`,
  ),
  trigger(
    'statement_made',
    'AFTER INSERT',
    'person_statement',
    `IF @tillmesh_moving IS NULL THEN
    ${TRACK}
    VALUES (NEW.order_no, IF(NEW.item < 10, NULL, NEW.item), NEW.said_at, 'person_said', NEW.outcome,
            (SELECT version FROM payment WHERE order_no = NEW.order_no), IF(NEW.item < 10, NEW.item, NULL), NULL, 'person', NEW.person,
            NEW.said_through);
  END IF;`,
  ),
  trigger(
    'statement_keeps',
    'BEFORE UPDATE',
    'person_statement',
    "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'what a person said is not changed';",
  ),
  trigger(
    'statement_stays',
    'BEFORE DELETE',
    'person_statement',
    refuse('@tillmesh_moving IS NULL', 'what a person said stays until its day is dropped'),
  ),
];
