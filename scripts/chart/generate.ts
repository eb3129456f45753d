import { writeChartFiles } from './chart-files.ts';

// npm run chart:generate: what of the chart is made from code: edges, schema, alerts, dashboards, the evaluation's accounts, README.

for (const path of await writeChartFiles()) console.log(`helm/tillmesh/${path}`);
