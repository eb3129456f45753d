import { describe, expect, test } from 'vitest';
import {
  type AttemptEvent,
  type AttemptState,
  money,
  type Outcome,
  PAYMENT_KINDS,
  PAYMENT_STATES,
  type PaymentEvent,
  type PaymentState,
  type Settlement,
  settleAttempt,
  unknownOutcome,
} from '../src/index.ts';
import { aPayment, attemptNo, BEFORE_EXPIRY, closedByChannel, EXPIRE_AT_MS, refused, success } from './a-payment.ts';

const NEWS = {
  success: success('T1'),
  'other transaction': success('T2'),
  'other amount': success('T1', money('CNY', 999)),
  'other currency': success('T1', money('USD', 1_000)),
  refused: refused(),
  closed: closedByChannel(),
  'pending payer': { kind: 'pending_payer' },
  processing: { kind: 'processing' },
  unknown: unknownOutcome('time-out'),
} as const satisfies Record<string, Outcome>;

/**
 * What every news does to an attempt in every state, for a payment in every state; a payment-code payment with one attempt
 * that has not expired. In the cells: `=` unchanged, `?` a person has to look, `A` the attempt becomes A, `A/P` the
 * attempt becomes A and the payment P, `surplus` the money pays for nothing and goes back.
 */
const TABLE = `
attempt       | news              | paying             | declined            | unbound, succeeded, failed, closed, void
started       | success           | succeeded/succeeded| succeeded/succeeded | surplus
started       | other amount      | ?                  | ?                   | ?
started       | other currency    | ?                  | ?                   | ?
started       | refused           | failed/declined    | failed              | failed
started       | closed            | closed/closed      | closed              | closed
started       | pending payer     | pending_payer      | pending_payer       | pending_payer
started       | processing        | processing         | processing          | processing
started       | unknown           | unknown            | unknown             | unknown
pending_payer | success           | succeeded/succeeded| succeeded/succeeded | surplus
pending_payer | other amount      | ?                  | ?                   | ?
pending_payer | other currency    | ?                  | ?                   | ?
pending_payer | refused           | failed/declined    | failed              | failed
pending_payer | closed            | closed/closed      | closed              | closed
pending_payer | pending payer     | =                  | =                   | =
pending_payer | processing        | processing         | processing          | processing
pending_payer | unknown           | =                  | =                   | =
processing    | success           | succeeded/succeeded| succeeded/succeeded | surplus
processing    | other amount      | ?                  | ?                   | ?
processing    | other currency    | ?                  | ?                   | ?
processing    | refused           | failed/declined    | failed              | failed
processing    | closed            | closed/closed      | closed              | closed
processing    | pending payer     | pending_payer      | pending_payer       | pending_payer
processing    | processing        | =                  | =                   | =
processing    | unknown           | =                  | =                   | =
unknown       | success           | succeeded/succeeded| succeeded/succeeded | surplus
unknown       | other amount      | ?                  | ?                   | ?
unknown       | other currency    | ?                  | ?                   | ?
unknown       | refused           | failed/declined    | failed              | failed
unknown       | closed            | closed/closed      | closed              | closed
unknown       | pending payer     | pending_payer      | pending_payer       | pending_payer
unknown       | processing        | processing         | processing          | processing
unknown       | unknown           | =                  | =                   | =
failed        | success           | succeeded/succeeded| succeeded/succeeded | surplus
failed        | other amount      | ?                  | ?                   | ?
failed        | other currency    | ?                  | ?                   | ?
failed        | refused           | =                  | =                   | =
failed        | closed            | =                  | =                   | =
failed        | pending payer     | =                  | =                   | =
failed        | processing        | =                  | =                   | =
failed        | unknown           | =                  | =                   | =
closed        | success           | succeeded/succeeded| succeeded/succeeded | surplus
closed        | other amount      | ?                  | ?                   | ?
closed        | other currency    | ?                  | ?                   | ?
closed        | refused           | =                  | =                   | =
closed        | closed            | =                  | =                   | =
closed        | pending payer     | =                  | =                   | =
closed        | processing        | =                  | =                   | =
closed        | unknown           | =                  | =                   | =
succeeded     | success           | =                  | =                   | =
succeeded     | other transaction | ?                  | ?                   | ?
succeeded     | other amount      | ?                  | ?                   | ?
succeeded     | other currency    | ?                  | ?                   | ?
succeeded     | refused           | ?                  | ?                   | ?
succeeded     | closed            | ?                  | ?                   | ?
succeeded     | pending payer     | =                  | =                   | =
succeeded     | processing        | =                  | =                   | =
succeeded     | unknown           | =                  | =                   | =
surplus       | success           | =                  | =                   | =
surplus       | other transaction | ?                  | ?                   | ?
surplus       | other amount      | ?                  | ?                   | ?
surplus       | other currency    | ?                  | ?                   | ?
surplus       | refused           | ?                  | ?                   | ?
surplus       | closed            | ?                  | ?                   | ?
surplus       | pending payer     | =                  | =                   | =
surplus       | processing        | =                  | =                   | =
surplus       | unknown           | =                  | =                   | =`;

