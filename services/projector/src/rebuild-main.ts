import { systemClock } from '@tillmesh/clock';
import { loadConfig } from '@tillmesh/config';
import { createOrderReader } from '@tillmesh/order-groups';
import { createLog } from '@tillmesh/telemetry';
import { ProjectorConfig } from './config.ts';
import { openStore } from './open-store.ts';
import { rebuildLists } from './rebuild-lists.ts';

// Makes the lists anew, then ends. Run again after it was cut off it goes on where it was.
const ROWS_IN_PIECE = 500;

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

try {
  const clock = systemClock;
  const config = loadConfig(ProjectorConfig, process.env);
  const log = createLog('projector-rebuild', 'error');
  const orders = createOrderReader({ config: config.orders, clock, log });
  const store = openStore(config, clock);
  await orders.look();
  await store.prepare();
  const session = await store.beginRebuild();
  if (session === undefined) throw new Error('another rebuild runs; wait for its end');
  const beganMs = clock.monotonicMs();
  const { rows, resumed } = await rebuildLists({
    session,
    changes: orders.changes,
    rowsInPiece: ROWS_IN_PIECE,
    clock,
    onProgress: say,
  });
  const seconds = ((clock.monotonicMs() - beganMs) / 1_000).toFixed(1);
  say(`${rows} payments are in the lists${resumed ? ', some of them by the rebuild before' : ''}; ${seconds} s`);
  session.close();
  store.close();
  await orders.close();
} catch (error) {
  process.stderr.write(
    `the lists were not made anew: ${error instanceof Error ? error.message : String(error)}\nRun it again: it goes on where it was.\n`,
  );
  process.exitCode = 1;
}
