import { defineConfig } from 'vitest/config';

// A few processes each that mostly wait, and no group of databases: two files at once are not in each other's way.
const small = [
  'services/{cashier,channel-*,edge,notifier,projector,query,reconciler,routing,syncer}/test/*.stack.test.ts',
];

// Real servers on a machine that others use are late now and then: in CI alone such a test has a second try, and the report says that it took
// it. A mistake fails twice.
const retry = process.env['CI'] === undefined ? 0 : 1;

const never = ['**/node_modules/**', '.local/**', '.tools/**'];

export default defineConfig({
  test: {
    // Each project waits for the one before it: a test that measures a deadline must not share two cores with a compiler.
    projects: [
      {
        test: {
          name: 'unit',
          include: ['{libs,services,tests,examples,scripts,drills,bench}/**/*.test.ts'],
          exclude: [...never, '**/*.stack.test.ts', 'tests/repository/**'],
          testTimeout: 20_000,
          expect: { poll: { timeout: 8_000 } },
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          // The rules of the repository itself: imports, banned texts, types, lint, format, generated code.
          name: 'repository',
          include: ['tests/repository/**/*.test.ts'],
          exclude: never,
          testTimeout: 120_000,
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          name: 'services',
          retry,
          include: small,
          exclude: never,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          expect: { poll: { timeout: 20_000 } },
          sequence: { groupOrder: 3 },
        },
      },
      {
        test: {
          // Real databases, real Redis, real processes: one file after the other.
          name: 'stack',
          retry,
          include: ['**/*.stack.test.ts'],
          exclude: [...never, ...small],
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          expect: { poll: { timeout: 20_000 } },
          sequence: { groupOrder: 4 },
        },
      },
    ],
  },
});
