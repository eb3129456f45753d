import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { meshFolder } from './mesh-file.ts';

const HELP = `npm run projection -- rebuild [options]

  Makes the lists of payments by merchant anew from the order groups, while everything runs. Lists are answered by the groups
  meanwhile. Cut off, it goes on where it was when it is run again.

  --folder <path>   data folder of the running mesh (default .local/mesh)
  --config <file>   the projector's configuration, instead of that of a mesh on this machine`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    folder: { type: 'string', default: meshFolder },
    config: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

const run = (config: string): Promise<number> =>
  new Promise((done) => {
    const program = join(import.meta.dirname, '..', 'services', 'projector', 'src', 'rebuild-main.ts');
    const child = spawn(process.execPath, [program], {
      stdio: 'inherit',
      env: { ...process.env, TILLMESH_CONFIG: config },
    });
    child.once('close', (status) => done(status ?? 1));
  });

const main = async (): Promise<number> => {
  if (values.help || positionals[0] !== 'rebuild' || positionals.length > 1) {
    process.stdout.write(`${HELP}\n`);
    return values.help ? 0 : 1;
  }
  const config = resolve(values.config ?? join(values.folder, 'run', 'projector.json'));
  if (existsSync(config)) return run(config);
  process.stdout.write(
    `${config} is not there: start the mesh with npm start, or name a configuration with --config\n`,
  );
  return 1;
};

process.exitCode = await main();
