/** Flat fields of a v2 message, in their order. */
export type XmlFields = ReadonlyMap<string, string>;

const FIELDS_MAX = 64;
// The five that XML itself defines; everything else needs a DTD, and there is none.
const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

const DECLARATION = /^<\?xml\s[^<>]*\?>\s*/;
// One element without attributes: empty, a CDATA section, or text in which neither `<` nor a bare `&` stands.
const ELEMENT =
  /<([A-Za-z_][0-9A-Za-z_]*)(?:\s*\/>|>(?:\s*<!\[CDATA\[((?:(?!\]\]>)[\s\S])*)\]\]>\s*|([^<]*))<\/\1>)\s*/y;

const decoded = (text: string): string | undefined => {
  let isKnown = true;
  const result = text.replace(/&([^;&]*);?/g, (whole, name: string) => {
    const character = whole.endsWith(';') ? ENTITIES[name] : undefined;
    if (character === undefined) isKnown = false;
    return character ?? '';
  });
  return isKnown ? result : undefined;
};

/**
 * Reads `<xml><name>value</name>…</xml>` and nothing richer: no DTD, no entity but the five of XML itself, no attribute,
 * no comment, no nesting, no field twice. The caller limits the size.
 *
 * @returns undefined for anything else.
 */
export const parseXml = (bytes: Buffer): XmlFields | undefined => {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes).trim();
  } catch {
    return undefined;
  }
  const whole = /^<xml>\s*([\s\S]*)<\/xml>$/.exec(text.replace(DECLARATION, ''));
  const inner = whole?.[1];
  if (inner === undefined) return undefined;
  const fields = new Map<string, string>();
  ELEMENT.lastIndex = 0;
  while (ELEMENT.lastIndex < inner.length) {
    const element = ELEMENT.exec(inner);
    const [, name, cdata, plain] = element ?? [];
    const value = cdata ?? decoded(plain?.trim() ?? '');
    if (name === undefined || value === undefined || fields.has(name) || fields.size >= FIELDS_MAX) return undefined;
    fields.set(name, value);
  }
  return fields;
};

/** Writes fields as WeChat Pay does: every value in a CDATA section. */
export const formatXml = (fields: Iterable<readonly [string, string]>): string => {
  const lines = [...fields].map(
    // A CDATA section cannot hold its own end; the split is how XML writes it.
    ([name, value]) => `<${name}><![CDATA[${value.replaceAll(']]>', ']]]]><![CDATA[>')}]]></${name}>`,
  );
  return `<xml>${lines.join('\n')}\n</xml>`;
};
