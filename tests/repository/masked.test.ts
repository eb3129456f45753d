import { expect, test } from 'vitest';
import { mask } from './masked.ts';

const CODE: readonly (readonly [what: string, source: string, code: string])[] = [
  ['a line comment', 'a; // Date.now()\nb', 'a;              \nb'],
  ['a block comment', 'a /* x\ny */ b', 'a     \n     b'],
  ['a text in single quotes', "f('it\\'s', b)", "f('     ', b)"],
  ['a text that holds a comment', "f('// no') + 1", "f('     ') + 1"],
  ['a template', 'f(`a ${b + `c ${d}`} e`)', 'f(`  ${b + `  ${d}`}  `)'],
  ['an object inside a template', 'f(`${g({ a: 1 })}x`)', 'f(`${g({ a: 1 })} `)'],
  ['a regular expression', 'x.replace(/[/"]\\/"/g, y)', 'x.replace(         g, y)'],
  ['a division', 'a / b / c', 'a / b / c'],
  ['a division after a bracket', '(a + b) / c / d', '(a + b) / c / d'],
  ['an unfinished text', "a = 'b\nc", "a = ' \nc"],
];

for (const [what, source, code] of CODE) {
  test(`${what} is told from code`, () => {
    expect(mask(source).code.replaceAll(' ', '·')).toBe(code.replaceAll(' ', '·'));
  });
}

test('texts stay where only comments are left out', () => {
  expect(mask("import { a } from './a.ts'; // from './b.ts'").codeAndTexts.trim()).toBe("import { a } from './a.ts';");
});

test('a masked source has the length and the lines of the source', () => {
  const source = "// a\nconst b = `c\n${d} 'e`; /* f\n */ 'g' // h";
  expect(mask(source).code).toHaveLength(source.length);
  expect(mask(source).code.split('\n')).toHaveLength(source.split('\n').length);
});
