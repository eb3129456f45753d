import { ConfigError, parseConfig } from '@tillmesh/config';
import { describe, expect, test } from 'vitest';
import { RoutingConfig } from '../src/config.ts';

const GOOD = {
  server: { port: 0 },
  tableFile: '/etc/tillmesh/table.json',
  stateFile: '/var/lib/tillmesh/switches.json',
  orderStore: { target: '127.0.0.1:1' },
};

const problemsOf = (value: unknown): ConfigError['problems'] => {
  try {
    parseConfig(RoutingConfig, value, 'routing.json');
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
};

describe("routing's configuration", () => {
  test('needs a server, two files and the order store; the table is looked at every second', () => {
    expect(parseConfig(RoutingConfig, GOOD, 'routing.json').reloadEveryMs).toBe(1_000);
  });

  test('that is empty is told everything that it lacks, each with what to set', () => {
    const problems = problemsOf({});
    expect(problems.map(({ setting, problem }) => `${setting} ${problem}`)).toEqual([
      'server is missing',
      'tableFile is missing',
      'stateFile is missing',
      'orderStore is missing',
    ]);
    for (const { advice } of problems) expect(advice).not.toBe('');
  });

  test('that is wrong in many places is told all of them at once, by name', () => {
    const wrong = {
      ...GOOD,
      tableFile: '',
      stateFile: 7,
      reloadEveryMs: 99,
      orderStore: { target: 'store' },
      file: '',
    };
    expect(problemsOf(wrong).map(({ setting }) => setting)).toEqual([
      'tableFile',
      'stateFile',
      'reloadEveryMs',
      'orderStore.target',
      'file',
    ]);
  });
});
