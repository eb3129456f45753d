import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { money, REFUND_STATES, type RefundNews, type RefundState, settleRefund } from '../src/index.ts';

const amount = money('CNY', 500);

/** Rows are where a refund stands, columns what the channel says. `=` unchanged, `?` a person has to look, else the new state. */
const TABLE = `
state      | processing | unknown | succeeded | failed | abnormal
requested  | processing | unknown | succeeded | failed | abnormal
processing | =          | =       | succeeded | failed | abnormal
unknown    | processing | =       | succeeded | failed | abnormal
succeeded  | =          | =       | =         | ?      | =
failed     | =          | =       | ?         | =      | =
abnormal   | processing | =       | succeeded | =      | =`;

const EVENT_OF: Record<RefundNews['state'], string> = {
  processing: 'in_process',
  unknown: 'lost',
  succeeded: 'confirmed',
  failed: 'refused',
  abnormal: 'stuck',
};

const [header = [], ...rows] = TABLE.trim()
  .split('\n')
  .map((line) => line.split('|').map((cell) => cell.trim()));
const columns = header.slice(1) as RefundNews['state'][];

describe('news about a refund', () => {
  test('has a row for every state', () => {
    expect(new Set(rows.map(([state]) => state))).toEqual(new Set(REFUND_STATES));
    expect(rows).toHaveLength(REFUND_STATES.length);
  });

  for (const [state = '', ...cells] of rows) {
    cells.forEach((cell, column) => {
      const said = columns[column] ?? 'unknown';
      test(`that says ${said} of one that is ${state}: ${cell}`, () => {
        const settlement = settleRefund({ state: state as RefundState, amount }, { state: said, refunded: undefined });
        expect(settlement).toEqual(
          cell === '='
            ? { kind: 'unchanged', why: expect.any(String) }
            : cell === '?'
              ? { kind: 'hold', why: expect.any(String) }
              : { kind: 'moved', event: EVENT_OF[said], to: cell },
        );
      });
    });
  }

  for (const [why, refunded, kind] of [
    ['the amount that was asked', amount, 'moved'],
    ['no amount', undefined, 'moved'],
    ['less than was asked', money('CNY', 499), 'hold'],
    ['more than was asked', money('CNY', 501), 'hold'],
    ['another currency', money('USD', 500), 'hold'],
  ] as const) {
    test(`with ${why} is ${kind === 'moved' ? 'believed' : 'held for a person'}`, () => {
      expect(settleRefund({ state: 'processing', amount }, { state: 'succeeded', refunded }).kind).toBe(kind);
    });
  }

  test('that tells of another amount after the refund succeeded is held for a person', () => {
    expect(settleRefund({ state: 'succeeded', amount }, { state: 'succeeded', refunded: money('CNY', 1) }).kind).toBe(
      'hold',
    );
  });

  test('never moves a refund that succeeded or failed, whatever comes', () => {
    const news = fc.record({
      state: fc.constantFrom<RefundNews['state']>('processing', 'unknown', 'succeeded', 'failed', 'abnormal'),
      refunded: fc.constantFrom(undefined, amount, money('CNY', 499)),
    });
    fc.assert(
      fc.property(fc.array(news, { maxLength: 20 }), (history) => {
        let state: RefundState = 'requested';
        for (const each of history) {
          const settlement = settleRefund({ state, amount }, each);
          const before: RefundState = state;
          if (settlement.kind === 'moved') state = settlement.to;
          if (before === 'succeeded' || before === 'failed') expect(state).toBe(before);
          // What was just told is known: telling it again moves nothing.
          expect(settleRefund({ state, amount }, each).kind).not.toBe('moved');
        }
      }),
    );
  });
});
