import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FileFault, LineDiscrepancy } from '../src/bills/plants.ts';
import { BODIES, ListQuery } from '../src/control-requests.ts';
import { TOO_OFTEN } from '../src/limits.ts';
import { Act, OPERATIONS } from '../src/script.ts';
import { Match } from '../src/scripts.ts';
import { makeKeys, type RunningSandbox, runSandbox } from './running-sandbox.ts';

const text = readFileSync(new URL('../../../docs/sandbox.md', import.meta.url), 'utf8');
const { keys, remove } = makeKeys();
let sandbox: RunningSandbox;
beforeAll(async () => {
  sandbox = await runSandbox({ keys });
});
afterAll(async () => {
  await sandbox.close();
  remove();
});

/** What stands under each heading that is a request. */
const sections = new Map(
  text.split(/^#{2,3} /m).flatMap((part): [string, string][] => {
    const [, request] = /^`([A-Z]+ \/control\/[^`]+)`/.exec(part) ?? [];
    return request === undefined ? [] : [[request, part]];
  }),
);
const optionsIn = (section: string): readonly string[] => {
  const [, table = ''] = /\| option \| \|\n\| --- \| --- \|\n((?:\|.*\n)+)/.exec(section) ?? [];
  return [...table.matchAll(/^\| `(\w+)`/gm)].map(([, name = '']) => name);
};
/** The names in the first cell of each row that shows what to do, `{"do":"delay","ms":n}`, and those of its options that `key` finds. */
const shownIn = (part: string, key: RegExp) =>
  new Map(
    part
      .split('\n')
      .filter((line) => line.startsWith('| `{"do":'))
      .flatMap((row) =>
        [...(row.split(' | ')[0] ?? '').matchAll(/\{"do":"(\w+)"([^}]*)\}/g)].map(([, name = '', rest = '']) => [
          name,
          [...rest.matchAll(key)].map(([, found = '']) => found).toSorted(),
        ]),
      ),
  );
const keysOf = (shape: object): string[] =>
  Object.keys(shape)
    .filter((key) => key !== 'do')
    .toSorted();

test('every request that the control API knows is documented, and no other', async () => {
  const { status, body } = await sandbox.control.get<{ problems: string[] }>('/what-can-you-do');
  expect(status).toBe(404);
  expect([...sections.keys()].toSorted()).toEqual(body.problems.toSorted());
});

describe('every option of a body is documented, and no other', () => {
  for (const [request, schema] of Object.entries(BODIES)) {
    test(request, () => {
      expect(optionsIn(sections.get(request) ?? '').toSorted()).toEqual(Object.keys(schema.shape).toSorted());
    });
  }

  test('what has no body has no options', () => {
    for (const [request, section] of sections) if (!(request in BODIES)) expect(optionsIn(section)).toEqual([]);
  });
});

test('every act of a script is documented with its options, and no other', () => {
  const known = Act.options.map(({ shape }): [string, string[]] => [shape.do.value, keysOf(shape)]);
  const shown = shownIn(text.slice(text.indexOf('## Scripts')), /"(\w+)"\??:/g);
  expect(Object.fromEntries(shown)).toEqual(Object.fromEntries(known));
});

test('every discrepancy of a bill is documented with its options, and no other', () => {
  const lines = LineDiscrepancy.options.map(({ shape }): [string, string[]] => [shape.do.value, keysOf(shape)]);
  const faults = FileFault.shape.do.options.map((name): [string, string[]] => [name, []]);
  const shown = shownIn(sections.get('POST /control/bills/plants') ?? '', /,"(\w+)"/g);
  expect(Object.fromEntries(shown)).toEqual(Object.fromEntries([...lines, ...faults]));
});

test('what a script is matched by, its operations and the queries of lists are named', () => {
  const scripts = text.slice(text.indexOf('## Scripts'));
  for (const name of [...Object.keys(Match.shape), ...OPERATIONS]) expect(scripts).toContain(`\`${name}\``);
  const lists = text.slice(text.indexOf('Lists take'), text.indexOf('### `'));
  expect([...lists.matchAll(/`(\w+)`/g)].map(([, name]) => name)).toEqual(
    expect.arrayContaining(Object.keys(ListQuery.shape)),
  );
});

test('what each channel says to who asks too often is the code that it says', () => {
  const section = sections.get('POST /control/limits') ?? '';
  for (const code of Object.values(TOO_OFTEN)) expect(section).toContain(`\`${code}\``);
});
