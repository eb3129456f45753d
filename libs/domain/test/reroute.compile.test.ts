import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, expect, test } from 'vitest';

const REPOSITORY = resolve(import.meta.dirname, '../../..');
const TSC = join(REPOSITORY, 'node_modules/.bin/tsc');

// Inside the repository, so that `@tillmesh/domain` is found as any service finds it.
const RESULTS = join(REPOSITORY, '.results');
mkdirSync(RESULTS, { recursive: true });
const folder = mkdtempSync(join(RESULTS, 'reroute-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Compiles a program under the repository's own settings; the answer is what the compiler complains of. */
const compile = async (name: string, program: string): Promise<string> => {
  writeFileSync(join(folder, `${name}.ts`), program);
  const config = join(folder, `${name}.json`);
  writeFileSync(
    config,
    JSON.stringify({ extends: relative(folder, join(REPOSITORY, 'tsconfig.json')), include: [`${name}.ts`] }),
  );
  try {
    await promisify(execFile)(TSC, ['-p', config], { cwd: REPOSITORY, timeout: 60_000 });
    return '';
  } catch (error) {
    const { stdout, code } = error as { stdout?: string; code?: number | string };
    if (typeof code !== 'number' || stdout === undefined || stdout === '') throw error;
    return stdout;
  }
};

const programOf = (statement: string): string => `
import { type Outcome, rerouteAfter, type RouteHealth, type RouteQuestion, type RoutingTable } from '@tillmesh/domain';

export const routeAgain = (outcome: Outcome, table: RoutingTable, health: RouteHealth, question: RouteQuestion): void => {
  ${statement}
};
`;

const WRONG = [
  [
    "an unknown outcome's token",
    "if (outcome.kind === 'unknown') rerouteAfter(outcome.token, table, health, question, 0);",
    'TS2339',
  ],
  ['an outcome that nobody has looked at', 'rerouteAfter(outcome.token, table, health, question, 0);', 'TS2339'],
  [
    'an unknown outcome itself',
    "if (outcome.kind === 'unknown') rerouteAfter(outcome, table, health, question, 0);",
    'TS2739',
  ],
  ['a token made by hand', 'rerouteAfter({ notSent: true }, table, health, question, Number(outcome.kind));', 'TS2741'],
] as const;

test("a definite failure's token goes to the router, so the programs below are wrong for one reason only", async () => {
  const program = programOf(
    "if (outcome.kind === 'failed_definite') rerouteAfter(outcome.token, table, health, question, 0);",
  );
  expect(await compile('right', program)).toBe('');
}, 60_000);

for (const [index, [what, statement, code]] of WRONG.entries()) {
  test(`${what} does not compile at the router`, async () => {
    const complaint = await compile(`wrong-${index}`, programOf(statement));
    expect(complaint).toContain(`error ${code}`);
    expect(
      complaint
        .trim()
        .split('\n')
        .filter((line) => line.includes('error TS')),
    ).toHaveLength(1);
  }, 60_000);
}

test('the expectations of reroute.types.test.ts are needed, every one of them', async () => {
  const source = readFileSync(join(import.meta.dirname, 'reroute.types.test.ts'), 'utf8')
    .replaceAll("'../src/index.ts'", "'@tillmesh/domain'")
    .replaceAll("'./a-routing-table.ts'", `'${relative(folder, join(import.meta.dirname, 'a-routing-table.ts'))}'`);
  const expectations = source.match(/\/\/ @ts-expect-error/g)?.length ?? 0;
  expect(expectations).toBeGreaterThanOrEqual(10);
  expect(await compile('with-expectations', source)).toBe('');
  const complaint = await compile('without-expectations', source.replaceAll('// @ts-expect-error', '//'));
  expect(complaint.split('\n').filter((line) => line.includes('error TS'))).toHaveLength(expectations);
}, 60_000);

test('no code but definiteFailure() casts anything to a token', () => {
  const sources = ['libs', 'services', 'scripts', 'examples'].flatMap((top) =>
    readdirSync(join(REPOSITORY, top), { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ts') && !path.includes('node_modules'))
      .map((path) => join(top, path)),
  );
  const casts = sources.filter((path) =>
    /(?:as|satisfies) (?:unknown as )?RerouteToken\b/.test(readFileSync(join(REPOSITORY, path), 'utf8')),
  );
  expect(casts).toEqual(['libs/domain/src/outcome.ts']);
});
