import { systemClock, systemRandom } from '@tillmesh/clock';
import { loadConfig } from '@tillmesh/config';
import { createLog } from '@tillmesh/telemetry';
import { SandboxConfig } from './config.ts';
import { startSandbox } from './sandbox.ts';

const fail = (error: unknown): never => {
  process.stderr.write(`sandbox cannot start: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
};

const load = (): SandboxConfig => {
  try {
    return loadConfig(SandboxConfig, process.env);
  } catch (error) {
    return fail(error);
  }
};

const config = load();
const log = createLog('sandbox', config.logLevel);

// One broken request must not end a process that keeps the customers' ledger.
process.on('unhandledRejection', (error) => log.fatal({ err: error }, 'a promise was rejected and nobody awaited it'));
process.on('uncaughtException', (error) => log.fatal({ err: error }, 'an error reached the top'));

try {
  const sandbox = await startSandbox(config, { clock: systemClock, random: systemRandom, log });
  let leaving = false;
  const leave = (signal: string): void => {
    if (leaving) return;
    leaving = true;
    sandbox.close().then(
      () => {
        log.info({ signal }, 'stopped');
        process.exit(0);
      },
      (error: unknown) => {
        log.fatal({ err: error }, 'could not stop in order');
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', () => leave('SIGTERM'));
  process.on('SIGINT', () => leave('SIGINT'));
  log.info({ host: config.host, ports: sandbox.ports }, 'ready');
} catch (error) {
  fail(error);
}
