import { systemClock } from '@tillmesh/clock';
import { readMeshFile } from './mesh-file.ts';

const STOPPED_WITHIN_MS = 20_000;

const running = readMeshFile();
if (running === undefined) {
  process.stdout.write('No mesh runs in this checkout.\n');
} else {
  process.kill(running.pid, 'SIGTERM');
  const beganMs = systemClock.monotonicMs();
  while (readMeshFile() !== undefined && systemClock.monotonicMs() - beganMs < STOPPED_WITHIN_MS) {
    await systemClock.sleep(100);
  }
  const ended = readMeshFile() === undefined;
  process.stdout.write(ended ? 'Stopped.\n' : `Process ${running.pid} is still stopping; see its terminal.\n`);
  process.exitCode = ended ? 0 : 1;
}
