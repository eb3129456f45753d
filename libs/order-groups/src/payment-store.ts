import type { Clock } from '@tillmesh/clock';
import {
  ATTEMPTS_MAX,
  type AttemptNo,
  type ClientAction,
  detailsFrom,
  equalDetails,
  equalValues,
  groupTagOf,
  isFinalPayment,
  isLiveAttempt,
  type KnownDetails,
  type LearnedBy,
  mergeDetails,
  nextState,
  type OrderNo,
  type Outcome,
  PAYMENT_MOVES,
  type Payment,
  type PaymentDetails,
  type PaymentState,
  type Settlement,
  settleAttempt,
  toOrderKey,
} from '@tillmesh/domain';
import { counter, type Log } from '@tillmesh/telemetry';
import { bigintParameter, type Connection, type Deadline, type Parameter } from './connection.ts';
import { DatabaseError, OWN_CODES } from './database-error.ts';
import { detailsToText } from './details-text.ts';
import type { GroupClients } from './group-clients.ts';
import type { GroupMaps } from './group-maps.ts';
import type { AttemptPlan } from './order-group.ts';
import type { OrderNumberSource } from './order-number-source.ts';
import * as sql from './order-statements.ts';
import { createPaymentReader, type PaymentReader, selectPayment } from './payment-reader.ts';
import type { RowCodec } from './payment-rows.ts';
import { INSERT_REFUND } from './refund-statements.ts';
import type { StoredPayment } from './stored-payment.ts';
import { transaction } from './transaction.ts';

/** News about an attempt, and what to do next. */
export type AttemptNews = {
  readonly attemptNo: AttemptNo;
  readonly outcome: Outcome;
  readonly learnedBy: LearnedBy;
  /** The channel's code in its own words; at most 64 characters are kept. */
  readonly channelCode: string;
  readonly action: ClientAction | undefined;
  /** Started in the same commit, should the outcome be a definite failure. */
  readonly nextAttempt: AttemptPlan | undefined;
  readonly nextCheckAfterMs: number;
  readonly source: string;
  /** What a success tells beyond itself. */
  readonly details?: PaymentDetails | undefined;
  /** The details lack something that a later query tells; see DETAILS_CHECK_AFTER_MS. */
  readonly queryTellsMore?: boolean;
};

export type Applied = {
  readonly stored: StoredPayment;
  readonly changed: boolean;
  /** Its caller, and nobody else, has to call the channel for the next attempt. */
  readonly nextAttemptStarted: boolean;
  readonly surplusRefundNo: OrderNo | undefined;
  /** Nothing moved, because the news contradicts what is known: why a person has to look. */
  readonly held?: string;
  /** The payment's group is away: the news was written to another one and is applied as soon as it is back. */
  readonly kept: boolean;
};

export type Continued =
  | { readonly kind: 'started'; readonly stored: StoredPayment }
  /** Somebody else moved it first. */
  | { readonly kind: 'conflict'; readonly stored: StoredPayment }
  /** The token's attempt was made before and its channel was called: what came of it stands in the payment. */
  | { readonly kind: 'repeated'; readonly stored: StoredPayment };

/** Payments in their groups: reading, and every change but the first INSERT. */
export type PaymentStore = PaymentReader & {
  /** The one place where news moves a payment. Undefined where there is no such payment. */
  apply(orderNo: OrderNo, news: AttemptNews): Promise<Applied | undefined>;
  /** One attempt more on a declined payment. */
  continueWith(
    orderNo: OrderNo,
    expectedVersion: number,
    attempt: AttemptPlan,
    options: { readonly nextCheckAfterMs: number; readonly source: string },
  ): Promise<Continued | undefined>;
  /** Closes a payment none of whose attempts is live. `changed` is false where it is final or an attempt is live. */
  close(
    orderNo: OrderNo,
    reason: string,
    source: string,
  ): Promise<{ readonly stored: StoredPayment; readonly changed: boolean } | undefined>;
  /** Sets when the syncer looks next; a final payment is left alone. */
  schedule(orderNo: OrderNo, afterMs: number, needsPerson: string): Promise<void>;
  /** There is no next look; a payment that is not final, or has a live attempt, keeps its time. */
  stopChecks(orderNo: OrderNo): Promise<void>;
};

