import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import {
  type ChannelTransactionId,
  DECLINE_REASONS,
  type DefiniteEvidence,
  definiteFailure,
  MINOR_UNITS_MAX,
  money,
  type Outcome,
  unknownOutcome,
} from '@tillmesh/domain';
import {
  AttemptResultSchema,
  CloseEnd,
  CloseResultSchema,
} from '@tillmesh/proto/tillmesh/channel/v1/channel_service_pb.ts';
import { OutcomeKind, SignatureState, Transport } from '@tillmesh/proto/tillmesh/payment/v1/outcome_pb.ts';
import { DeclineReason } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { attemptResultOfClose, attemptResultToWire, outcomeFromWire } from '../src/index.ts';

type Result = MessageInitShape<typeof AttemptResultSchema>;

/** What another process reads. */
const sent = (result: Result) =>
  fromBinary(AttemptResultSchema, toBinary(AttemptResultSchema, create(AttemptResultSchema, result)));
const read = (result: Result): Outcome => outcomeFromWire(sent(result));

const textOf = (maxLength: number) =>
  fc.string({ unit: 'grapheme', minLength: 1, maxLength }).filter((text) => text.length <= maxLength);
const evidenceOf: fc.Arbitrary<DefiniteEvidence> = fc.oneof(
  fc.constant<DefiniteEvidence>({ transport: 'not_sent' }),
  fc.record({
    transport: fc.constant('answered' as const),
    signature: fc.constantFrom('verified' as const, 'absent' as const),
    ruleId: textOf(40),
  }),
);
const outcomeOf: fc.Arbitrary<Outcome> = fc.oneof(
  fc
    .record({
      currency: fc.constantFrom('CNY', 'USD', 'JPY'),
      minorUnits: fc.bigInt({ min: 0n, max: MINOR_UNITS_MAX }),
      id: textOf(64),
      paidAtMs: fc.integer({ min: 0, max: 4_102_444_800_000 }),
    })
    .map(({ currency, minorUnits, id, paidAtMs }) => ({
      kind: 'succeeded' as const,
      paid: money(currency, minorUnits),
      channelTransactionId: id as ChannelTransactionId,
      paidAtMs,
    })),
  fc
    .tuple(evidenceOf, fc.constantFrom(...DECLINE_REASONS), fc.boolean())
    .map(([evidence, reason, closed]) => definiteFailure(evidence, reason, { closed })),
  fc.constant<Outcome>({ kind: 'pending_payer' }),
  fc.constant<Outcome>({ kind: 'processing' }),
  textOf(255).map(unknownOutcome),
);

describe('an outcome', () => {
  test('is the same on both sides of the wire', () => {
    fc.assert(
      fc.property(outcomeOf, (outcome) => {
        const facts = {
          signature: SignatureState.VERIFIED,
          transport: Transport.ANSWERED,
          host: 'h',
          sends: 1,
          httpStatus: 200,
        };
        expect(read(attemptResultToWire(outcome, facts))).toEqual(outcome);
      }),
      { numRuns: 1_000 },
    );
  });

  test('is never more on the other side than what its sender could prove, whatever facts stand beside it', () => {
    const factsOf = fc.record({
      signature: fc.constantFrom<SignatureState>(0, 1, 2, 3),
      transport: fc.constantFrom<Transport>(0, 1, 2, 3),
      channelMessage: textOf(20),
      vouchedByConnection: fc.boolean(),
    });
    fc.assert(
      fc.property(outcomeOf, factsOf, (outcome, facts) => {
        const { kind } = read(attemptResultToWire(outcome, facts));
        expect(kind === outcome.kind || kind === 'unknown').toBe(true);
        const isVouched = facts.signature === SignatureState.ABSENT && facts.vouchedByConnection;
        if (outcome.kind === 'succeeded' && facts.signature !== SignatureState.VERIFIED && !isVouched) {
          expect(kind).toBe('unknown');
        }
      }),
      { numRuns: 1_000 },
    );
  });

  test('of whose cause there is too much is cut, not refused', () => {
    const outcome = read(attemptResultToWire(unknownOutcome('x'.repeat(1_000))));
    expect(outcome).toEqual(unknownOutcome('x'.repeat(255)));
  });

  test("carries the payer's action beside it", () => {
    const result = sent(
      attemptResultToWire(
        { kind: 'pending_payer' },
        { action: { kind: 'qr_code', qrCode: 'weixin://x' }, channelCode: 'USERPAYING' },
      ),
    );
    expect(result).toMatchObject({
      action: { action: { case: 'qrCode', value: 'weixin://x' } },
      channelCode: 'USERPAYING',
    });
  });
});

