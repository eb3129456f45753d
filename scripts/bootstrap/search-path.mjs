// PATH, read and written.

import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const searched = () => (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');

/** The folder that holds a program: the first of PATH, else of `alsoIn`; undefined where none does. */
export const folderOf = (program, alsoIn = []) =>
  [...searched(), ...alsoIn].find((folder) => existsSync(join(folder, program)));

/** PATH with these folders in front and behind, each once. */
export const pathWith = ({ first, last }) => [...new Set([...first, ...searched(), ...last])].join(delimiter);
