// npm stop: ends what npm start has started, also when that process was killed and its children are still there.

import { resolve } from 'node:path';
import { systemClock } from '@tillmesh/clock';
import { stopMesh } from '@tillmesh/local-mesh';
import { stopJaeger } from './jaeger/start-jaeger.ts';
import { meshFolder } from './mesh-file.ts';

const folder = resolve(process.argv[2] ?? meshFolder);
const stopped = await stopMesh(folder, systemClock);
await stopJaeger(folder, systemClock);
process.stdout.write(stopped ? 'Stopped.\n' : `No mesh runs on ${folder}.\n`);
