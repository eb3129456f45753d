import fc from 'fast-check';
import { expect, test } from 'vitest';
import { objectAt, parseJsonObject, rawMemberOf, textAt, utf8TextOf, wholeNumberAt } from '../src/json-text.ts';

const WRONG: readonly (readonly [string, string])[] = [
  ['nothing', ''],
  ['cut text', '{"a":1'],
  ['an array', '[{"a":1}]'],
  ['a text', '"a"'],
  ['something behind the object', '{"a":1}{"a":2}'],
  ['a key that stands twice', '{"a":1,"a":2}'],
  ['a key that stands twice, spelled differently', '{"a":1,"\\u0061":2}'],
  ['a key that stands twice inside', '{"o":{"a":1,"b":2,"a":3}}'],
  ['a key that stands twice in an array', '{"o":[{"a":1,"a":3}]}'],
  ['deep nesting', `${'{"a":'.repeat(20)}1${'}'.repeat(20)}`],
  ['nesting that would exhaust a stack', `{"a":${'['.repeat(200_000)}${']'.repeat(200_000)}}`],
];
for (const [what, text] of WRONG) {
  test(`${what} is no object`, () => expect(parseJsonObject(text)).toBeUndefined());
}

test('reads every object that JSON can write', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 4 })), (value) => {
      const text = JSON.stringify(value);
      expect(parseJsonObject(text)).toEqual(JSON.parse(text));
    }),
  );
});

test('the raw text of a member is what stood there, whatever it and its neighbours hold', () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 })),
      fc.jsonValue({ maxDepth: 3 }),
      fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 })),
      fc.constantFrom('', ' ', '\n  '),
      (before, value, after, space) => {
        fc.pre(!Object.hasOwn(before, 'wanted') && !Object.hasOwn(after, 'wanted'));
        fc.pre(Object.keys(before).every((key) => !Object.hasOwn(after, key)));
        const raw = JSON.stringify(value, null, space);
        const member = (key: string, text: string) => `${space}${JSON.stringify(key)}${space}:${space}${text}${space}`;
        const text = `{${[
          ...Object.entries(before).map(([key, inner]) => member(key, JSON.stringify(inner))),
          member('wanted', raw),
          ...Object.entries(after).map(([key, inner]) => member(key, JSON.stringify(inner))),
        ].join(',')}}`;
        expect(parseJsonObject(text)).toBeDefined();
        expect(rawMemberOf(text, 'wanted')).toBe(raw);
      },
    ),
  );
});

test('a member of that name deeper inside is not taken for it', () => {
  expect(rawMemberOf('{"a":{"wanted":1},"b":["wanted",{"wanted":2}],"c":"\\"wanted\\":3"}', 'wanted')).toBeUndefined();
});

test('paths lead to texts, whole numbers and objects, and to nothing else', () => {
  const value = JSON.parse(
    '{"a":{"t":"x","n":12,"f":1.5,"big":9007199254740993,"neg":-1},"l":["x"],"z":null}',
  ) as unknown;
  expect(textAt(value, 'a', 't')).toBe('x');
  expect(textAt(value, 'a', 'n')).toBeUndefined();
  expect(textAt(value, 'l', '0')).toBeUndefined();
  expect(textAt(value, 'a', 'constructor')).toBeUndefined();
  expect(textAt(value, 'z', 't')).toBeUndefined();
  expect(wholeNumberAt(value, 'a', 'n')).toBe(12);
  for (const key of ['t', 'f', 'big', 'neg', 'missing']) expect(wholeNumberAt(value, 'a', key)).toBeUndefined();
  expect(objectAt(value, 'a')).toMatchObject({ n: 12 });
  expect(objectAt(value, 'l')).toBeUndefined();
});

test('bytes that are no UTF-8 have no text', () => {
  expect(utf8TextOf(Buffer.from('支付'))).toBe('支付');
  expect(utf8TextOf(Buffer.from([0xd6, 0xa7, 0xb8, 0xb6]))).toBeUndefined();
});
