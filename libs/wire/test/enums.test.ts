import type { DescEnum } from '@bufbuild/protobuf';
import {
  ATTEMPT_STATES,
  DECLINE_REASONS,
  LEARNED_BY,
  PAYMENT_KINDS,
  PAYMENT_STATES,
  REFUND_CAUSES,
  REFUND_STATES,
  WALLETS,
} from '@tillmesh/domain';
import { AttemptStateSchema } from '@tillmesh/proto/tillmesh/payment/v1/attempt_pb.ts';
import {
  LearnedBySchema,
  OutcomeKindSchema,
  SignatureStateSchema,
  TransportSchema,
} from '@tillmesh/proto/tillmesh/payment/v1/outcome_pb.ts';
import {
  DeclineReasonSchema,
  PaymentKindSchema,
  PaymentStateSchema,
  WalletSchema,
} from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { RefundCauseSchema, RefundStateSchema } from '@tillmesh/proto/tillmesh/payment/v1/refund_pb.ts';
import { describe, expect, test } from 'vitest';
import {
  attemptStateMap,
  declineReasonMap,
  type EnumMap,
  kindMap,
  learnedByMap,
  outcomeKindMap,
  paymentStateMap,
  refundCauseMap,
  refundStateMap,
  signatureMap,
  transportMap,
  walletMap,
} from '../src/index.ts';

/** The words of the domain beside the values of the proto; one that is added to either side alone fails here. */
const row = <Word extends string>(schema: DescEnum, words: readonly Word[], map: EnumMap<Word, number>) => ({
  schema,
  words: words as readonly string[],
  toWire: (word: string) => map.toWire(word as Word),
  fromWire: map.fromWire as (value: number) => string | undefined,
});

const visible = PAYMENT_STATES.filter((state) => state !== 'unbound' && state !== 'void');

const ROWS = [
  row(WalletSchema, WALLETS, walletMap),
  row(PaymentKindSchema, PAYMENT_KINDS, kindMap),
  row(PaymentStateSchema, visible, paymentStateMap),
  row(AttemptStateSchema, ATTEMPT_STATES, attemptStateMap),
  row(DeclineReasonSchema, DECLINE_REASONS, declineReasonMap),
  row(LearnedBySchema, LEARNED_BY, learnedByMap),
  row(OutcomeKindSchema, ['succeeded', 'failed_definite', 'pending_payer', 'processing', 'unknown'], outcomeKindMap),
  row(TransportSchema, ['not_sent', 'maybe_sent', 'answered'], transportMap),
  row(SignatureStateSchema, ['verified', 'absent', 'invalid'], signatureMap),
  row(RefundStateSchema, REFUND_STATES, refundStateMap),
  row(RefundCauseSchema, REFUND_CAUSES, refundCauseMap),
];

for (const { schema, words, toWire, fromWire } of ROWS) {
  describe(schema.typeName, () => {
    const values = schema.values.filter(({ number }) => number !== 0);

    for (const { name, localName, number } of values) {
      test(`has a word for ${name}: its own name in small letters`, () => {
        const word = fromWire(number);
        expect(word).toBe(localName.toLowerCase());
        expect(toWire(word ?? '')).toBe(number);
      });
    }

    for (const word of words) {
      test(`has a value for ${word}`, () => {
        expect(values.map(({ number }) => number)).toContain(toWire(word));
        expect(fromWire(toWire(word))).toBe(word);
      });
    }

    test('has as many words as values', () => {
      expect(words).toHaveLength(values.length);
      expect(new Set(words.map(toWire)).size).toBe(values.length);
    });

    test('has no word for the zero value and for values of a later version', () => {
      const later = Math.max(...values.map(({ number }) => number)) + 1;
      expect([0, later, 999, -1, 0.5].map(fromWire)).toEqual(Array(5).fill(undefined));
    });
  });
}
