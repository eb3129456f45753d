import { describe, expect, test } from 'vitest';
import {
  ALL_WELL,
  definiteFailure,
  type Outcome,
  type PendingPayer,
  type Processing,
  type RerouteToken,
  type RouteDecision,
  rerouteAfter,
  type Succeeded,
  type Unknown,
} from '../src/index.ts';
import { anAccount, aQuestion, aTable } from './a-routing-table.ts';

// oxlint-disable typescript/no-unsafe-argument -- What does not compile has no type that would be safe.

// The compiler reads this file with the whole repository (tsc -p .): an @ts-expect-error that expects nothing is an
// error itself, so each of these lines proves that what stands under it does not compile. reroute.compile.test.ts
// proves that the proof works.

const table = aTable(anAccount('a', { rank: 1 }), anAccount('b', { rank: 2 }));
const health = ALL_WELL;
const question = aQuestion({ excluded: [] });

type Outcomes = {
  readonly outcome: Outcome;
  readonly unknown: Unknown;
  readonly processing: Processing;
  readonly pendingPayer: PendingPayer;
  readonly succeeded: Succeeded;
};

/** Never run: only the compiler reads it. */
export const doesNotCompile = ({ outcome, unknown, processing, pendingPayer, succeeded }: Outcomes): void => {
  // @ts-expect-error An unknown outcome has no token: money may have moved.
  rerouteAfter(unknown.token, table, health, question, 0);
  // @ts-expect-error The outcome itself is no token either.
  rerouteAfter(unknown, table, health, question, 0);
  // @ts-expect-error A channel that works on it may still take the money.
  rerouteAfter(processing.token, table, health, question, 0);
  // @ts-expect-error A payer who is asked may still pay.
  rerouteAfter(pendingPayer.token, table, health, question, 0);
  // @ts-expect-error What is paid is not paid again.
  rerouteAfter(succeeded.token, table, health, question, 0);
  // @ts-expect-error Nobody has asked yet what kind of outcome it is.
  rerouteAfter(outcome.token, table, health, question, 0);
  // @ts-expect-error A token made by hand: only definiteFailure() makes one.
  rerouteAfter({ notSent: true }, table, health, question, 0);
  // @ts-expect-error A token made by hand, with its type written beside it.
  const made: RerouteToken = { notSent: false };
  // @ts-expect-error No token at all.
  rerouteAfter(undefined, table, health, question, 0);
  if (outcome.kind !== 'failed_definite') {
    // @ts-expect-error Everything that is not a definite failure.
    rerouteAfter(outcome.token, table, health, question, 0);
  }
  // @ts-expect-error Evidence of a definite failure is an answer or a proof that nothing was sent.
  definiteFailure({ transport: 'maybe_sent' }, 'other');
  // @ts-expect-error An answer whose signature is wrong proves nothing.
  definiteFailure({ transport: 'answered', signature: 'invalid', ruleId: 'r' }, 'other');
  // @ts-expect-error An answer that no rule of the channel's table lists proves nothing.
  definiteFailure({ transport: 'answered', signature: 'verified' }, 'other');
  expect(made).toBeDefined();
};

/** Compiles: the one way to the router. */
const routeAgain = (outcome: Outcome): RouteDecision | undefined =>
  outcome.kind === 'failed_definite' ? rerouteAfter(outcome.token, table, health, question, 0) : undefined;

describe('a further account', () => {
  test('is chosen after a definite failure', () => {
    const decision = routeAgain(definiteFailure({ transport: 'not_sent' }, 'channel_unreachable'));
    expect(decision).toMatchObject({ kind: 'chosen', account: { accountId: 'a' } });
  });

  test('is never chosen among those that failed', () => {
    const { token } = definiteFailure({ transport: 'not_sent' }, 'channel_unreachable');
    const left = (...excluded: readonly string[]) =>
      rerouteAfter(token, table, health, aQuestion({ excluded: excluded.map((id) => anAccount(id).accountId) }), 0);
    expect(left('a')).toMatchObject({ kind: 'chosen', account: { accountId: 'b' } });
    expect(left('a', 'b')).toMatchObject({ kind: 'no_route', why: { kind: 'none_left' } });
  });

  test('is not chosen for a payment code that the channel has seen: the payer has to show another', () => {
    const { token } = definiteFailure({ transport: 'answered', signature: 'verified', ruleId: 'r' }, 'payer_refused');
    expect(rerouteAfter(token, table, health, question, 0)).toMatchObject({
      kind: 'no_route',
      why: { kind: 'none_left' },
    });
  });

  test('is chosen for other kinds although the channel has answered', () => {
    const { token } = definiteFailure({ transport: 'answered', signature: 'absent', ruleId: 'r' }, 'account_refused');
    const byQr = aTable(anAccount('a', { kinds: ['merchant_qr'] }));
    expect(rerouteAfter(token, byQr, health, aQuestion({ kind: 'merchant_qr' }), 0)).toMatchObject({ kind: 'chosen' });
  });
});
