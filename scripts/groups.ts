// npm run groups -- <command> …: an operator's commands over the order groups, those of `npm start` unless TILLMESH_CONFIG names others.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { meshFolder } from './mesh-file.ts';
import { root } from './run-program.ts';

const config = process.env['TILLMESH_CONFIG'] ?? join(meshFolder, 'run', 'migrate.json');
if (existsSync(config)) {
  const program = join(root, 'services', 'order-store', 'src', 'groups-main.ts');
  const child = spawn(process.execPath, [program, ...process.argv.slice(2)], {
    stdio: 'inherit',
    env: { ...process.env, TILLMESH_CONFIG: config },
  });
  // Ctrl-C goes to both; the program decides when it may end.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
  child.once('close', (code) => {
    process.exitCode = code ?? 1;
  });
} else {
  process.stderr.write(
    `${config} is not there. Start a mesh with npm start, or name the configuration of migrate-main.ts in TILLMESH_CONFIG.\n`,
  );
  process.exitCode = 1;
}
