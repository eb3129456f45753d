import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@tillmesh/clock';
import { expect, test } from 'vitest';
import { type Drill, isHeld } from '../../drills/drill.ts';
import { primaryKilledOf } from '../../drills/primary-killed.ts';
import { rollingRestartOf } from '../../drills/rolling-restart.ts';
import { serviceKilled } from '../../drills/service-killed.ts';

// Small runs of the drills; full size by `npm run drill -- <name>`.
const SEED = 20_261_122;
/** How many times longer than in a drill something may take beside other tests. */
const SLACK = 2.5;

const runSmall = async (drill: Drill, size: { readonly seconds: number; readonly rate: number }) => {
  const folder = mkdtempSync(join(tmpdir(), 'tillmesh-drill-'));
  try {
    const { lines, targets, figures } = await drill.run({
      ...size,
      seed: SEED,
      folder,
      svgFile: join(folder, 'curve.svg'),
      env: process.env,
      clock: systemClock,
      onProgress: () => undefined,
    });
    const story = [`seed ${SEED}`, ...lines, JSON.stringify(figures)].join('\n');
    process.stdout.write(`${story}\n`);
    expect(
      targets.filter((target) => !isHeld(target)),
      story,
    ).toEqual([]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

test('a primary that is killed costs nobody a payment: new ones go on in the other groups, old ones end well', async () => {
  await runSmall(primaryKilledOf(SLACK), { seconds: 14, rate: 8 });
}, 300_000);

test('any service process may be killed: it comes back, every accepted payment ends, and the books agree', async () => {
  await runSmall(serviceKilled, { seconds: 30, rate: 6 });
}, 300_000);

test('processes that are restarted, added, ended or stand still cost nobody a payment', async () => {
  const drill = rollingRestartOf({
    services: ['sandbox', 'order-store', 'routing', 'channel-wechat', 'channel-alipay', 'cashier', 'syncer'],
    pairs: ['order-store', 'cashier', 'channel-wechat'],
    restarted: ['order-store', 'channel-wechat', 'routing', 'cashier'],
    scaled: ['cashier'],
    scaledTo: 3,
    warmUpMs: 4_000,
    slack: SLACK,
  });
  await runSmall(drill, { seconds: 2, rate: 6 });
}, 300_000);
