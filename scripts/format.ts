// npm run format: puts every file into the one form, sorts imports, and formats the protos.

import { root, runTool } from './run-program.ts';

const words = process.argv.slice(2);
// Paths given on the command line limit the work to them; buf formats all protos or none.
const biome = await runTool('biome', [
  'check',
  '--write',
  '--max-diagnostics',
  '200',
  ...(words.length > 0 ? words : [root]),
]);
const buf = words.length > 0 ? { status: 0, output: '' } : await runTool('buf', ['format', '--write']);
console.log([biome.output, buf.output].filter((output) => output !== '').join('\n'));
process.exitCode = biome.status === 0 ? buf.status : biome.status;