const EVENT_TO_ATTEMPT: Record<Exclude<AttemptState, 'started'>, AttemptEvent> = {
  pending_payer: 'awaits_payer',
  processing: 'in_process',
  unknown: 'lost',
  succeeded: 'confirmed',
  failed: 'refused',
  closed: 'closed',
  surplus: 'overpaid',
};
const EVENT_TO_PAYMENT = {
  succeeded: 'confirmed',
  declined: 'declined',
  failed: 'failed',
  closed: 'closed',
} as const satisfies Partial<Record<PaymentState, PaymentEvent>>;

/** The settlement that a cell stands for. */
const settlementOf = (cell: string): unknown => {
  if (cell === '=') return { kind: 'unchanged', why: expect.any(String) };
  if (cell === '?') return { kind: 'hold', why: expect.any(String) };
  const [attempt = '', payment] = cell.split('/');
  return {
    kind: 'moved',
    attempt: { event: EVENT_TO_ATTEMPT[attempt as Exclude<AttemptState, 'started'>], to: attempt },
    payment:
      payment === undefined
        ? undefined
        : { event: EVENT_TO_PAYMENT[payment as keyof typeof EVENT_TO_PAYMENT], to: payment },
    startNext: false,
    surplus: attempt === 'surplus',
  } satisfies Record<keyof Extract<Settlement, { kind: 'moved' }>, unknown>;
};

const cellsOf = (line: string): string[] => line.split('|').map((cell) => cell.trim());
const [header = '', ...lines] = TABLE.trim().split('\n');
const columns = cellsOf(header)
  .slice(2)
  .map((names) => names.split(', ') as PaymentState[]);

describe('news about the attempt of a payment', () => {
  test('has a cell for every state of a payment', () => {
    expect(columns.flat().toSorted()).toEqual([...PAYMENT_STATES].toSorted());
  });

  for (const line of lines) {
    const [state = '', news = '', ...cells] = cellsOf(line);
    cells.forEach((cell, column) => {
      for (const paymentState of columns[column] ?? []) {
        test(`${news} of an attempt that is ${state} in a payment that is ${paymentState}: ${cell}`, () => {
          const payment = aPayment({ state: paymentState, attempts: [state as AttemptState] });
          const outcome = NEWS[news as keyof typeof NEWS];
          expect(settleAttempt(payment, attemptNo(1), outcome, BEFORE_EXPIRY)).toEqual(settlementOf(cell));
        });
      }
    });
  }

  test('of an attempt that the payment does not have is held for a person', () => {
    expect(settleAttempt(aPayment(), attemptNo(2), success(), BEFORE_EXPIRY)).toEqual({
      kind: 'hold',
      why: 'the payment has no attempt 2',
    });
  });
});

