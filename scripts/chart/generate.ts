import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { chartFolder, generatedChartFiles } from './chart-files.ts';

// npm run chart:generate: what of the chart is made from code: edges, schema, alerts, dashboards, the evaluation's accounts, README.

for (const [path, text] of await generatedChartFiles()) {
  const file = join(chartFolder, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  console.log(`helm/tillmesh/${path}: ${text.length} characters`);
}
