// npm run generate: writes libs/proto/src/gen, docs/states.md and what of the chart is made from code anew. buf empties its folder first, so a
// deleted proto leaves nothing.

import { writeChartFiles } from './chart/chart-files.ts';
import { generateInto } from './generated-code.ts';
import { root } from './run-program.ts';
import { writeStatePage } from './state-diagrams.ts';

const { status, output } = await generateInto(root);
if (output !== '') console.error(output);
writeStatePage();
await writeChartFiles();
if (status === 0)
  console.log('The generated code, docs/states.md and the generated files of helm/tillmesh are up to date.');
process.exitCode = status;
