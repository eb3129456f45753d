import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const fileOf = (name: string): string => fileURLToPath(new URL(`../../../../shared/vectors/${name}`, import.meta.url));

/** Public vectors lie beside the repository, not in it: a checkout alone does not have them. */
export const areVectorsMissing = (name: string): boolean => !existsSync(fileOf(name));

export const readVectors = <Vectors>(name: string): Vectors =>
  JSON.parse(readFileSync(fileOf(name), 'utf8')) as Vectors;

/** Why a test was skipped, for its title. */
export const vectorsNote = (name: string): string =>
  areVectorsMissing(name) ? ` (skipped: ../shared/vectors/${name} is not there)` : '';
