import { describe, expect, test } from 'vitest';
import { simulateInThreads } from './in-threads.ts';
import { MUTANTS } from './mutants.ts';

// The real protocol over groups of modelled nodes that crash, freeze, are cut off, replaced, and come back with what nobody
// acknowledged, while the map of groups changes and sweepers run. `npm run simulate -- bounce` plays as many schedules as one likes.

const SCHEDULES = 100_000;
const FIRST_SEED = 1;

test(`in ${SCHEDULES} schedules no merchant order number has two payable orders, none is taken back, and every one is decided in the end`, async () => {
  const tally = await simulateInThreads({ firstSeed: FIRST_SEED, schedules: SCHEDULES }, 2);
  expect(tally).toMatchObject({ schedules: SCHEDULES, twoPayable: 0, takenBack: 0, undecided: 0, firstBad: undefined });
  // A protocol that refuses everything would be safe as well.
  expect(tally.paid / tally.numbers).toBeGreaterThan(0.6);
}, 600_000);

test('a seed gives the same schedule, whatever runs beside it', async () => {
  const together = await simulateInThreads({ firstSeed: 500, schedules: 40 }, 1);
  const apart = await simulateInThreads({ firstSeed: 500, schedules: 40 }, 2);
  expect(together).toEqual(apart);
});

describe('the simulation finds a protocol in which', () => {
  for (const [mutant, { what, nearSeed }] of MUTANTS.entries()) {
    test(what, async () => {
      const share = { firstSeed: nearSeed, schedules: 4_000, mutant, untilBad: true };
      expect((await simulateInThreads(share, 2)).firstBad).toBeDefined();
    }, 120_000);
  }
});
