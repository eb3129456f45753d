import { spawn } from 'node:child_process';
import { accessSync, constants, existsSync, mkdirSync, renameSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { root } from '../run-program.ts';

/** The last release whose module a Go proxy gives to builders; its program is Jaeger v2. */
const JAEGER_MODULE = 'github.com/jaegertracing/jaeger';
const JAEGER_VERSION = 'v1.76.0';
/** What that release's own go.mod replaces; a replacement counts only in the main module, so it has to be said again. */
const REPLACED = 'github.com/Shopify/sarama=github.com/Shopify/sarama@v1.33.0';

/** A program as it is started. */
export type JaegerProgram = {
  readonly command: string;
  readonly how: 'found on PATH' | 'built here before' | 'built now';
};

const HELP = `Jaeger v2 was found neither on PATH (jaeger) nor in .tools/jaeger, and there is no Go to build it with.
  Put a release's program on PATH: https://www.jaegertracing.io/download/
  or install Go 1.26 or newer, and it is built here, once, in some minutes.
  or have one run elsewhere, and start with OTEL_EXPORTER_OTLP_ENDPOINT=http://host:4318`;

const onPath = (name: string, path: string): string | undefined =>
  path
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });

const run = (command: string, args: readonly string[], cwd: string): Promise<void> =>
  new Promise((resolve, reject) => {
    const child = spawn(command, [...args], {
      cwd,
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, GOFLAGS: '-buildvcs=false' },
    });
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`${command} ${args.join(' ')} ended with status ${code}`));
    });
  });

/**
 * Jaeger v2: the one on PATH, or the one that was built here, or, where Go is there, one that is built now.
 *
 * @throws {Error} which says how to get one.
 */
export const findJaeger = async (path: string, say: (line: string) => void): Promise<JaegerProgram> => {
  const found = onPath('jaeger', path);
  if (found !== undefined) return { command: found, how: 'found on PATH' };
  const folder = join(root, '.tools', 'jaeger');
  const built = join(folder, 'jaeger');
  if (existsSync(built)) return { command: built, how: 'built here before' };
  const go = onPath('go', path);
  if (go === undefined) throw new Error(HELP);
  say(
    `Building Jaeger ${JAEGER_VERSION} into .tools/jaeger with Go (once; it takes minutes, and 3 GB of Go's own cache)`,
  );
  mkdirSync(folder, { recursive: true });
  if (!existsSync(join(folder, 'go.mod'))) await run(go, ['mod', 'init', 'tillmesh.local/jaeger'], folder);
  await run(go, ['mod', 'edit', `-replace=${REPLACED}`], folder);
  await run(go, ['get', '-tool', `${JAEGER_MODULE}/cmd/jaeger@${JAEGER_VERSION}`], folder);
  await run(go, ['build', '-o', 'jaeger.part', `${JAEGER_MODULE}/cmd/jaeger`], folder);
  // A build that was interrupted leaves nothing that looks like a program.
  renameSync(join(folder, 'jaeger.part'), built);
  return { command: built, how: 'built now' };
};
