/** Parameters by name, with the bytes of their values: a signature is over bytes, whatever the charset. */
export type FormFields = ReadonlyMap<string, Buffer>;

const FIELDS_MAX = 64;
const PLUS = 0x2b;
const PERCENT = 0x25;
const SPACE = 0x20;

/** Decodes `%XX` and `+`; undefined where a percent sign has no two hex digits behind it. */
const decoded = (text: string): Buffer | undefined => {
  const bytes = Buffer.from(text);
  const result = Buffer.alloc(bytes.length);
  let length = 0;
  for (let at = 0; at < bytes.length; at += 1) {
    let byte = bytes[at] ?? 0;
    if (byte === PLUS) byte = SPACE;
    if (byte === PERCENT) {
      const digits = bytes.toString('latin1', at + 1, at + 3);
      if (!/^[0-9A-Fa-f]{2}$/.test(digits)) return undefined;
      byte = Number.parseInt(digits, 16);
      at += 2;
    }
    result[length] = byte;
    length += 1;
  }
  return result.subarray(0, length);
};

/**
 * Reads `a=b&c=d` parts, the query's and the body's together, as the real gateway does.
 *
 * @returns undefined where a part is no parameter or a name comes twice: it would be unclear which was signed.
 */
export const parseForm = (...parts: readonly string[]): FormFields | undefined => {
  const fields = new Map<string, Buffer>();
  for (const pair of parts.flatMap((part) => part.split('&'))) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const name = decoded(equals === -1 ? pair : pair.slice(0, equals))?.toString('latin1');
    const value = decoded(equals === -1 ? '' : pair.slice(equals + 1));
    if (!name || value === undefined || fields.has(name) || fields.size >= FIELDS_MAX) return undefined;
    fields.set(name, value);
  }
  return fields;
};
