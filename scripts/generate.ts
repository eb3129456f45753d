// npm run generate: writes libs/proto/src/gen and docs/states.md anew. buf empties its folder first, so a deleted proto leaves nothing.

import { generateInto } from './generated-code.ts';
import { root } from './run-program.ts';
import { writeStatePage } from './state-diagrams.ts';

const { status, output } = await generateInto(root);
if (output !== '') console.error(output);
writeStatePage();
if (status === 0) console.log('The generated code and docs/states.md are up to date.');
process.exitCode = status;
