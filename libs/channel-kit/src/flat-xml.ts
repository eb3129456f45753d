const CHARACTERS_MAX = 65_536;
const FIELDS_MAX = 200;

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

const FRAME = /^\uFEFF?\s*(?:<\?xml[^<>]*\?>\s*)?<xml>([\s\S]*)<\/xml>\s*$/;
const OPENING = /\s*<([A-Za-z_][A-Za-z0-9_.-]{0,63})(\/?)>/y;
const PLAIN = /[^<&]+/y;
const ENTITY = /&(amp|lt|gt|quot|apos);/y;
const SECTION_START = '<![CDATA[';
const SECTION_END = ']]>';

/** The value that begins at an index, and where its closing tag begins; undefined where it holds what it must not. */
const readValue = (text: string, from: number): { readonly value: string; readonly end: number } | undefined => {
  let value = '';
  let at = from;
  for (;;) {
    PLAIN.lastIndex = at;
    ENTITY.lastIndex = at;
    const plain = PLAIN.exec(text);
    const entity = plain === null ? ENTITY.exec(text) : null;
    if (plain !== null) {
      value += plain[0];
      at = PLAIN.lastIndex;
    } else if (entity !== null) {
      value += ENTITIES[entity[1] ?? ''] ?? '';
      at = ENTITY.lastIndex;
    } else if (text.startsWith(SECTION_START, at)) {
      const end = text.indexOf(SECTION_END, at);
      if (end === -1) return undefined;
      value += text.slice(at + SECTION_START.length, end);
      at = end + SECTION_END.length;
    } else {
      return { value, end: at };
    }
  }
};

/**
 * Reads the XML that WeChat Pay v2 and the gateways made after it speak: one level of fields inside `<xml>`. Undefined for everything else: DOCTYPE, comments,
 * attributes, nesting, unknown entities, a field that stands twice, text behind the end, more than 64 Ki characters. White
 * space inside a field is part of its value. Takes time in proportion to the text, whatever it holds.
 */
export const parseFlatXml = (text: string): ReadonlyMap<string, string> | undefined => {
  if (text.length > CHARACTERS_MAX) return undefined;
  const inner = FRAME.exec(text)?.[1];
  if (inner === undefined) return undefined;
  const fields = new Map<string, string>();
  let at = 0;
  for (;;) {
    OPENING.lastIndex = at;
    const opening = OPENING.exec(inner);
    if (opening === null) return /^\s*$/.test(inner.slice(at)) ? fields : undefined;
    const [, name = '', slash] = opening;
    if (fields.has(name) || fields.size >= FIELDS_MAX) return undefined;
    const isEmpty = slash === '/';
    const read = isEmpty ? { value: '', end: OPENING.lastIndex } : readValue(inner, OPENING.lastIndex);
    const closing = isEmpty ? '' : `</${name}>`;
    if (read === undefined || !inner.startsWith(closing, read.end)) return undefined;
    fields.set(name, read.value);
    at = read.end + closing.length;
  }
};

// What XML 1.0 cannot carry in any spelling.
// biome-ignore lint/suspicious/noControlCharactersInRegex: exactly these are meant.
const NOT_XML =
  /[\u0000-\u0008\u000B\u000C\u000E-\u001F\uFFFE\uFFFF]|[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g;

/** The value as XML can carry it: other characters become spaces. To be signed and sent alike. */
export const xmlSafe = (value: string): string => value.replace(NOT_XML, ' ');

const escaped = (value: string): string =>
  value.replace(/[&<>"']/g, (character) => {
    const name = Object.keys(ENTITIES).find((entity) => ENTITIES[entity] === character);
    return `&${name};`;
  });

/** Writes fields as such a gateway wants them. Values must be xmlSafe. */
export const writeFlatXml = (fields: Readonly<Record<string, string>>): string =>
  `<xml>${Object.entries(fields)
    .map(([name, value]) => `<${name}>${escaped(value)}</${name}>`)
    .join('')}</xml>`;