const SUCCESS = {
  outcome: OutcomeKind.SUCCEEDED,
  signature: SignatureState.VERIFIED,
  transport: Transport.ANSWERED,
  paid: { currency: 'CNY', minorUnits: 100n },
  paidAt: { seconds: 1_700_000_000n, nanos: 0 },
  channelTransactionId: 'T1',
} as const satisfies Result;
const FAILURE = {
  outcome: OutcomeKind.FAILED_DEFINITE,
  signature: SignatureState.VERIFIED,
  transport: Transport.ANSWERED,
  ruleId: 'a-rule',
  declineReason: DeclineReason.INSUFFICIENT_FUNDS,
} as const satisfies Result;

describe('a success is believed', () => {
  test('when it is verified and has amount, transaction and time', () => {
    expect(read(SUCCESS)).toEqual({
      kind: 'succeeded',
      paid: money('CNY', 100),
      channelTransactionId: 'T1',
      paidAtMs: 1_700_000_000_000,
    });
  });

  test('when it has no signature and the connection vouches for it', () => {
    const vouched = { signature: SignatureState.ABSENT, vouchedByConnection: true };
    expect(read({ ...SUCCESS, ...vouched })).toEqual(read(SUCCESS));
  });

  for (const [why, part] of [
    ['without a signature', { signature: SignatureState.ABSENT }],
    ['with a wrong signature', { signature: SignatureState.INVALID }],
    ['with a wrong signature, whatever vouches', { signature: SignatureState.INVALID, vouchedByConnection: true }],
    ['vouched for, with nothing said of its signature', { signature: 0, vouchedByConnection: true }],
    ['with nothing said of its signature', { signature: SignatureState.UNSPECIFIED }],
    ['with a word of a later version for its signature', { signature: 9 as SignatureState }],
    ['without an amount', { paid: undefined }],
    ['with an amount below zero', { paid: { currency: 'CNY', minorUnits: -1n } }],
    ['with an amount over the limit', { paid: { currency: 'CNY', minorUnits: MINOR_UNITS_MAX + 1n } }],
    ['without a currency', { paid: { currency: '', minorUnits: 100n } }],
    ['with half a currency', { paid: { currency: 'cny', minorUnits: 100n } }],
    ['without a time', { paidAt: undefined }],
    ['without a transaction', { channelTransactionId: '' }],
  ] as const) {
    test(`not ${why}: then it is unknown`, () => {
      expect(read({ ...SUCCESS, ...part }).kind).toBe('unknown');
    });
  }
});

describe('a definite failure is believed', () => {
  for (const [why, part] of [
    ['with a verified answer that a rule lists', {}],
    ['with an answer without signature that a rule lists', { signature: SignatureState.ABSENT }],
    ['when nothing was sent, without rule and signature', { transport: Transport.NOT_SENT, ruleId: '', signature: 0 }],
  ] as const) {
    test(why, () => {
      expect(read({ ...FAILURE, ...part })).toMatchObject({
        kind: 'failed_definite',
        reason: 'insufficient_funds',
      });
    });
  }

  test('and tells by its token whether the channel has seen it', () => {
    const seen = read(FAILURE);
    const unseen = read({ ...FAILURE, transport: Transport.NOT_SENT });
    expect(
      [seen, unseen].map((outcome) => (outcome.kind === 'failed_definite' ? outcome.token.notSent : outcome.kind)),
    ).toEqual([false, true]);
  });

  for (const [why, part] of [
    ['without a rule', { ruleId: '' }],
    ['with a wrong signature', { signature: SignatureState.INVALID }],
    ['with nothing said of its signature', { signature: SignatureState.UNSPECIFIED }],
    ['when the request may have been sent', { transport: Transport.MAYBE_SENT }],
    ['with nothing said of its transport', { transport: Transport.UNSPECIFIED }],
    ['with a word of a later version for its transport', { transport: 9 as Transport }],
  ] as const) {
    test(`not ${why}: then it is unknown`, () => {
      expect(read({ ...FAILURE, ...part }).kind).toBe('unknown');
    });
  }

  for (const declineReason of [DeclineReason.UNSPECIFIED, 99 as DeclineReason]) {
    test(`with reason ${declineReason}, which this version has no word for, as other`, () => {
      expect(read({ ...FAILURE, declineReason })).toMatchObject({ kind: 'failed_definite', reason: 'other' });
    });
  }
});