const APPLY_TRIES_MAX = 5;
/**
 * From a success that lacks details to the query that completes them: beyond the notification, which brings them in most cases, and long
 * enough for what a channel books a little later.
 */
const DETAILS_CHECK_AFTER_MS = 10_000;

const held = counter('tillmesh_payments_held_total', 'News that contradicts what is known; a person has to look.');
const contradictions = counter(
  'tillmesh_payment_details_contradicted_total',
  'Details of which two sources told something else; the more authoritative counts.',
  ['field'],
);
const surplusCount = counter('tillmesh_surplus_total', 'Money that came for nothing and goes back by itself.');

const key = (orderNo: OrderNo) => bigintParameter(toOrderKey(orderNo));
const codeColumn = (code: string): string => code.slice(0, 64);

type Moved = Extract<Settlement, { kind: 'moved' }>;

/** A query has told all that a query tells. */
const asksForMore = (news: AttemptNews): boolean => news.queryTellsMore === true && news.learnedBy !== 'query';

/** What a payment's details are with what the news adds. */
const mergedDetails = (payment: Payment, news: AttemptNews): KnownDetails => {
  const { known, contradicted } = mergeDetails(payment.details ?? {}, detailsFrom(news.details ?? {}, news.learnedBy));
  for (const field of contradicted) contradictions.add({ field });
  return known;
};

const detailsBytes = (payment: Payment, known: KnownDetails, { cipher }: RowCodec): Buffer | null =>
  equalDetails(known, {}) ? null : cipher.encrypt('details', payment.orderNo, detailsToText(known));

const nextCheckAt = (payment: Payment, moved: Moved, news: AttemptNews, nowMs: number): number | null => {
  const state = moved.payment?.to ?? payment.state;
  const othersLive = payment.attempts.some(
    (attempt) => attempt.attemptNo !== news.attemptNo && isLiveAttempt(attempt.state),
  );
  if (isFinalPayment(state) && !othersLive) {
    return moved.attempt.to === 'succeeded' && asksForMore(news) ? nowMs + DETAILS_CHECK_AFTER_MS : null;
  }
  return state === 'declined' ? payment.expireAtMs : nowMs + news.nextCheckAfterMs;
};

const actionBytes = (payment: Payment, moved: Moved, news: AttemptNews, { cipher }: RowCodec): Buffer | null => {
  const stays = (moved.payment?.to ?? payment.state) === 'paying' && !moved.startNext;
  const action = news.action ?? payment.action;
  return stays && action !== undefined ? cipher.encrypt('action', payment.orderNo, JSON.stringify(action)) : null;
};

const applyParameters = (
  payment: Payment,
  moved: Moved,
  news: AttemptNews,
  { nowMs, rows }: { readonly nowMs: number; readonly rows: RowCodec },
): Parameter[] => {
  const { outcome } = news;
  const state = moved.payment?.to ?? payment.state;
  const failed = outcome.kind === 'failed_definite' ? outcome : undefined;
  const succeeded = outcome.kind === 'succeeded' ? outcome : undefined;
  const ruleId = failed?.evidence.transport === 'answered' ? failed.evidence.ruleId : '';
  const declineReason = moved.payment === undefined ? (payment.declineReason ?? null) : (failed?.reason ?? null);
  return [
    // The first attempt stands in the payment; a later one has to be named.
    ...(news.attemptNo === 1 ? [] : [news.attemptNo]),
    state,
    moved.payment === undefined ? null : news.learnedBy,
    declineReason,
    moved.payment === undefined ? null : (succeeded?.paidAtMs ?? null),
    actionBytes(payment, moved, news, rows),
    moved.payment === undefined ? payment.needsPerson : '',
    nowMs,
    nextCheckAt(payment, moved, news, nowMs),
    moved.startNext ? 1 : 0,
    rows.seal.ofPayment({ ...payment, isPaid: state === 'succeeded' }),
    // Those of money that pays for nothing are none of the payment's.
    moved.attempt.to === 'succeeded' ? detailsBytes(payment, mergedDetails(payment, news), rows) : null,
    moved.attempt.to,
    codeColumn(news.channelCode),
    news.source,
    moved.attempt.to,
    succeeded?.channelTransactionId ?? null,
    codeColumn(news.channelCode),
    ruleId,
    news.learnedBy,
    isLiveAttempt(moved.attempt.to) ? null : nowMs,
    key(payment.orderNo),
    payment.version,
  ];
};

