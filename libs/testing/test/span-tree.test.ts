import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type SpanNode, spanTreeOf } from '../src/index.ts';
import { aSpan, TRACE_ID } from './a-span.ts';

type Shape = readonly [name: string, children: readonly Shape[]];
const shapeOf = ({ span, children }: SpanNode): Shape => [span.name, children.map(shapeOf)];
const countOf = ({ children }: SpanNode): number => 1 + children.reduce((sum, child) => sum + countOf(child), 0);

describe('a tree of spans', () => {
  test('has every span below its parent, the earlier before the later, whatever the order of arrival', () => {
    const spans = [aSpan(1, 0), aSpan(2, 1), aSpan(3, 1), aSpan(4, 3), aSpan(5, 3)];
    const expected = [
      [
        'span 1',
        [
          ['span 2', []],
          [
            'span 3',
            [
              ['span 4', []],
              ['span 5', []],
            ],
          ],
        ],
      ],
    ];
    fc.assert(
      fc.property(fc.shuffledSubarray(spans, { minLength: spans.length }), (shuffled) => {
        const { roots, orphans } = spanTreeOf(shuffled, TRACE_ID);
        expect(roots.map(shapeOf)).toEqual(expected);
        expect(orphans).toEqual([]);
      }),
    );
  });

  test('has a span whose parent never arrived among its orphans, with what stands below it', () => {
    const { roots, orphans } = spanTreeOf([aSpan(1, 0), aSpan(3, 2), aSpan(4, 3)], TRACE_ID);
    expect(roots.map(shapeOf)).toEqual([['span 1', []]]);
    expect(orphans.map(shapeOf)).toEqual([['span 3', [['span 4', []]]]]);
  });

  test('has two roots when two spans have no parent', () => {
    expect(spanTreeOf([aSpan(1, 0), aSpan(2, 0)], TRACE_ID).roots.map(shapeOf)).toEqual([
      ['span 1', []],
      ['span 2', []],
    ]);
  });

  test('leaves out the spans of other traces, and takes no parent from them', () => {
    const other = aSpan(1, 0, { traceId: 'b'.repeat(32) });
    const { roots, orphans } = spanTreeOf([other, aSpan(2, 1)], TRACE_ID);
    expect(roots).toEqual([]);
    expect(orphans.map(shapeOf)).toEqual([['span 2', []]]);
  });

  test('loses no span and never ends in a circle, whatever the parents are', () => {
    const parentsOf = fc.array(fc.nat(8), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(parentsOf, (parents) => {
        const { roots, orphans } = spanTreeOf(
          parents.map((parent, index) => aSpan(index + 1, parent)),
          TRACE_ID,
        );
        const placed = [...roots, ...orphans].reduce((sum, node) => sum + countOf(node), 0);
        expect(placed).toBe(parents.length);
      }),
    );
  });

  test('is printed one line a span, with times from the first, failures and orphans', () => {
    const failed = aSpan(2, 1, {
      service: 'order-store',
      kind: 'server',
      status: { code: 'error', message: 'LANE_FULL' },
      endUnixNano: 4_500_000n,
    });
    expect(spanTreeOf([aSpan(1, 0), failed, aSpan(9, 7)], TRACE_ID).print()).toBe(
      [
        `trace ${TRACE_ID}`,
        'roots',
        '  cashier internal span 1  +0.0 ms, took 1.0 ms',
        '    order-store server span 2  +1.0 ms, took 2.5 ms  failed: LANE_FULL',
        'orphans',
        '  cashier internal span 9  +8.0 ms, took 1.0 ms',
      ].join('\n'),
    );
    expect(spanTreeOf([], TRACE_ID).print()).toBe(`trace ${TRACE_ID}`);
  });
});
