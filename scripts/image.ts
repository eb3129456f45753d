import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { systemClock } from '@tillmesh/clock';
import { LOCAL_BASE_DOCKERFILE, projectVersion, writeLocalBase } from './image/local-base.ts';
import { root, runTool } from './run-program.ts';

// npm run image: the one image of all services.

const HELP = `npm run image -- [options]

  --tag <name>           of the image (default tillmesh:<version>)
  --node-image <image>   with Node 24 and npm (default that of the Dockerfile); pin it by digest: name@sha256:...
  --local-base           makes the base image from this machine's Node, where no registry of images is reachable
  --network <name>       for npm during the build (default that of the engine)

The engine is Docker's, found as usual: DOCKER_HOST, docker context.`;

const { values } = parseArgs({
  options: {
    tag: { type: 'string', default: `tillmesh:${projectVersion()}` },
    'node-image': { type: 'string' },
    'local-base': { type: 'boolean', default: false },
    network: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

const fail = (text: string): never => {
  process.stderr.write(`${text}\n`);
  process.exit(1);
};

if (values.help) {
  say(HELP);
  process.exit(0);
}

const beganMs = systemClock.monotonicMs();
const seconds = (): string => `${((systemClock.monotonicMs() - beganMs) / 1_000).toFixed(0).padStart(4)} s`;

/** Runs docker and shows the steps of a build, each with the time since the start. */
const build = (words: readonly string[], folder: string): Promise<void> =>
  new Promise((resolve) => {
    const child = spawn('docker', ['build', ...words, '.'], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const hear = (chunk: Buffer): void => {
      const text = chunk.toString();
      output = `${output}${text}`.slice(-20_000);
      for (const [line] of text.matchAll(/^(?:Step \d+\/\d+ : |#\d+ \[).*$/gm)) say(`${seconds()}  ${line}`);
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.once('close', (code) => {
      if (code === 0) resolve();
      else fail(`${output}\nThe image could not be built. npm inside the build needs the network: see --network.`);
    });
  });

const engine = await runTool('docker', ['version', '--format', '{{.Server.Version}}']);
if (engine.status !== 0) {
  fail(
    `Docker's engine does not answer: ${engine.output.trim().split('\n').at(-1) ?? ''}\n` +
      'Start it (dockerd as root, or Docker Desktop), or set DOCKER_HOST. The services run without it as well: npm start.',
  );
}

const networkWords = values.network === undefined ? [] : ['--network', values.network];
const bases: string[] = [];
if (values['local-base']) {
  for (const [name, withNpm] of [
    ['tillmesh-base:npm', true],
    ['tillmesh-base:runtime', false],
  ] as const) {
    say(`${seconds()}  ${name} from ${process.execPath}`);
    const folder = mkdtempSync(join(tmpdir(), 'tillmesh-base-'));
    try {
      writeLocalBase(folder, { withNpm });
      writeFileSync(join(folder, 'Dockerfile'), LOCAL_BASE_DOCKERFILE);
      writeFileSync(join(folder, '.dockerignore'), 'Dockerfile\n.dockerignore\n');
      await build(['--tag', name], folder);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  bases.push('--build-arg', 'NODE_IMAGE=tillmesh-base:npm', '--build-arg', 'RUNTIME_IMAGE=tillmesh-base:runtime');
} else if (values['node-image'] !== undefined) bases.push('--build-arg', `NODE_IMAGE=${values['node-image']}`);

const revision = (await runTool('git', ['rev-parse', 'HEAD'])).output.trim();
await build(
  [
    ...bases,
    ...networkWords,
    '--build-arg',
    `VERSION=${projectVersion()}`,
    '--build-arg',
    `REVISION=${revision}`,
    '--tag',
    values.tag,
  ],
  root,
);
const { output: size } = await runTool('docker', ['image', 'inspect', '--format', '{{.Size}} {{.Id}}', values.tag]);
const [bytes = '0', id = ''] = size.trim().split(' ');
say(`${seconds()}  ${values.tag}: ${Math.round(Number(bytes) / 1e6)} MB, ${id}`);
