import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import {
  ConfigError,
  type ConfigProblem,
  LogConfig,
  loadConfig,
  parseConfig,
  RedisConfig,
  ServerConfig,
  target,
  z,
} from '../src/index.ts';

const Group = z.strictObject({
  tag: z.int().min(0).max(127).describe('The tag of the group.'),
  endpoints: z.array(target('the group')).min(1).describe('Its nodes.'),
});
const Schema = z.strictObject({
  server: ServerConfig,
  logLevel: LogConfig,
  redis: RedisConfig.optional(),
  mode: z.enum(['fast', 'safe']).describe('How to write.'),
  groups: z.array(Group).min(1).describe('The order groups.'),
  accounts: z
    .record(z.string(), z.strictObject({ rank: z.int().describe('Lower is tried first.') }))
    .describe('Channel accounts.'),
  store: z
    .discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('file'), path: z.string().describe('Where it is.') }),
      z.strictObject({ kind: z.literal('memory') }),
    ])
    .describe('Where it is kept.'),
  either: z.union([z.string(), z.int()]).describe('A name or a number.'),
});
const GOOD = {
  server: { port: 7001 },
  mode: 'safe',
  groups: [{ tag: 1, endpoints: ['127.0.0.1:3306'] }],
  accounts: { 'wechat-a': { rank: 1 } },
  store: { kind: 'file', path: 'x' },
  either: 7,
};

