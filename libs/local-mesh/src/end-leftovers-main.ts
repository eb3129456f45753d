// Ends what a drill or a bench that was interrupted has left running on a folder, then removes the folder. A process of its own, because the one
// that started the servers keeps them alive: it has to be gone first.

import { rmSync } from 'node:fs';
import { systemClock } from '@tillmesh/clock';
import { stopLocalStack } from '@tillmesh/local-stack';
import { stopMesh } from './start-mesh.ts';

const [, , folder, keeps] = process.argv;
if (folder === undefined) throw new Error('usage: node end-leftovers-main.ts <folder> [--keep]');
await stopMesh(folder, systemClock);
await stopLocalStack(folder, systemClock);
if (keeps !== '--keep') rmSync(folder, { recursive: true, force: true });
