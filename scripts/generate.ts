// npm run generate: writes libs/proto/src/gen anew. buf empties the folder first, so a deleted proto leaves nothing behind.

import { generateInto } from './generated-code.ts';
import { root } from './run-program.ts';

const { status, output } = await generateInto(root);
if (output !== '') console.error(output);
if (status === 0) console.log('The generated code is up to date.');
process.exitCode = status;
