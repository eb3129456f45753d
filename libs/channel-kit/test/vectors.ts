import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = join(import.meta.dirname, '../../../../shared/vectors');

/** Official vectors, where they lie beside the checkout; undefined elsewhere. */
export const vectorsOf = <Content>(name: string): Content | undefined => {
  const path = join(folder, name);
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Content) : undefined;
};
