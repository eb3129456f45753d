import type { AcpFields } from './signature.ts';

const CHARACTERS_MAX = 65_536;
const FIELDS_MAX = 100;
const NAME = /^[A-Za-z][0-9A-Za-z_]{0,63}$/;

const fieldsOf = (pairs: readonly (readonly [string, string])[]): AcpFields | undefined => {
  if (pairs.length === 0 || pairs.length > FIELDS_MAX) return undefined;
  const fields = new Map<string, string>();
  for (const [name, value] of pairs) {
    // A field that stands twice says two things.
    if (!NAME.test(name) || fields.has(name)) return undefined;
    fields.set(name, value);
  }
  return Object.fromEntries(fields);
};

/** Parts of a text at `&`, but not inside of the braces that some values have. */
const partsOf = (text: string): readonly string[] => {
  const parts: string[] = [];
  let [begin, depth] = [0, 0];
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    if (character === '{') depth += 1;
    else if (character === '}') depth -= 1;
    else if (character === '&' && depth <= 0) {
      parts.push(text.slice(begin, at));
      begin = at + 1;
    }
  }
  return [...parts, text.slice(begin)];
};

/**
 * Reads an answer: `k=v` joined by `&`, not encoded. Undefined for anything else: a name that is none, one that stands twice, more than
 * 100 fields or 64 Ki characters, unless told more.
 */
export const parseAnswer = (text: string, charactersMax = CHARACTERS_MAX): AcpFields | undefined => {
  if (text.length > charactersMax) return undefined;
  const pairs = partsOf(text.trim()).map((part): readonly [string, string] => {
    const middle = part.indexOf('=');
    return middle < 0 ? ['', ''] : [part.slice(0, middle), part.slice(middle + 1)];
  });
  return fieldsOf(pairs);
};

/** Reads a notification: a form as browsers send it. Undefined as above. */
export const parseForm = (text: string): AcpFields | undefined =>
  text.length > CHARACTERS_MAX ? undefined : fieldsOf([...new URLSearchParams(text)]);
