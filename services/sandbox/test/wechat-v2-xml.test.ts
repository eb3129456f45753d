import { expect, test } from 'vitest';
import { formatXml, parseXml } from '../src/wechat/v2-xml.ts';
import { areVectorsMissing, readVectors, vectorsNote } from './vectors.ts';

const READ: readonly (readonly [what: string, xml: string, fields: Record<string, string>])[] = [
  ['plain text', '<xml><a>1</a><b>two</b></xml>', { a: '1', b: 'two' }],
  ['CDATA', '<xml><a><![CDATA[x < y & z]]></a></xml>', { a: 'x < y & z' }],
  ['white space between fields', '<xml>\n  <a>1</a>\n  <b> 2 </b>\n</xml>\n', { a: '1', b: '2' }],
  ['an empty field', '<xml><a></a></xml>', { a: '' }],
  ['an empty field written short', '<xml><a/><b /></xml>', { a: '', b: '' }],
  ['an XML declaration', '<?xml version="1.0" encoding="UTF-8"?>\n<xml><a>1</a></xml>', { a: '1' }],
  ["XML's own entities", '<xml><a>&lt;&amp;&gt;&quot;&apos;</a></xml>', { a: `<&>"'` }],
  ['Chinese', '<xml><a>支付测试</a></xml>', { a: '支付测试' }],
  ['no field', '<xml></xml>', {}],
];
for (const [what, xml, fields] of READ) {
  test(`a message with ${what} is read`, () => {
    expect(Object.fromEntries(parseXml(Buffer.from(xml)) ?? [['nothing', 'read']])).toEqual(fields);
  });
}

const REFUSED: readonly (readonly [what: string, xml: string | Buffer])[] = [
  ['a DTD', '<!DOCTYPE xml [<!ENTITY x "y">]><xml><a>1</a></xml>'],
  ['an external entity', '<!DOCTYPE foo [<!ENTITY xxe SYSTEM "file:///etc/passwd">]><xml><a>&xxe;</a></xml>'],
  ['an entity of its own', '<xml><a>&xxe;</a></xml>'],
  ['a numeric entity', '<xml><a>&#65;</a></xml>'],
  ['a bare ampersand', '<xml><a>1 & 2</a></xml>'],
  ['nesting', '<xml><a><b>1</b></a></xml>'],
  ['a field twice', '<xml><a>1</a><a>2</a></xml>'],
  ['an attribute', '<xml><a b="c">1</a></xml>'],
  ['a comment', '<xml><!-- no --><a>1</a></xml>'],
  ['text between fields', '<xml>hello<a>1</a></xml>'],
  ['another root', '<root><a>1</a></root>'],
  ['two roots', '<xml><a>1</a></xml><xml><b>1</b></xml>'],
  ['an end that is missing', '<xml><a>1</a>'],
  ['a CDATA section that ends early', '<xml><a><![CDATA[1]]>2]]></a></xml>'],
  ['65 fields', `<xml>${Array.from({ length: 65 }, (_, index) => `<f${index}>1</f${index}>`).join('')}</xml>`],
  ['bytes that are no UTF-8', Buffer.concat([Buffer.from('<xml><a>'), Buffer.from([0xff]), Buffer.from('</a></xml>')])],
  ['nothing', ''],
  ['JSON', '{"a":1}'],
];
for (const [what, xml] of REFUSED) {
  test(`a message with ${what} is refused`, () => {
    expect(parseXml(Buffer.from(xml))).toBeUndefined();
  });
}

test('a megabyte of white space is refused in no time', () => {
  const xml = Buffer.from(`<xml><a>${' '.repeat(1_000_000)}<b></xml>`);
  expect(parseXml(xml)).toBeUndefined();
}, 2_000);

test('what was written is read again', () => {
  const fields = { return_code: 'SUCCESS', attach: 'a<b>&c', empty: '' };
  expect(Object.fromEntries(parseXml(Buffer.from(formatXml(Object.entries(fields)))) ?? [])).toEqual(fields);
});

const FIXTURES = 'wechat-bill-and-xml-fixtures.json';
test.skipIf(areVectorsMissing(FIXTURES))(`the official fixtures are read or refused${vectorsNote(FIXTURES)}`, () => {
  const { xml } = readVectors<{ xml: Record<string, string> & { must_reject_or_not_expand: Record<string, string> } }>(
    FIXTURES,
  );
  expect(parseXml(Buffer.from(xml['pay_success_notification'] ?? ''))?.get('attach')).toBe('支付测试');
  expect(parseXml(Buffer.from(xml['unifiedorder'] ?? ''))?.get('detail')).toContain('goods_detail');
  const hostile = Object.entries(xml.must_reject_or_not_expand);
  expect(hostile).not.toEqual([]);
  for (const [name, text] of hostile) expect([name, parseXml(Buffer.from(text))]).toEqual([name, undefined]);
});
