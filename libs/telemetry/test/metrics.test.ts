import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { counter, durations, gauge, metricsText, serveMetrics } from '../src/index.ts';

const lineOf = async (start: string): Promise<string | undefined> =>
  (await metricsText()).split('\n').find((line) => line.startsWith(start));

describe('a metric', () => {
  test('counts, is set, and measures', async () => {
    const taken = counter('test_taken_total', 'Taken.', ['wallet']);
    taken.add({ wallet: 'wechat' });
    taken.add({ wallet: 'wechat' }, 2);
    gauge('test_waiting', 'Waiting.').set({}, 5);
    const seconds = durations('test_call_seconds', 'Calls.');
    seconds.record({}, 0.02);
    seconds.record({}, 99);
    expect(await lineOf('test_taken_total{')).toBe('test_taken_total{wallet="wechat"} 3');
    expect(await lineOf('test_waiting')).toBe('test_waiting 5');
    expect(await lineOf('test_call_seconds_bucket{le="0.025"}')).toBe('test_call_seconds_bucket{le="0.025"} 1');
    expect(await lineOf('test_call_seconds_bucket{le="+Inf"}')).toBe('test_call_seconds_bucket{le="+Inf"} 2');
  });

  test('that refuses a recording breaks nothing, and is counted', async () => {
    const before = Number((await lineOf('tillmesh_metric_errors_total'))?.split(' ')[1]);
    const strict = counter('test_strict_total', 'Strict.', ['known']);
    strict.add({ unknown: 'label' });
    strict.add({ known: 'a' }, -1);
    gauge('test_strict', 'Strict.').set({ unknown: 'label' }, 1);
    durations('test_strict_seconds', 'Strict.').record({ unknown: 'label' }, 1);
    expect(await lineOf('tillmesh_metric_errors_total')).toBe(`tillmesh_metric_errors_total ${before + 4}`);
    expect(await lineOf('test_strict_total{')).toBeUndefined();
  });

  test('cannot be declared twice: two counts under one name would be one', () => {
    counter('test_once_total', 'Once.');
    expect(() => counter('test_once_total', 'Once more.')).toThrow(/already been registered/);
  });
});

describe('GET /metrics', () => {
  test('gives every metric in the form of Prometheus, and those of the process', async () => {
    counter('test_served_total', 'Served.').add();
    const served = await serveMetrics({ host: '127.0.0.1', port: 0 });
    try {
      const response = await fetch(`http://127.0.0.1:${served.port}/metrics`);
      const text = await response.text();
      expect(response.headers.get('content-type')).toContain('text/plain');
      expect(text).toContain('# HELP test_served_total Served.\n# TYPE test_served_total counter\ntest_served_total 1');
      expect(text).toContain('process_cpu_seconds_total');
    } finally {
      await served.close();
    }
  });

  for (const [method, path] of [
    ['GET', '/'],
    ['GET', '/metrics/x'],
    ['POST', '/metrics'],
  ] as const) {
    test(`is all there is: ${method} ${path} is not found`, async () => {
      const served = await serveMetrics({ host: '127.0.0.1', port: 0 });
      try {
        expect((await fetch(`http://127.0.0.1:${served.port}${path}`, { method })).status).toBe(404);
      } finally {
        await served.close();
      }
    });
  }

  test('is refused by name when the port is taken, and ends at once although a client keeps its connection', async () => {
    const first = await serveMetrics({ host: '127.0.0.1', port: 0 });
    await (await fetch(`http://127.0.0.1:${first.port}/metrics`)).text();
    await expect(serveMetrics({ host: '127.0.0.1', port: first.port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
    // Half a request: a connection that is not idle.
    const socket = connect(first.port, '127.0.0.1');
    await new Promise((resolve) => socket.write('GET /metrics HTTP/1.1\r\nHost: x\r\n', resolve));
    const closed = new Promise((resolve) => socket.once('close', resolve));
    // A connection that is cut is what is wanted here.
    socket.on('error', () => {});
    await first.close();
    await closed;
    await expect(fetch(`http://127.0.0.1:${first.port}/metrics`)).rejects.toThrow();
  });
});
