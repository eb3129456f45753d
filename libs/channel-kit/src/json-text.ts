const DEPTH_MAX = 16;

/** What JSON.parse gave for an object. */
export type JsonObject = Readonly<Record<string, unknown>>;

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** The text of UTF-8 bytes; undefined where they are not UTF-8. */
export const utf8TextOf = (bytes: Uint8Array): string | undefined => {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
};

/** True for what JSON writes with braces. */
export const isJsonObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** How many keys a value has at all depths; undefined where it is nested too deeply. */
const keyCountOf = (value: unknown, depth: number): number | undefined => {
  if (typeof value !== 'object' || value === null) return 0;
  if (depth >= DEPTH_MAX) return undefined;
  let count = Array.isArray(value) ? 0 : Object.keys(value).length;
  for (const inner of Object.values(value)) {
    const innerCount = keyCountOf(inner, depth + 1);
    if (innerCount === undefined) return undefined;
    count += innerCount;
  }
  return count;
};

const TEXT_AND_COLON = /"(?:[^"\\]|\\.)*"(\s*:)?/g;

/**
 * Reads an object. Undefined for anything else, for text behind it, for nesting deeper than 16, and for a key that stands
 * twice in one object: JSON.parse would quietly take the last, and two readers may disagree on what was said.
 */
export const parseJsonObject = (text: string): JsonObject | undefined => {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isJsonObject(value)) return undefined;
  let keysWritten = 0;
  // In text that JSON.parse accepts, a string before a colon is a key, and nothing else is.
  for (const [, colon] of text.matchAll(TEXT_AND_COLON)) if (colon !== undefined) keysWritten += 1;
  return keysWritten === keyCountOf(value, 0) ? value : undefined;
};

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]/g;

/**
 * The raw text of one member's value in an object that parseJsonObject accepts, exactly as it was received and without the
 * white space around it; undefined where the object has no such member.
 */
export const rawMemberOf = (text: string, key: string): string | undefined => {
  let depth = 0;
  let expectsKey = false;
  let found = false;
  let valueAt: number | undefined;
  for (const { 0: token, index } of text.matchAll(TOKEN)) {
    if (token === '{' || token === '[') {
      depth += 1;
      if (depth === 1) expectsKey = true;
    } else if (token === '}' || token === ']') {
      depth -= 1;
      if (depth === 0) return valueAt === undefined ? undefined : text.slice(valueAt, index).trim();
    } else if (depth === 1 && token === ',') {
      if (valueAt !== undefined) return text.slice(valueAt, index).trim();
      expectsKey = true;
    } else if (depth === 1 && token === ':') {
      if (found) valueAt = index + 1;
      found = false;
    } else if (depth === 1 && expectsKey) {
      found = JSON.parse(token) === key;
      expectsKey = false;
    }
  }
  return undefined;
};

const valueAt = (value: unknown, path: readonly string[]): unknown => {
  let current = value;
  for (const key of path) {
    if (!isJsonObject(current) || !Object.hasOwn(current, key)) return undefined;
    current = current[key];
  }
  return current;
};

/** The text at a path; undefined where there is none or something else. */
export const textAt = (value: unknown, ...path: string[]): string | undefined => {
  const found = valueAt(value, path);
  return typeof found === 'string' ? found : undefined;
};

/** The whole number at a path, 0 to 2^53 - 1; undefined where there is none or something else. */
export const wholeNumberAt = (value: unknown, ...path: string[]): number | undefined => {
  const found = valueAt(value, path);
  return typeof found === 'number' && Number.isSafeInteger(found) && found >= 0 ? found : undefined;
};

/** The object at a path; undefined where there is none or something else. */
export const objectAt = (value: unknown, ...path: string[]): JsonObject | undefined => {
  const found = valueAt(value, path);
  return isJsonObject(found) ? found : undefined;
};
