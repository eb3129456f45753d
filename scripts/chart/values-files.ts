import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../run-program.ts';
import type { RenderOptions } from './render.ts';

/** A values file of helm/tillmesh/ci, with what its first comments say of it. */
export type ValuesFile = {
  readonly name: string;
  readonly options: RenderOptions;
  /** For a wrong one: what helm has to say. */
  readonly says: string;
};

const CHART = 'helm/tillmesh';

const read = (folder: string, file: string): ValuesFile => {
  const path = `${CHART}/${folder}/${file}`;
  const text = readFileSync(join(root, path), 'utf8');
  const told = (key: string): string => new RegExp(`^# ${key}: (.+)$`, 'm').exec(text)?.[1] ?? '';
  const base = told('with');
  const kubeVersion = told('kubernetes');
  return {
    name: `${folder}/${file}`,
    options: {
      values: [...(base === '' ? [] : [`${CHART}/${base}`]), path],
      apis: told('apis')
        .split(', ')
        .filter((api) => api !== ''),
      ...(kubeVersion === '' ? {} : { kubeVersion }),
    },
    says: told('says'),
  };
};

const filesIn = (folder: string): readonly ValuesFile[] =>
  readdirSync(join(root, CHART, folder))
    .filter((file) => file.endsWith('.yaml'))
    .toSorted()
    .map((file) => read(folder, file));

/** Both profiles as they stand, and every other right file. */
export const rightValues = (): readonly ValuesFile[] => [
  { name: 'evaluation', options: {}, says: '' },
  { name: 'production', options: { values: [`${CHART}/values-production.yaml`] }, says: '' },
  ...filesIn('ci'),
];

/** Files with one mistake each. */
export const wrongValues = (): readonly ValuesFile[] => filesIn('ci/wrong');
