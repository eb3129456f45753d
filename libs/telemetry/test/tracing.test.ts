import { context, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import {
  activeTraceparent,
  contextOfTraceparent,
  errorTypeOf,
  isTracingOn,
  runInContext,
  runInSpan,
  SpanKind,
  SpanStatusCode,
  setTracingOn,
  startSpan,
  traceIdOf,
  traceparentOf,
  withoutSpans,
  withSpan,
} from '../src/index.ts';

const exporter = new InMemorySpanExporter();
const provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] });
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
trace.setGlobalTracerProvider(provider);

beforeEach(() => {
  exporter.reset();
  setTracingOn(true);
});
afterAll(async () => {
  setTracingOn(false);
  await provider.shutdown();
});

const spans = () => exporter.getFinishedSpans();
const spanNamed = (name: string) =>
  spans().find((span) => span.name === name) ?? expect.fail(`there is no span ${name}`);

describe('while tracing is off', () => {
  beforeEach(() => setTracingOn(false));

  test('work runs, and nothing is recorded', async () => {
    expect(await withSpan('a', {}, async () => 7)).toBe(7);
    startSpan('b', {}).end();
    expect(runInSpan(startSpan('c', {}), context.active(), () => 8)).toBe(8);
    expect(runInContext(context.active(), () => 9)).toBe(9);
    expect(withoutSpans(() => 10)).toBe(10);
    await provider.forceFlush();
    expect(spans()).toEqual([]);
    expect(isTracingOn()).toBe(false);
  });

  test('what fails, fails as it would without a span', async () => {
    const error = new Error('x');
    await expect(withSpan('a', {}, () => Promise.reject(error))).rejects.toBe(error);
  });

  test('nothing is told to callees', async () => {
    await withSpan('a', {}, async (span) => {
      expect(traceparentOf(span)).toBe('');
      expect(activeTraceparent()).toBe('');
    });
  });

  test('a span costs little more than the work in it', async () => {
    const calls = 10_000;
    const nanosOf = async (work: () => Promise<unknown>) => {
      const beganMs = performance.now();
      for (let call = 0; call < calls; call += 1) await work();
      return ((performance.now() - beganMs) * 1e6) / calls;
    };
    const work = async () => 7;
    // The best of several rounds: others use this machine too.
    let bare = Number.POSITIVE_INFINITY;
    let spanned = Number.POSITIVE_INFINITY;
    for (let round = 0; round < 8; round += 1) {
      bare = Math.min(bare, await nanosOf(work));
      spanned = Math.min(spanned, await nanosOf(() => withSpan('a', {}, work)));
    }
    console.log(
      `withSpan while off: ${Math.round(spanned - bare)} ns a call, over ${Math.round(bare)} ns of the call alone`,
    );
    // Measured: 10 to 60 ns; with a context that is made and entered: 500.
    expect(spanned - bare).toBeLessThan(250);
  });
});

describe('a span', () => {
  test('has name, kind, attributes, and the span around it as its parent', async () => {
    await withSpan('outer', { kind: SpanKind.SERVER, attributes: { a: 1 } }, async () => {
      await Promise.resolve();
      await withSpan('inner', {}, async () => {});
    });
    expect(spanNamed('outer')).toMatchObject({
      kind: SpanKind.SERVER,
      attributes: { a: 1 },
      parentSpanContext: undefined,
    });
    expect(spanNamed('inner').parentSpanContext?.spanId).toBe(spanNamed('outer').spanContext().spanId);
    expect(spanNamed('outer').status.code).toBe(SpanStatusCode.UNSET);
  });

  test('of work that rejects is failed by type, and says nothing of the text', async () => {
    const error = new RangeError('openid o-123 of payer');
    await expect(withSpan('a', {}, () => Promise.reject(error))).rejects.toBe(error);
    expect(spanNamed('a')).toMatchObject({
      status: { code: SpanStatusCode.ERROR, message: 'RangeError' },
      attributes: { 'error.type': 'RangeError' },
      events: [],
    });
    expect(JSON.stringify([spanNamed('a').attributes, spanNamed('a').status, spanNamed('a').events])).not.toContain(
      'o-123',
    );
  });

  test('ends also when the work throws before it returns a promise', async () => {
    const work = (): Promise<never> => {
      throw new TypeError('x');
    };
    await expect(withSpan('a', {}, work)).rejects.toThrow(TypeError);
    expect(spanNamed('a').status.message).toBe('TypeError');
  });

  test('may begin in the past, below a parent that is not active, with links', async () => {
    const parent = contextOfTraceparent(`00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`);
    const linked = startSpan('linked', {});
    startSpan('a', { parent, startTimeMs: 1_700_000_000_000, links: [{ context: linked.spanContext() }] }).end();
    expect(spanNamed('a').startTime).toEqual([1_700_000_000, 0]);
    expect(spanNamed('a').spanContext().traceId).toBe('a'.repeat(32));
    expect(spanNamed('a').parentSpanContext).toMatchObject({ spanId: 'b'.repeat(16), isRemote: true });
    expect(spanNamed('a').links).toHaveLength(1);
  });

  test('stays open while other work runs inside it', async () => {
    const span = startSpan('a', {});
    await runInSpan(span, context.active(), () => withSpan('b', {}, async () => {}));
    expect(spans().map(({ name }) => name)).toEqual(['b']);
    expect(spanNamed('b').parentSpanContext?.spanId).toBe(span.spanContext().spanId);
    span.end();
  });

  test('is not made for loops that only look, and their callees are told not to record', async () => {
    await withoutSpans(async () => {
      await withSpan('look', {}, async () => {});
      expect(activeTraceparent()).toMatch(/-00$/);
      await runInContext(contextOfTraceparent(activeTraceparent()), () => withSpan('callee', {}, async () => {}));
    });
    expect(spans()).toEqual([]);
  });
});

