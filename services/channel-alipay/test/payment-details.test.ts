import { readDetails } from '@tillmesh/channel-kit';
import { type ChannelTransactionId, money, type Outcome } from '@tillmesh/domain';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { detailsOfTrade } from '../src/protocol.ts';

const cny = (minorUnits: bigint) => money('CNY', minorUnits);
const TOTAL = cny(100n);
const success: Outcome = {
  kind: 'succeeded',
  paid: TOTAL,
  channelTransactionId: '2016' as ChannelTransactionId,
  paidAtMs: 1,
};

const answer = {
  buyer_user_id: '2088102122524333',
  buyer_logon_id: '159****1937',
  buyer_pay_amount: '0.80',
  receipt_amount: '1.00',
  fund_bill_list: [
    { fund_channel: 'ALIPAYACCOUNT', amount: '0.80' },
    { fund_channel: 'COUPON', amount: '0.20' },
  ],
  voucher_detail_list: [
    {
      id: '2016101200073002586200003BQ4',
      name: '5折券',
      type: 'ALIPAY_DISCOUNT_VOUCHER',
      amount: '0.20',
      merchant_contribute: '0.00',
      other_contribute: '0.20',
    },
  ],
};
// The same in the form of Alipay's own example of a notification: lists as text, their names in camelCase.
const notification = {
  buyer_id: '2088102122524333',
  buyer_logon_id: '159****1937',
  buyer_pay_amount: '0.80',
  receipt_amount: '1.00',
  fund_bill_list: '[{"amount":"0.80","fundChannel":"ALIPAYACCOUNT"},{"amount":"0.20","fundChannel":"MDISCOUNT"}]',
  voucher_detail_list:
    '[{"amount":"0.20","merchantContribute":"0.00","name":"5折券","otherContribute":"0.20","type":"ALIPAY_DISCOUNT_VOUCHER","voucherId":"2016101200073002586200003BQ4"}]',
};
const read = (content: object) => readDetails(success, detailsOfTrade({ ...content }));

describe('details of a trade', () => {
  test('are the same from an answer and from a notification', () => {
    expect(read(answer)).toEqual({
      details: {
        payerId: '2088102122524333',
        payerAccount: '159****1937',
        funding: { kind: 'balance', source: 'ALIPAYACCOUNT' },
        discounts: [
          { kind: 'coupon', name: '5折券', id: '2016101200073002586200003BQ4', amount: cny(20n), fundedBy: 'other' },
        ],
        payerPaid: cny(80n),
        settled: TOTAL,
      },
      leftOut: [],
    });
    expect(read(notification)).toEqual(read(answer));
  });

  test('have the discounts of what it was paid with, where no voucher is told', () => {
    const bills = [
      { fund_channel: 'PCREDIT', amount: '0.50' },
      { fund_channel: 'MCOUPON', amount: '0.30' },
      { fund_channel: 'POINT', amount: '0.20' },
    ];
    const told = { ...answer, buyer_pay_amount: '0.50', voucher_detail_list: undefined, fund_bill_list: bills };
    expect(read(told)?.details).toMatchObject({
      funding: { kind: 'credit', source: 'PCREDIT' },
      discounts: [
        { kind: 'coupon', amount: cny(30n), fundedBy: 'merchant' },
        { kind: 'points', amount: cny(20n), fundedBy: 'channel' },
      ],
    });
  });

  test('name several ways of paying as mixed', () => {
    const bills = [
      { fund_channel: 'ALIPAYACCOUNT', amount: '0.50' },
      { fund_channel: 'BANKCARD', fund_type: 'DEBIT_CARD', amount: '0.50' },
    ];
    const told = { ...answer, buyer_pay_amount: '1.00', voucher_detail_list: undefined, fund_bill_list: bills };
    expect(read(told)?.details).toMatchObject({
      funding: { kind: 'mixed', source: 'ALIPAYACCOUNT+BANKCARD' },
      discounts: [],
    });
  });

  test('of a payer known by open id alone have that', () => {
    const { buyer_user_id: _userId, ...others } = answer;
    expect(
      read({ ...others, buyer_open_id: '074a1CcTG1LelxKe4xQC0zgNdId0nxi95b5lsNpazWYoCo5' })?.details.payerId,
    ).toMatch(/^074a/);
  });

  test('that Alipay writes as null are not told', () => {
    const nothing = Object.fromEntries(Object.keys(notification).map((name) => [name, 'null']));
    expect(read(nothing)).toEqual({
      details: expect.not.objectContaining({ payerId: expect.anything() }),
      leftOut: [],
    });
  });

  for (const [what, changes, fields] of [
    ['a list that is no JSON', { fund_bill_list: '[{' }, ['funding', 'discounts']],
    ['a third decimal', { buyer_pay_amount: '0.801' }, ['payerPaid']],
    ['a negative receipt', { receipt_amount: '-1.00' }, ['settled']],
    [
      'a voucher whose parts are not the whole',
      { voucher_detail_list: [{ ...answer.voucher_detail_list[0], amount: '0.30' }] },
      ['discounts'],
    ],
    ['a buyer that is a number', { buyer_user_id: 2088 }, ['payerId']],
  ] as const) {
    test(`without ${what}`, () => {
      expect(read({ ...answer, ...changes })?.leftOut).toEqual(fields.map((field) => ({ field, why: 'unreadable' })));
    });
  }
});

test('whatever stands in an answer, reading its details neither throws nor tells what does not add up', () => {
  const anything = fc.oneof(fc.anything({ maxDepth: 4 }), fc.json());
  const damaged = fc
    .tuple(fc.constantFrom(...Object.keys(answer)), anything)
    .map(([name, value]) => ({ ...answer, [name]: value }));
  fc.assert(
    fc.property(fc.oneof(damaged, fc.dictionary(fc.string(), anything)), (content) => {
      const details = read(content)?.details;
      const off = (details?.discounts ?? []).reduce((sum, { amount }) => sum + amount.minorUnits, 0n);
      if (details?.discounts !== undefined) expect(off + (details.payerPaid?.minorUnits ?? -1n)).toBe(TOTAL.minorUnits);
    }),
    { numRuns: 1_000 },
  );
});
