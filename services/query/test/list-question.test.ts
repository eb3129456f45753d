import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { firstOrderKeyAt } from '@tillmesh/domain';
import { PaymentState } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { ListPaymentsRequestSchema } from '@tillmesh/proto/tillmesh/query/v1/query_service_pb.ts';
import { describe, expect, test } from 'vitest';
import { askedPageOf } from '../src/list-question.ts';

const NOW_MS = Date.UTC(2026, 10, 26);
const DAY_MS = 86_400_000;

type Words = {
  readonly fromDays?: number;
  readonly toDays?: number;
  readonly states?: PaymentState[];
  readonly pageSize?: number;
  readonly pageToken?: string;
};

const ask = ({ fromDays, toDays, ...rest }: Words) => {
  const at = (days: number) => timestampFromMs(NOW_MS + days * DAY_MS);
  return askedPageOf(
    create(ListPaymentsRequestSchema, {
      merchantId: 'm-1',
      ...rest,
      ...(fromDays === undefined ? {} : { from: at(fromDays) }),
      ...(toDays === undefined ? {} : { to: at(toDays) }),
    }),
    NOW_MS,
  );
};

describe('a request for a list', () => {
  test('without times asks for the last 31 days up to now, 50 payments at once, in all states', () => {
    expect(ask({})).toMatchObject({
      floor: firstOrderKeyAt(NOW_MS - 31 * DAY_MS),
      position: { before: firstOrderKeyAt(NOW_MS + 3_600_000) },
      pageSize: 50,
      states: undefined,
    });
  });

  test('with times asks from the first to before the second', () => {
    expect(ask({ fromDays: -10, toDays: -5 })).toMatchObject({
      floor: firstOrderKeyAt(NOW_MS - 10 * DAY_MS),
      position: { before: firstOrderKeyAt(NOW_MS - 5 * DAY_MS) },
    });
  });

  test('with states asks for those', () => {
    expect(ask({ states: [PaymentState.CLOSED, PaymentState.FAILED] }).states).toEqual(new Set(['closed', 'failed']));
  });

  test.each<[string, Words]>([
    ['times the wrong way round', { fromDays: -1, toDays: -2 }],
    ['times further apart than 93 days', { fromDays: -100, toDays: -1 }],
    ['a beginning more than 93 days ago', { fromDays: -94 }],
    ['a state that there is not', { states: [PaymentState.UNSPECIFIED] }],
    ['a token of nowhere', { pageToken: 'AAAA' }],
  ])('with %s is refused as invalid', (_what, words) => {
    expect(() => ask(words)).toThrow(expect.objectContaining({ reason: 'REQUEST_INVALID' }));
  });
});
