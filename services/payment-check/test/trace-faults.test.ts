import { expect, test } from 'vitest';
import { type JaegerTrace, traceFaults } from '../src/trace-faults.ts';

const span = (spanID: string, processID: string, parent?: string) => ({
  spanID,
  processID,
  references: parent === undefined ? [] : [{ refType: 'CHILD_OF', traceID: 't', spanID: parent }],
});

const WHOLE: JaegerTrace = {
  traceID: 't',
  spans: [span('a', 'p1'), span('b', 'p2', 'a'), span('c', 'p3', 'a')],
  processes: {
    p1: { serviceName: 'cashier' },
    p2: { serviceName: 'order-store' },
    p3: { serviceName: 'channel-wechat' },
  },
};

const FAULTS: readonly (readonly [string, readonly JaegerTrace[], readonly string[]])[] = [
  ['a whole trace', [WHOLE], []],
  ['no trace', [], ['no trace was found']],
  ['a payment in two traces', [WHOLE, WHOLE], ['2 traces were found']],
  [
    'a span whose parent is missing',
    [{ ...WHOLE, spans: [...WHOLE.spans, span('d', 'p1', 'x')] }],
    ['1 of its spans have a parent that is not there'],
  ],
  ['a second root', [{ ...WHOLE, spans: [...WHOLE.spans, span('d', 'p1')] }], ['it has 2 roots']],
  ['a hop that left no span', [{ ...WHOLE, spans: WHOLE.spans.slice(0, 2) }], ['no span of it is of channel-']],
];

for (const [what, traces, faults] of FAULTS) {
  test(`${what}: ${faults.length === 0 ? 'nothing is wrong' : faults.join(', ')}`, () => {
    expect(traceFaults(traces)).toEqual(faults);
  });
}
