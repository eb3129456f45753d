export { type OtlpReceiver, startOtlpReceiver } from './otlp-receiver.ts';
export type { AttributeRecord, AttributeValue, ReceivedSpan } from './received-span.ts';
export { type SpanNode, type SpanTree, spanTreeOf } from './span-tree.ts';
export { type EndedProcess, startAndStop } from './start-and-stop.ts';