describe('nothing is known', () => {
  for (const [why, result] of [
    ['of the zero value', { outcome: OutcomeKind.UNSPECIFIED }],
    ['of a word of a later version', { outcome: 77 as OutcomeKind }],
    ['of a negative word', { outcome: -1 as OutcomeKind }],
    ['of an empty result', {}],
    ['of unknown', { outcome: OutcomeKind.UNKNOWN }],
    // Everything of a success but the word.
    ['of a success that is not called one', { ...SUCCESS, outcome: OutcomeKind.UNSPECIFIED }],
  ] as const satisfies readonly (readonly [string, Result])[]) {
    test(why, () => {
      expect(read(result).kind).toBe('unknown');
    });
  }

  test('without a result', () => {
    expect(outcomeFromWire(undefined).kind).toBe('unknown');
  });
});

describe('what a close says of its attempt', () => {
  const closeOf = (end: CloseEnd, seen: Result | undefined): Outcome | 'nothing' => {
    const result = attemptResultOfClose(create(CloseResultSchema, { end, ...(seen === undefined ? {} : { seen }) }));
    return result === undefined ? 'nothing' : read(result);
  };
  const verified = {
    signature: SignatureState.VERIFIED,
    transport: Transport.ANSWERED,
    outcome: OutcomeKind.UNKNOWN,
  } as const;

  for (const [end, name] of [
    [CloseEnd.CLOSED, 'closed'],
    [CloseEnd.REFUNDED, 'refunded'],
  ] as const) {
    test(`is a definite failure when it is ${name} and verified`, () => {
      expect(closeOf(end, verified)).toMatchObject({
        kind: 'failed_definite',
        closed: true,
        reason: 'payer_cancelled',
        evidence: { ruleId: `close:${name}` },
      });
    });

    test(`is one too when it is ${name} and the connection vouches for it`, () => {
      const vouched = { ...verified, signature: SignatureState.ABSENT, vouchedByConnection: true };
      expect(closeOf(end, vouched)).toMatchObject({
        kind: 'failed_definite',
        closed: true,
        evidence: { signature: 'absent', ruleId: `close:${name}` },
      });
    });

    for (const signature of [SignatureState.ABSENT, SignatureState.INVALID, SignatureState.UNSPECIFIED]) {
      test(`is nothing known when it says ${name} with signature ${signature}`, () => {
        expect(closeOf(end, { ...verified, signature })).toMatchObject({ kind: 'unknown' });
      });
    }
  }

  for (const end of [
    CloseEnd.UNSPECIFIED,
    CloseEnd.UNDECIDED,
    CloseEnd.ALREADY_PAID,
    CloseEnd.PAYER_PAYING,
    42 as CloseEnd,
  ]) {
    test(`is what was seen of the order when the end is ${end}`, () => {
      expect(closeOf(end, SUCCESS)).toMatchObject({ kind: 'succeeded' });
      expect(closeOf(end, verified)).toMatchObject({ kind: 'unknown' });
    });
  }

  test('is nothing when nothing was seen', () => {
    expect(closeOf(CloseEnd.CLOSED, undefined)).toBe('nothing');
    expect(attemptResultOfClose(undefined)).toBeUndefined();
  });
});
