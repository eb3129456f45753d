import type { ReceivedSpan } from './received-span.ts';

/** A span and what it is made of, in order of time. */
export type SpanNode = { readonly span: ReceivedSpan; readonly children: readonly SpanNode[] };

/** The spans of one trace. It is whole when it has one root and no orphan. */
export type SpanTree = {
  /** Spans without a parent. */
  readonly roots: readonly SpanNode[];
  /** Spans whose parent never arrived, or stands below themselves. */
  readonly orphans: readonly SpanNode[];
  /** One line a span, indented below its parent: for people who read a failed test. */
  print(): string;
};

const byTime = (a: ReceivedSpan, b: ReceivedSpan): number =>
  a.startUnixNano === b.startUnixNano ? 0 : a.startUnixNano < b.startUnixNano ? -1 : 1;

const NANOS_PER_MS = 1_000_000;
const msBetween = (fromNano: bigint, toNano: bigint): string => (Number(toNano - fromNano) / NANOS_PER_MS).toFixed(1);

const linesOf = (node: SpanNode, depth: number, beganNano: bigint): readonly string[] => {
  const { span, children } = node;
  const failed = span.status.code === 'error' ? `  failed: ${span.status.message}` : '';
  const at = `+${msBetween(beganNano, span.startUnixNano)} ms`;
  const took = `${msBetween(span.startUnixNano, span.endUnixNano)} ms`;
  const line = `${'  '.repeat(depth)}${span.service} ${span.kind} ${span.name}  ${at}, took ${took}${failed}`;
  return [line, ...children.flatMap((child) => linesOf(child, depth + 1, beganNano))];
};

/** Puts the spans of one trace into order: the children of each span below it. Spans of other traces are left out. */
export const spanTreeOf = (all: readonly ReceivedSpan[], traceId: string): SpanTree => {
  const spans = all.filter((span) => span.traceId === traceId).toSorted(byTime);
  const known = new Set(spans.map((span) => span.spanId));
  const childrenOf = Map.groupBy(spans, (span) => span.parentSpanId);
  const placed = new Set<string>();
  const nodeOf = (span: ReceivedSpan): SpanNode => {
    placed.add(span.spanId);
    const children = (childrenOf.get(span.spanId) ?? []).filter((child) => !placed.has(child.spanId));
    return { span, children: children.map(nodeOf) };
  };
  const roots = spans.filter((span) => span.parentSpanId === '').map(nodeOf);
  const orphans = spans.filter((span) => span.parentSpanId !== '' && !known.has(span.parentSpanId)).map(nodeOf);
  // What is left is its own ancestor; it must not vanish from what a test looks at.
  for (const span of spans) if (!placed.has(span.spanId)) orphans.push(nodeOf(span));
  return {
    roots,
    orphans,
    print: () => {
      const beganNano = spans[0]?.startUnixNano ?? 0n;
      const titled = (title: string, nodes: readonly SpanNode[]) =>
        nodes.length === 0 ? [] : [title, ...nodes.flatMap((node) => linesOf(node, 1, beganNano))];
      return [`trace ${traceId}`, ...titled('roots', roots), ...titled('orphans', orphans)].join('\n');
    },
  };
};
