import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export type Watch = {
  /** Of the page, with a slash at its end. */
  readonly url: string;
  /** Changes the processes in its configuration. */
  configure(processes: Processes): void;
  stop(): Promise<void>;
};

type Processes = readonly { readonly service: string; readonly target: string }[];

const PORT = /"port":(\d+),"msg":"lanes are shown"/;

/** The service as a process of its own, on free ports, as soon as its page is served. */
export const startWatch = async (processes: Processes, env: NodeJS.ProcessEnv): Promise<Watch> => {
  const folder = mkdtempSync(join(tmpdir(), 'tillmesh-watch-'));
  const config = join(folder, 'watch.json');
  const configure = (wanted: Processes): void =>
    writeFileSync(config, JSON.stringify({ server: { port: 0 }, http: { port: 0 }, processes: wanted }));
  configure(processes);
  const child = spawn(process.execPath, [join(import.meta.dirname, '../src/main.ts')], {
    env: { ...env, TILLMESH_CONFIG: config },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const closed = once(child, 'close');
  let output = '';
  const { promise: port, resolve, reject } = Promise.withResolvers<string>();
  const hear = (part: Buffer): void => {
    output += part.toString();
    const found = PORT.exec(output)?.[1];
    if (found !== undefined) resolve(found);
  };
  child.stdout.on('data', hear);
  child.stderr.on('data', hear);
  child.once('close', () => reject(new Error(`watch ended before its page was served:\n${output}`)));
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await closed;
    rmSync(folder, { recursive: true, force: true });
  };
  return { url: `http://127.0.0.1:${await port}/`, configure, stop };
};