const errorOf = (value: unknown, schema: z.ZodType = Schema): ConfigError => {
  try {
    parseConfig(schema, value, 'test.json');
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  return expect.fail('it was taken');
};
const settingsOf = (problems: readonly ConfigProblem[]) => problems.map(({ setting }) => setting);

describe('a good configuration', () => {
  test('is taken, with the defaults of what it leaves out', () => {
    expect(parseConfig(Schema, GOOD, 'test.json')).toEqual({
      ...GOOD,
      logLevel: 'info',
      server: { host: '127.0.0.1', port: 7001, metricsPort: 0, reflection: false, drainMs: 10_000, inFlightMax: 512 },
    });
  });
});

describe('a bad configuration', () => {
  test('is told with every problem at once, each with its setting, what is wrong and what to set', () => {
    const { message, problems } = errorOf({
      server: { port: 'x', reflexion: true },
      logLevel: 'loud',
      mode: 'slow',
      groups: [
        { tag: 1.5, endpoints: [] },
        { tag: 128, endpoints: ['http://x'], colour: 'red' },
      ],
      accounts: { 'wechat-a': {}, 'wechat-b': { rank: '1' } },
      store: { kind: 'file' },
      either: true,
      typo: 1,
    });
    expect(settingsOf(problems)).toEqual([
      'server.port',
      'server.reflexion',
      'logLevel',
      'mode',
      'groups.0.tag',
      'groups.0.endpoints',
      'groups.1.tag',
      'groups.1.endpoints.0',
      'groups.1.colour',
      'accounts.wechat-a.rank',
      'accounts.wechat-b.rank',
      'store.path',
      'either',
      'typo',
    ]);
    expect(message.split('\n')[0]).toBe('14 problems in test.json');
    for (const { setting, problem, advice } of problems)
      expect(message).toContain(`  ${setting}: ${problem}${advice === '' ? '' : `\n      ${advice}`}`);
  });

  test('says of every setting that is missing that it is, whatever its kind, and lists what a choice may be', () => {
    expect(errorOf({}).problems).toEqual([
      { setting: 'server', problem: 'is missing', advice: 'Where the service listens.' },
      { setting: 'mode', problem: 'is missing: expected one of "fast"|"safe"', advice: 'How to write.' },
      { setting: 'groups', problem: 'is missing', advice: 'The order groups.' },
      { setting: 'accounts', problem: 'is missing', advice: 'Channel accounts.' },
      { setting: 'store', problem: 'is missing', advice: 'Where it is kept.' },
      { setting: 'either', problem: 'is missing', advice: 'A name or a number.' },
    ]);
  });

  test('says so in one problem when it is one', () => {
    expect(errorOf({ ...GOOD, server: {} }).message).toBe(
      '1 problem in test.json\n  server.port: is missing\n      Port of the gRPC server.',
    );
  });

  test('takes null and an empty text for wrong, not for missing', () => {
    const problems = errorOf({ ...GOOD, mode: null, server: { port: 1, host: '' } }).problems;
    expect(settingsOf(problems)).toEqual(['server.host', 'mode']);
    expect(problems.some(({ problem }) => problem.includes('missing'))).toBe(false);
  });

  for (const value of [null, [], 'text', 7, undefined]) {
    test(`that is ${JSON.stringify(value)} is refused as a whole`, () => {
      expect(settingsOf(errorOf(value).problems)).toEqual(['(the whole file)']);
    });
  }

  test('is told by the relation among its numbers that does not hold', () => {
    const Lane = z
      .strictObject({ attemptTimeoutMs: z.int(), totalTimeoutMs: z.int() })
      .refine((lane) => lane.attemptTimeoutMs <= lane.totalTimeoutMs, 'an attempt does not fit in totalTimeoutMs')
      .describe('A lane.');
    expect(
      errorOf({ lane: { attemptTimeoutMs: 2, totalTimeoutMs: 1 } }, z.strictObject({ lane: Lane })).problems,
    ).toEqual([{ setting: 'lane', problem: 'an attempt does not fit in totalTimeoutMs', advice: 'A lane.' }]);
  });

  test('finds the advice through wrappers: optional, defaults, pipes, transforms, records, lists', () => {
    const inner = z.strictObject({ deep: z.array(z.record(z.string(), z.int().describe('A number.'))).default([]) });
    for (const outer of [
      inner.optional(),
      inner.prefault({}),
      z.pipe(inner, z.any()),
      z.preprocess((value) => value, inner),
    ]) {
      expect(errorOf({ outer: { deep: [{ a: 'x' }] } }, z.strictObject({ outer })).problems).toMatchObject([
        { setting: 'outer.deep.0.a', advice: 'A number.' },
      ]);
    }
  });
});

describe('the limits of shared settings', () => {
  for (const [what, schema, value, taken] of [
    ['port 0', ServerConfig, { port: 0 }, true],
    ['port 65,535', ServerConfig, { port: 65_535 }, true],
    ['port 65,536', ServerConfig, { port: 65_536 }, false],
    ['half a port', ServerConfig, { port: 1.5 }, false],
    ['a drain of a minute', ServerConfig, { port: 1, drainMs: 60_000 }, true],
    ['a longer drain', ServerConfig, { port: 1, drainMs: 60_001 }, false],
    ['no call under way at all', ServerConfig, { port: 1, inFlightMax: 0 }, false],
    ['Redis within 50 ms', RedisConfig, { host: 'r', port: 1, timeoutMs: 50 }, true],
    ['Redis within 51 ms', RedisConfig, { host: 'r', port: 1, timeoutMs: 51 }, false],
    ['host:port', target('x'), 'cashier-1.local:7001', true],
    ['dns:///host:port', target('x'), 'dns:///cashier:7001', true],
    ['a URL', target('x'), 'http://cashier:7001', false],
    ['a host without port', target('x'), 'cashier', false],
    ['two lines', target('x'), 'cashier:7001\n', false],
  ] as const) {
    test(`${taken ? 'allow' : 'refuse'} ${what}`, () => {
      expect(schema.safeParse(value).success).toBe(taken);
    });
  }
});

describe('the configuration file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tillmesh-config-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const file = (text: string): string => {
    const path = join(folder, 'service.json');
    writeFileSync(path, text);
    return path;
  };
  const problemsOf = (env: NodeJS.ProcessEnv) => {
    try {
      loadConfig(Schema, env);
    } catch (error) {
      if (error instanceof ConfigError) return error;
      throw error;
    }
    return expect.fail('it was taken');
  };

  test('is the one that TILLMESH_CONFIG names', () => {
    expect(loadConfig(Schema, { TILLMESH_CONFIG: file(JSON.stringify(GOOD)) }).server.port).toBe(7001);
  });

  for (const env of [{}, { TILLMESH_CONFIG: '' }]) {
    test(`is asked for when the environment is ${JSON.stringify(env)}`, () => {
      expect(problemsOf(env).problems).toMatchObject([{ setting: 'TILLMESH_CONFIG', problem: 'is missing' }]);
    });
  }

  test('is named in the error when it does not exist, and when it is no JSON', () => {
    expect(problemsOf({ TILLMESH_CONFIG: join(folder, 'none.json') }).message).toMatch(/none\.json\n.*ENOENT/);
    const path = file('{ "server": ');
    expect(problemsOf({ TILLMESH_CONFIG: path })).toMatchObject({
      message: expect.stringContaining(path),
      problems: [{ setting: '(the whole file)', advice: 'It has to be readable JSON.' }],
    });
  });

  test('is named in the error when a setting is wrong', () => {
    const path = file('{}');
    expect(problemsOf({ TILLMESH_CONFIG: path }).message).toContain(`6 problems in ${path}`);
  });
});
