import { expect, test } from 'vitest';
import { foundTrace, type JaegerSpan, searchUrl } from '../find-traces.ts';

const span = (spanID: string, parent: string | undefined, changes: Partial<JaegerSpan> = {}): JaegerSpan => ({
  traceID: 't',
  spanID,
  operationName: 'work',
  processID: 'p1',
  references: parent === undefined ? [] : [{ refType: 'CHILD_OF', traceID: 't', spanID: parent }],
  tags: [],
  ...changes,
});
const processes = { p1: { serviceName: 'cashier' }, p2: { serviceName: 'syncer' } };

test('a whole trace has no orphans; services and errors are counted', () => {
  const spans = [
    span('a', undefined),
    span('b', 'a', { processID: 'p2', tags: [{ key: 'error', value: true }] }),
    span('c', 'b', { tags: [{ key: 'error', value: false }] }),
  ];
  expect(foundTrace('1', [{ traceID: 't', spans, processes }])).toEqual({
    orderNo: '1',
    traceId: 't',
    traces: 1,
    spans: 3,
    services: 2,
    orphans: 0,
    errors: 1,
  });
});

test('a span whose parent is missing is an orphan, a link to elsewhere makes none', () => {
  const elsewhere = { references: [{ refType: 'FOLLOWS_FROM', traceID: 'x', spanID: 'y' }] };
  const spans = [span('a', undefined), span('b', 'gone'), span('c', undefined, elsewhere)];
  expect(foundTrace('1', [{ traceID: 't', spans, processes }])).toMatchObject({ orphans: 1 });
  expect(foundTrace('1', [])).toMatchObject({ traces: 0, spans: 0 });
});

test('a payment is looked for by its number', () => {
  const url = new URL(searchUrl('http://127.0.0.1:16686', '/search', '42', 1_000));
  expect(url.pathname).toBe('/search');
  expect(JSON.parse(url.searchParams.get('tags') ?? '')).toEqual({ 'tillmesh.order_no': '42' });
  expect(url.searchParams.get('service')).toBe('cashier');
});
