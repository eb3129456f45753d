import type { ReceivedSpan } from '../src/index.ts';

export const TRACE_ID = 'a'.repeat(32);

/** A span of one ms whose id is a number, below the span of another number; 0 for a root. */
export const aSpan = (id: number, parent: number, parts: Partial<ReceivedSpan> = {}): ReceivedSpan => ({
  traceId: TRACE_ID,
  spanId: id.toString(16).padStart(16, '0'),
  parentSpanId: parent === 0 ? '' : parent.toString(16).padStart(16, '0'),
  name: `span ${id}`,
  kind: 'internal',
  service: 'cashier',
  startUnixNano: BigInt(id) * 1_000_000n,
  endUnixNano: BigInt(id + 1) * 1_000_000n,
  attributes: {},
  status: { code: 'unset', message: '' },
  events: [],
  links: [],
  ...parts,
});