/** What becomes of a payment whose only live attempt failed. */
const FAILURES: readonly (readonly [
  why: string,
  payment: Parameters<typeof aPayment>[0],
  options: { readonly nowMs: number; readonly hasNextAttempt: boolean },
  news: Outcome,
  ends: PaymentState | 'next attempt' | 'stays',
])[] = [
  ['a payment code may be continued until it expires', {}, BEFORE_EXPIRY, refused(), 'declined'],
  [
    'a payment code may not be continued once it expired',
    {},
    { nowMs: EXPIRE_AT_MS, hasNextAttempt: false },
    refused(),
    'failed',
  ],
  [
    'a payment code may be continued after 8 attempts',
    { attempts: [...Array<'failed'>(7).fill('failed'), 'started'] },
    BEFORE_EXPIRY,
    refused(),
    'declined',
  ],
  [
    'a payment code may not be continued after 9 attempts',
    { attempts: [...Array<'failed'>(8).fill('failed'), 'started'] },
    BEFORE_EXPIRY,
    refused(),
    'failed',
  ],
  [
    'another account is tried where there is one',
    {},
    { ...BEFORE_EXPIRY, hasNextAttempt: true },
    refused(),
    'next attempt',
  ],
  [
    'no other account is tried after 9 attempts',
    { kind: 'merchant_qr', attempts: [...Array<'failed'>(8).fill('failed'), 'started'] },
    { ...BEFORE_EXPIRY, hasNextAttempt: true },
    refused(),
    'failed',
  ],
  [
    'no other account is tried once the payment expired',
    { kind: 'merchant_qr' },
    { nowMs: EXPIRE_AT_MS, hasNextAttempt: true },
    refused(),
    'failed',
  ],
  [
    'no other account is tried while another attempt is live',
    { attempts: ['started', 'unknown'] },
    { ...BEFORE_EXPIRY, hasNextAttempt: true },
    refused(),
    'stays',
  ],
  [
    'no other account is tried once the channel closed it',
    {},
    { ...BEFORE_EXPIRY, hasNextAttempt: true },
    closedByChannel(),
    'closed',
  ],
  ['what the channel closed is closed', {}, BEFORE_EXPIRY, closedByChannel(), 'closed'],
  [
    'what the channel closed is closed after expiry too',
    {},
    { nowMs: EXPIRE_AT_MS, hasNextAttempt: false },
    closedByChannel(),
    'closed',
  ],
];

describe('the end of the only live attempt', () => {
  for (const [why, parts, options, news, ends] of FAILURES) {
    test(`${why}: ${ends}`, () => {
      const first = parts?.attempts?.findIndex((state) => state === 'started') ?? 0;
      const settlement = settleAttempt(aPayment(parts), attemptNo(first + 1), news, options);
      const movesTo = ends === 'next attempt' || ends === 'stays' ? undefined : { to: ends };
      expect(settlement).toMatchObject({ kind: 'moved', startNext: ends === 'next attempt', surplus: false });
      expect(settlement.kind === 'moved' ? settlement.payment : 'none').toEqual(
        movesTo === undefined ? undefined : expect.objectContaining(movesTo),
      );
    });
  }

  for (const kind of PAYMENT_KINDS) {
    const ends = kind === 'payment_code' ? 'declined' : 'failed';
    test(`leaves a payment of kind ${kind} ${ends}: only a till can show another code`, () => {
      expect(settleAttempt(aPayment({ kind }), attemptNo(1), refused(), BEFORE_EXPIRY)).toMatchObject({
        payment: { to: ends },
      });
    });
  }
});

describe('money that nobody waits for', () => {
  test('from a first attempt pays, although a second is under way', () => {
    const payment = aPayment({ attempts: ['failed', 'started'] });
    expect(settleAttempt(payment, attemptNo(1), success('T1'), BEFORE_EXPIRY)).toMatchObject({
      attempt: { to: 'succeeded' },
      payment: { to: 'succeeded' },
      surplus: false,
    });
  });

  test('from a second attempt goes back, when the first has paid', () => {
    const payment = aPayment({ state: 'succeeded', attempts: ['succeeded', 'pending_payer'] });
    expect(settleAttempt(payment, attemptNo(2), success('T2'), BEFORE_EXPIRY)).toMatchObject({
      attempt: { to: 'surplus' },
      payment: undefined,
      surplus: true,
    });
  });

  test('is noticed when the channel names two transactions for one attempt', () => {
    const payment = aPayment({ state: 'succeeded', attempts: ['succeeded'] });
    expect(settleAttempt(payment, attemptNo(1), success('T2'), BEFORE_EXPIRY)).toEqual({
      kind: 'hold',
      why: 'the channel names a second transaction, T2',
    });
  });
});
