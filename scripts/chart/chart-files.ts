import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { sharedMariadbConfig } from '@tillmesh/local-stack';
import { root } from '../run-program.ts';
import { alerts } from './alerts.ts';
import { dashboards } from './dashboards.ts';
import { edgesOf } from './edges.ts';
import { evaluationMesh } from './evaluation-mesh.ts';
import { readmeText } from './readme.ts';
import { serviceSchemas } from './service-schemas.ts';
import { valuesSchema } from './values-schema.ts';

/** The chart's folder. */
export const chartFolder = join(root, 'helm', 'tillmesh');

const json = (value: unknown): string => `${JSON.stringify(value, undefined, 2)}\n`;

/** Every file of the chart that is made from code, by its path in the chart. */
export const generatedChartFiles = async (): Promise<ReadonlyMap<string, string>> => {
  const schemas = await serviceSchemas();
  return new Map([
    ['files/edges.json', json({ edges: edgesOf(schemas) })],
    ['files/evaluation/mesh.json', json(await evaluationMesh())],
    ['files/evaluation/group.cnf', sharedMariadbConfig()],
    ['files/alerts.json', json(alerts())],
    ...dashboards().map(({ name, dashboard }): [string, string] => [`files/dashboards/${name}.json`, json(dashboard)]),
    ['values.schema.json', json(valuesSchema(schemas))],
    ['README.md', readmeText(readFileSync(join(chartFolder, 'values.yaml'), 'utf8'))],
  ]);
};

/** Writes them. @returns their paths in the chart. */
export const writeChartFiles = async (): Promise<readonly string[]> => {
  const files = await generatedChartFiles();
  for (const [path, text] of files) {
    const file = join(chartFolder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  return [...files.keys()];
};
