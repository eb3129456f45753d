import { ConfigError, parseConfig } from '@tillmesh/config';
import { describe, expect, test } from 'vitest';
import { EdgeConfig } from '../src/config.ts';

const GOOD = {
  server: { port: 0 },
  http: { port: 0 },
  orderStore: { target: '127.0.0.1:1' },
  channels: [{ channelId: 'wechat', target: '127.0.0.1:2' }],
};

const problemsOf = (value: unknown): readonly { setting: string; problem: string; advice: string }[] => {
  try {
    parseConfig(EdgeConfig, value, 'edge.json');
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
};

describe("the edge's configuration", () => {
  test('needs four settings; every limit has a number of its own', () => {
    expect(parseConfig(EdgeConfig, GOOD, 'edge.json').http).toEqual({
      host: '127.0.0.1',
      port: 0,
      bodyBytesMax: 131_072,
      requestsMax: 256,
    });
  });

  test('that is empty is told everything that it lacks, each with what to set', () => {
    const problems = problemsOf({});
    expect(problems.map(({ setting, problem }) => [setting, problem])).toEqual([
      ['server', 'is missing'],
      ['http', 'is missing'],
      ['orderStore', 'is missing'],
      ['channels', 'is missing'],
    ]);
    const advices = Object.fromEntries(problems.map(({ setting, advice }) => [setting, advice]));
    expect(advices).toMatchObject({
      server: 'Where the gRPC health service listens.',
      http: 'Where channels send their notifications.',
      channels: 'Every channel adapter: its id and where it answers.',
    });
  });

  test('that is wrong in many places is told all of them at once, by name', () => {
    const problems = problemsOf({
      ...GOOD,
      http: { port: '80', bodyBytesMax: 131_073, requestsMax: 0, tls: true },
      orderStore: { target: 'http://order-store' },
      channels: [{ channelId: 'WeChat', target: '127.0.0.1:2' }],
      colour: 'blue',
    });
    expect(problems.map(({ setting }) => setting).toSorted()).toEqual([
      'channels.0.channelId',
      'colour',
      'http.bodyBytesMax',
      'http.port',
      'http.requestsMax',
      'http.tls',
      'orderStore.target',
    ]);
  });

  test('has at least one channel, and at most 64', () => {
    const channels = (count: number) =>
      Array.from({ length: count }, (_, place) => ({ channelId: `channel-${place}`, target: '127.0.0.1:2' }));
    expect(problemsOf({ ...GOOD, channels: channels(64) })).toEqual([]);
    for (const count of [0, 65]) {
      expect(problemsOf({ ...GOOD, channels: channels(count) }).map(({ setting }) => setting)).toEqual(['channels']);
    }
  });
});