describe('a traceparent', () => {
  test('leads to the same trace at the other side', async () => {
    let sent = '';
    await withSpan('caller', {}, async (span) => {
      sent = traceparentOf(span);
      expect(activeTraceparent()).toBe(sent);
    });
    await runInContext(contextOfTraceparent(sent), () => withSpan('callee', {}, async () => {}));
    expect(sent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    expect(spanNamed('callee').parentSpanContext?.spanId).toBe(spanNamed('caller').spanContext().spanId);
    expect(traceIdOf(sent)).toBe(spanNamed('caller').spanContext().traceId);
  });

  test('keeps the mark that a trace is not recorded', async () => {
    const notSampled = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-00`;
    await runInContext(contextOfTraceparent(notSampled), async () => {
      expect(activeTraceparent()).toBe(notSampled);
      await withSpan('a', {}, async () => {});
    });
    expect(spans()).toEqual([]);
  });

  for (const [why, text] of [
    ['it is empty', ''],
    ['it has an unknown version', `01-${'a'.repeat(32)}-${'b'.repeat(16)}-01`],
    ['its trace is too short', `00-${'a'.repeat(31)}-${'b'.repeat(16)}-01`],
    ['its span is too long', `00-${'a'.repeat(32)}-${'b'.repeat(17)}-01`],
    ['it is in capitals', `00-${'A'.repeat(32)}-${'b'.repeat(16)}-01`],
    ['it is not hex', `00-${'g'.repeat(32)}-${'b'.repeat(16)}-01`],
    ['it has more behind it', `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01-x`],
    ['it ends with a line break', `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01\n`],
    ['it has no flags', `00-${'a'.repeat(32)}-${'b'.repeat(16)}`],
  ] as const) {
    test(`is not believed when ${why}: a new trace begins`, async () => {
      await runInContext(contextOfTraceparent(text), () => withSpan('a', {}, async () => {}));
      expect(spanNamed('a').parentSpanContext).toBeUndefined();
      expect(traceIdOf(text)).toBe('');
    });
  }

  for (const [why, text] of [
    ['its trace is all zero', `00-${'0'.repeat(32)}-${'b'.repeat(16)}-01`],
    ['its span is all zero', `00-${'a'.repeat(32)}-${'0'.repeat(16)}-01`],
  ] as const) {
    test(`is not believed when ${why}`, async () => {
      await runInContext(contextOfTraceparent(text), () => withSpan('a', {}, async () => {}));
      expect(spanNamed('a').parentSpanContext).toBeUndefined();
      expect(trace.getSpanContext(contextOfTraceparent(text))).toBeUndefined();
    });
  }
});

describe("an error's type", () => {
  for (const [what, error, type] of [
    ['its reason', Object.assign(new Error('x'), { reason: 'LANE_FULL', code: 'E' }), 'LANE_FULL'],
    ['its code', Object.assign(new Error('x'), { code: 'ECONNRESET' }), 'ECONNRESET'],
    ['its name where the code is a number', Object.assign(new TypeError('x'), { code: 4 }), 'TypeError'],
    [
      'its name where reason and code are empty',
      Object.assign(new RangeError('x'), { reason: '', code: '' }),
      'RangeError',
    ],
    [
      'its code where the reason is a sentence, which may hold anything',
      Object.assign(new Error('x'), { reason: "IP: 10.0.0.1 is not in the cert's list", code: 'ERR_TLS' }),
      'ERR_TLS',
    ],
    ['the type of what was thrown instead of an error', 'openid o-123', 'string'],
    ['undefined where nothing was thrown', undefined, 'undefined'],
  ] as const) {
    test(`is ${what}`, () => {
      expect(errorTypeOf(error)).toBe(type);
    });
  }
});
