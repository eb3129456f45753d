import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@tillmesh/clock';
import { expect, test } from 'vitest';
import { delayQueue } from './delay-queue.ts';

test('the bench of the delay queue measures every figure, on a small scale', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tillmesh-bench-'));
  try {
    const { figures, targets } = await delayQueue.run({
      rounds: 1,
      seconds: 0.2,
      extra: { waiting: '5000' },
      seed: 1,
      folder,
      clock: systemClock,
      onProgress: () => undefined,
    });
    for (const [name, figure] of Object.entries(figures)) {
      expect(Number.isFinite(figure), name).toBe(true);
      expect(figure, name).toBeGreaterThanOrEqual(0);
    }
    expect(targets.map(({ name }) => name)).toContain('claim+ack a second');
    // What a machine that has other things to do does not change.
    expect(figures['bytes of a waiting entry with 64 bytes of payload']).toBeLessThan(500);
    expect(figures['bytes of a waiting entry with 64 bytes of payload']).toBeLessThan(
      figures['bullmq bytes of a waiting job'] ?? 0,
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
