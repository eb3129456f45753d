import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseFlatXml, writeFlatXml, xmlSafe } from '../src/flat-xml.ts';

const REFUSED: readonly (readonly [string, string])[] = [
  ['nothing', ''],
  ['cut text', '<xml><a>1</a>'],
  ['another root', '<root><a>1</a></root>'],
  ['nesting', '<xml><a><b>1</b></a></xml>'],
  ['attributes', '<xml><a x="1">1</a></xml>'],
  ['attributes of the root', '<xml x="1"><a>1</a></xml>'],
  ['a comment', '<xml><!-- a --><a>1</a></xml>'],
  ['a DOCTYPE', '<!DOCTYPE xml [<!ENTITY a "b">]><xml><a>1</a></xml>'],
  ['a DOCTYPE inside', '<xml><!DOCTYPE a><a>1</a></xml>'],
  ['an entity of its own', '<xml><a>&b;</a></xml>'],
  ['a numeric entity', '<xml><a>&#65;</a></xml>'],
  ['a bare ampersand', '<xml><a>a & b</a></xml>'],
  ['a field that stands twice', '<xml><a>1</a><a>2</a></xml>'],
  ['tags that cross', '<xml><a>1</b></a></xml>'],
  ['text between fields', '<xml><a>1</a>text</xml>'],
  ['two roots', '<xml><a>1</a></xml><xml><b>1</b></xml>'],
  ['text behind the end', '<xml><a>1</a></xml>!'],
  ['a processing instruction inside', '<xml><?php 1 ?><a>1</a></xml>'],
  ['CDATA that does not end', '<xml><a><![CDATA[1</a></xml>'],
  ['HTML', '<html><body>502</body></html>'],
  ['more than 64 Ki characters', `<xml><a>${'x'.repeat(70_000)}</a></xml>`],
  [
    'more than 200 fields',
    `<xml>${Array.from({ length: 201 }, (_, index) => `<a${index}>1</a${index}>`).join('')}</xml>`,
  ],
];
for (const [what, text] of REFUSED) {
  test(`${what} is refused`, () => expect(parseFlatXml(text)).toBeUndefined());
}

test('text, CDATA, entities, empty fields, a declaration and white space between fields are read', () => {
  const text =
    '\uFEFF<?xml version="1.0" encoding="UTF-8"?>\n<xml>\n <a>1</a>\n\t<b><![CDATA[<x>&amp;]]></b><c/><d></d><e>&lt;&amp;&gt;&quot;&apos;</e><f> x<![CDATA[]y]]]> </f></xml>\n';
  expect([...(parseFlatXml(text) ?? [])]).toEqual([
    ['a', '1'],
    ['b', '<x>&amp;'],
    ['c', ''],
    ['d', ''],
    ['e', `<&>"'`],
    ['f', ' x]y] '],
  ]);
});

test('what is written is read again, whatever it holds', () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.stringMatching(/^[a-z_][a-z0-9_]{0,20}$/), fc.string({ unit: 'binary' })),
      (values) => {
        const fields = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, xmlSafe(value)]));
        expect(Object.fromEntries(parseFlatXml(writeFlatXml(fields)) ?? [])).toEqual(fields);
      },
    ),
  );
});

test('no text makes it crash or takes long', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.constantFrom('<xml>', '</xml>', '<a>', '</a>', '<![CDATA[', ']]>', '&amp;', '&', '<', 'x', ' ', '<?'),
        {
          maxLength: 200,
        },
      ),
      (parts) => {
        parseFlatXml(parts.join(''));
      },
    ),
  );
  const beganMs = performance.now();
  for (const unit of ['&amp;', '<![CDATA[x]]>', 'x', ']', '<![CDATA[']) {
    parseFlatXml(`<xml><a>${unit.repeat(60_000 / unit.length)}</b></xml>`);
  }
  expect(performance.now() - beganMs).toBeLessThan(2_000);
});
