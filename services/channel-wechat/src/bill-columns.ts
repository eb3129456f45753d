import { BrokenBill, type TextLine } from '@tillmesh/channel-kit';

/** The cells of a line by the names of their columns. */
export type Cells<Name extends string> = Readonly<Record<Name, string>>;

/** Reads the lines under a header. */
export type Columns<Name extends string> = (line: TextLine) => Cells<Name>;

/** WeChat Pay writes （元） in one bill and (元) in another. */
const plainName = (name: string): string => name.trim().replaceAll('（', '(').replaceAll('）', ')');

/**
 * Reads a header: names in commas.
 *
 * @param wanted the columns that have to be there, in any order; others may stand among them.
 * @throws {BrokenBill} `unknown_header`
 */
export const readHeader = <Name extends string>(header: TextLine, wanted: readonly Name[]): Columns<Name> => {
  const names = header.text.split(',').map(plainName);
  const places = wanted.map((name) => [name, names.indexOf(name)] as const);
  const missing = places.filter(([, place]) => place === -1).map(([name]) => name);
  if (missing.length > 0) {
    throw new BrokenBill('unknown_header', `columns are missing: ${missing.join(', ')}`, header.number);
  }
  return (line) => {
    // A back-tick stands before every cell, and what payers and merchants write may hold commas.
    const cells = line.text.startsWith('`') ? line.text.slice(1).split(',`') : [];
    if (cells.length !== names.length) {
      throw new BrokenBill('bad_line', `${cells.length} cells under ${names.length} columns`, line.number);
    }
    return Object.fromEntries(places.map(([name, place]) => [name, cells[place] ?? ''])) as Cells<Name>;
  };
};
