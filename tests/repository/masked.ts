// TypeScript 7 has no programming interface yet, and the rules here need no syntax tree: only to know what is code and
// what is comment or text.

/** A source text of unchanged length, in which what does not count is blank; line breaks stay. */
export type Masked = {
  /** Comments are blank: for rules on imports, whose names are texts. */
  readonly codeAndTexts: string;
  /** Comments are blank, and so is what stands inside quotes, templates and regular expressions. */
  readonly code: string;
};

const blank = (text: string): string => text.replace(/[^\n]/g, ' ');

// After these a slash begins a regular expression; after anything else (a name, a bracket that closes) it divides.
const beforeRegex =
  /(?:^|[([{,;:=!&|?+\-*%^~<>}]|\b(?:return|typeof|case|in|of|delete|void|throw|new|else|do|yield|await))\s*$/;

const regexAt = /^\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+\//;

/** Where the text that starts with this quote ends: after its closing quote, or at the end of the line. */
const endOfQuoted = (source: string, start: number): number => {
  const quote = source[start];
  for (let index = start + 1; index < source.length; index += 1) {
    if (source[index] === '\\') index += 1;
    else if (source[index] === quote || source[index] === '\n') return index + 1;
  }
  return source.length;
};

const endOfComment = (source: string, start: number): number => {
  const isBlock = source.startsWith('/*', start);
  const end = source.indexOf(isBlock ? '*/' : '\n', start + 2);
  if (end === -1) return source.length;
  return isBlock ? end + 2 : end;
};

/** Tells code, comments and texts apart. Good enough for formatted TypeScript; not a parser. */
export const mask = (source: string): Masked => {
  let codeAndTexts = '';
  let code = '';
  // How many braces are open inside each template's `${`; the innermost last.
  const bracesInTemplates: number[] = [];
  let inTemplate = false;

  const take = (length: number, kind: 'code' | 'text' | 'comment', index: number): number => {
    const piece = source.slice(index, index + length);
    codeAndTexts += kind === 'comment' ? blank(piece) : piece;
    code += kind === 'code' ? piece : blank(piece);
    return index + length;
  };

  let index = 0;
  while (index < source.length) {
    const character = source.charAt(index);
    if (inTemplate) {
      if (character === '\\') index = take(2, 'text', index);
      else if (source.startsWith('${', index)) {
        inTemplate = false;
        bracesInTemplates.push(0);
        index = take(2, 'code', index);
      } else {
        if (character === '`') inTemplate = false;
        index = take(1, character === '`' ? 'code' : 'text', index);
      }
      continue;
    }
    if (source.startsWith('//', index) || source.startsWith('/*', index)) {
      index = take(endOfComment(source, index) - index, 'comment', index);
    } else if (character === "'" || character === '"') {
      index = take(1, 'code', index);
      const end = endOfQuoted(source, index - 1);
      index = take(Math.max(0, end - 1 - index), 'text', index);
      index = take(end - index, 'code', index);
    } else if (character === '`') {
      inTemplate = true;
      index = take(1, 'code', index);
    } else if (character === '/' && beforeRegex.test(code.slice(-40))) {
      index = take(regexAt.exec(source.slice(index))?.[0].length ?? 1, 'text', index);
    } else if (character === '}' && bracesInTemplates.at(-1) === 0) {
      bracesInTemplates.pop();
      inTemplate = true;
      index = take(1, 'code', index);
    } else {
      const open = bracesInTemplates.length - 1;
      if (open >= 0 && (character === '{' || character === '}')) {
        bracesInTemplates[open] = (bracesInTemplates[open] ?? 0) + (character === '{' ? 1 : -1);
      }
      index = take(1, 'code', index);
    }
  }
  return { codeAndTexts, code };
};