/** Creates the store of payments over the groups. */
export const createPaymentStore = (options: {
  readonly maps: GroupMaps;
  readonly groups: GroupClients;
  readonly rows: RowCodec;
  readonly numbers: OrderNumberSource;
  readonly statementMsMax: number;
  readonly clock: Clock;
  readonly log: Log;
}): PaymentStore => {
  const { maps, groups, rows, numbers, statementMsMax, clock, log } = options;
  const within = (): Deadline => ({ atMs: clock.monotonicMs() + statementMsMax });

  const readAtPrimary = (orderNo: OrderNo): Promise<StoredPayment | undefined> => {
    const deadline = within();
    return groups.of(groupTagOf(orderNo)).write(deadline, selectPayment(rows, orderNo));
  };

  /** Runs statements at the group's primary, all or nothing. `lost` when the compare-and-set found another version. */
  const change = async (
    orderNo: OrderNo,
    statements: readonly {
      readonly statement: typeof sql.MOVE_PAYMENT;
      readonly parameters: readonly Parameter[];
    }[],
  ): Promise<'won' | 'lost'> => {
    const deadline = within();
    const [first, ...others] = statements;
    if (first === undefined) return 'lost';
    const runFirst = async (connection: Connection) =>
      (await connection.run(first.statement, first.parameters, deadline)).affectedRows > 0;
    const runAll = (connection: Connection) =>
      transaction(connection, deadline, async () => {
        if (!(await runFirst(connection))) return { commit: false, value: 'lost' as const };
        for (const { statement, parameters } of others) await connection.run(statement, parameters, deadline);
        return { commit: true, value: 'won' as const };
      });
    return groups.of(groupTagOf(orderNo)).write(
      deadline,
      async (connection) => {
        if (others.length > 0) return runAll(connection);
        return (await runFirst(connection)) ? 'won' : 'lost';
      },
      (end) => end === 'won',
    );
  };

  /** A refund's number: it leads to the group that holds its payment. */
  const drawNumber = async (orderNo: OrderNo): Promise<OrderNo> => {
    const number = await numbers.next(groups.of(groupTagOf(orderNo)).tag);
    if (number === undefined) throw new DatabaseError(OWN_CODES.noNumber, 'not_written');
    return number;
  };

  const insertAttempt = (orderNo: OrderNo, attemptNo: number, plan: AttemptPlan) => ({
    statement: sql.INSERT_ATTEMPT,
    parameters: [key(orderNo), attemptNo, plan.accountId, plan.channelId, plan.token, plan.routeReason, clock.nowMs()],
  });

  const insertSurplusRefund = (payment: Payment, refundNo: OrderNo, news: AttemptNews) => {
    const nowMs = clock.nowMs();
    return {
      statement: INSERT_REFUND,
      parameters: [
        key(refundNo),
        key(payment.orderNo),
        `surplus-${news.attemptNo}`,
        payment.amount.currency,
        bigintParameter(payment.amount.minorUnits),
        'surplus',
        rows.cipher.encrypt('reason', refundNo, 'the payment had ended before this money came'),
        news.attemptNo,
        nowMs,
        nowMs,
        nowMs,
        rows.seal.ofRefund({ refundNo, orderNo: payment.orderNo, amount: payment.amount, isGiven: false }),
        news.source,
      ],
    };
  };

  const hold = async (stored: StoredPayment, why: string, news: AttemptNews): Promise<'won' | 'lost'> => {
    const { payment } = stored;
    if (payment.needsPerson === why) return 'won';
    held.add();
    log.error({ orderNo: payment.orderNo, attemptNo: news.attemptNo, why }, 'a payment is held for a person');
    return change(payment.orderNo, [
      {
        statement: sql.MOVE_PAYMENT,
        parameters: [
          payment.state,
          0,
          payment.declineReason ?? null,
          why.slice(0, 255),
          clock.nowMs(),
          stored.nextCheckAtMs ?? null,
          codeColumn(news.channelCode),
          news.source,
          key(payment.orderNo),
          payment.version,
        ],
      },
    ]);
  };

  const move = async (
    stored: StoredPayment,
    moved: Moved,
    news: AttemptNews,
  ): Promise<{ readonly result: 'won' | 'lost'; readonly refundNo: OrderNo | undefined }> => {
    const { payment } = stored;
    const apply = {
      statement: news.attemptNo === 1 ? sql.APPLY_TO_FIRST_ATTEMPT : sql.APPLY_TO_LATER_ATTEMPT,
      parameters: applyParameters(payment, moved, news, { nowMs: clock.nowMs(), rows }),
    };
    if (moved.surplus) {
      const refundNo = await drawNumber(payment.orderNo);
      const result = await change(payment.orderNo, [apply, insertSurplusRefund(payment, refundNo, news)]);
      if (result === 'won') {
        surplusCount.add();
        log.error(
          { orderNo: payment.orderNo, attemptNo: news.attemptNo, refundNo },
          'money came for nothing; it goes back',
        );
      }
      return { result, refundNo };
    }
    const next = moved.startNext ? news.nextAttempt : undefined;
    const statements =
      next === undefined ? [apply] : [apply, insertAttempt(payment.orderNo, payment.attempts.length + 1, next)];
    return { result: await change(payment.orderNo, statements), refundNo: undefined };
  };

  /** Writes what a repeated success tells beyond what is known, and ends the wait for it. */
  const addDetails = async (
    { payment, nextCheckAtMs }: StoredPayment,
    news: AttemptNews,
  ): Promise<'nothing_new' | 'won' | 'lost'> => {
    const attempt = payment.attempts.find(({ attemptNo }) => attemptNo === news.attemptNo);
    const isPaidBy = payment.state === 'succeeded' && attempt?.state === 'succeeded';
    if (news.outcome.kind !== 'succeeded' || !isPaidBy) return 'nothing_new';
    const known = mergedDetails(payment, news);
    const waits = payment.attempts.some(({ state }) => isLiveAttempt(state)) || asksForMore(news);
    const next = waits ? (nextCheckAtMs ?? null) : null;
    // A source that says what is known already is worth no write: notifications do, of nearly every payment.
    if (equalValues(known, payment.details ?? {})) {
      if (next === null && nextCheckAtMs !== undefined) await stopChecks(payment);
      return 'nothing_new';
    }
    const parameters = [
      detailsBytes(payment, known, rows),
      clock.nowMs(),
      next,
      news.source,
      key(payment.orderNo),
      payment.version,
    ];
    return change(payment.orderNo, [{ statement: sql.ADD_DETAILS, parameters }]);
  };

  const stopChecks = async ({ orderNo, version }: Payment): Promise<void> => {
    await change(orderNo, [{ statement: sql.STOP_CHECKS, parameters: [key(orderNo), version] }]);
  };

  const apply = async (orderNo: OrderNo, news: AttemptNews): Promise<Applied | undefined> => {
    for (let tries = 0; tries < APPLY_TRIES_MAX; tries += 1) {
      const stored = await readAtPrimary(orderNo);
      if (stored === undefined) return undefined;
      const settlement = settleAttempt(stored.payment, news.attemptNo, news.outcome, {
        nowMs: clock.nowMs(),
        hasNextAttempt: news.nextAttempt !== undefined,
      });
      if (settlement.kind === 'unchanged') {
        const added = await addDetails(stored, news);
        if (added === 'lost') continue;
        return {
          // Who brought the details is shown them.
          stored: added === 'won' ? ((await readAtPrimary(orderNo)) ?? stored) : stored,
          changed: added === 'won',
          nextAttemptStarted: isOwn(stored, news.nextAttempt),
          surplusRefundNo: undefined,
          kept: false,
        };
      }
      if (settlement.kind === 'hold') {
        if ((await hold(stored, settlement.why, news)) === 'lost') continue;
        return {
          stored,
          changed: false,
          nextAttemptStarted: false,
          surplusRefundNo: undefined,
          held: settlement.why,
          kept: false,
        };
      }
      const { result, refundNo } = await move(stored, settlement, news);
      if (result === 'lost') continue;
      const after = await readAtPrimary(orderNo);
      return {
        stored: after ?? stored,
        changed: true,
        nextAttemptStarted: settlement.startNext,
        surplusRefundNo: refundNo,
        kept: false,
      };
    }
    throw new DatabaseError('TILLMESH_VERSION_CONFLICT', 'not_written');
  };

  return {
    ...createPaymentReader({ maps, groups, rows, statementMsMax, clock }),
    apply,
    continueWith: async (orderNo, expectedVersion, attempt, { nextCheckAfterMs, source }) => {
      const stored = await readAtPrimary(orderNo);
      if (stored === undefined) return undefined;
      const { payment } = stored;
      // The answer to the first try was lost.
      if (isOwn(stored, attempt)) return { kind: 'started', stored };
      if ([...stored.tokens.values()].includes(attempt.token)) return { kind: 'repeated', stored };
      const to = nextState<PaymentState, string>(PAYMENT_MOVES, payment.state, 'continued');
      if (payment.version !== expectedVersion || to === undefined || payment.attempts.length >= ATTEMPTS_MAX) {
        return { kind: 'conflict', stored };
      }
      const nowMs = clock.nowMs();
      const result = await change(orderNo, [
        {
          statement: sql.MOVE_PAYMENT,
          parameters: [
            to,
            1,
            null,
            '',
            nowMs,
            nowMs + nextCheckAfterMs,
            'continued',
            source,
            key(orderNo),
            payment.version,
          ],
        },
        insertAttempt(orderNo, payment.attempts.length + 1, attempt),
      ]);
      const after = (await readAtPrimary(orderNo)) ?? stored;
      return result === 'won' ? { kind: 'started', stored: after } : { kind: 'conflict', stored: after };
    },
    close: async (orderNo, reason, source) => {
      for (let tries = 0; tries < APPLY_TRIES_MAX; tries += 1) {
        const stored = await readAtPrimary(orderNo);
        if (stored === undefined) return undefined;
        const { payment } = stored;
        const to = nextState<PaymentState, string>(PAYMENT_MOVES, payment.state, 'closed');
        const live = payment.attempts.some(({ state }) => isLiveAttempt(state));
        if (to === undefined || live) return { stored, changed: false };
        const parameters = [
          to,
          0,
          payment.declineReason ?? null,
          '',
          clock.nowMs(),
          null,
          codeColumn(reason),
          source,
          key(orderNo),
          payment.version,
        ];
        if ((await change(orderNo, [{ statement: sql.MOVE_PAYMENT, parameters }])) === 'lost') continue;
        return { stored: (await readAtPrimary(orderNo)) ?? stored, changed: true };
      }
      throw new DatabaseError('TILLMESH_VERSION_CONFLICT', 'not_written');
    },
    schedule: async (orderNo, afterMs, needsPerson) => {
      const note = needsPerson.slice(0, 255);
      const parameters = [clock.nowMs() + afterMs, note, note, key(orderNo)];
      await change(orderNo, [{ statement: sql.SCHEDULE_PAYMENT, parameters }]);
    },
    stopChecks: async (orderNo) => {
      const payment = (await readAtPrimary(orderNo))?.payment;
      if (payment === undefined || !isFinalPayment(payment.state)) return;
      if (payment.attempts.some(({ state }) => isLiveAttempt(state))) return;
      await stopChecks(payment);
    },
  };
};

/** True where the latest attempt is this caller's own and its channel was not called yet. */
const isOwn = (stored: StoredPayment, plan: AttemptPlan | undefined): boolean => {
  const last = stored.payment.attempts.at(-1);
  return plan !== undefined && last?.state === 'started' && stored.tokens.get(last.attemptNo) === plan.token;
};
