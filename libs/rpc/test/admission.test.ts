import { Metadata } from '@grpc/grpc-js';
import { ManualClock } from '@tillmesh/clock';
import { describe, expect, test } from 'vitest';
import { readStandsFor, ToldLevel } from '../src/admission.ts';
import { currentCall } from '../src/index.ts';
import { aForeignClient, aQueryClient, aQueryServer, foreignCall, PAYMENT, targetOf } from './a-server.ts';

/** Keeps the event loop busy for so long. */
const block = (ms: number): void => {
  const endMs = performance.now() + ms;
  while (performance.now() < endMs);
};

describe('what a neighbour has told of itself', () => {
  test('refuses at the caller what would be refused there, and lets a twentieth through to see', async () => {
    const clock = new ManualClock();
    const told = new ToldLevel(clock);
    expect(told.standsFor('list', '')).toBe(1);
    told.heard(300);
    expect(told.standsFor('payment', 'm-1')).toBe(1);
    const made: number[] = [];
    for (let call = 0; call < 100; call += 1) {
      made.push(told.standsFor('list', ''));
      await clock.advance(2);
    }
    expect(made.filter((standsFor) => standsFor > 0)).toEqual([20, 20, 20, 20, 20]);
  });

  test('lets no more than fifty a second through, which stand for all', async () => {
    const clock = new ManualClock();
    const told = new ToldLevel(clock);
    told.heard(300);
    const made: number[] = [];
    for (let call = 0; call < 10_000; call += 1) {
      made.push(told.standsFor('list', ''));
      await clock.advance(0.1);
    }
    const probes = made.filter((standsFor) => standsFor > 0);
    expect(probes.length).toBeLessThanOrEqual(50);
    const known = probes.reduce((sum, standsFor) => sum + standsFor, 0);
    expect(known).toBeGreaterThan(9_700);
    expect(known).toBeLessThanOrEqual(10_000);
  });

  test('lets a part of a rank through that is admitted in part, each call standing for those before it', () => {
    const told = new ToldLevel(new ManualClock());
    told.heard(510.25);
    const made = Array.from({ length: 12 }, () => told.standsFor('list', ''));
    expect(made).toEqual([0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 4]);
  });

  test('holds for ten seconds, and an answer without a level ends it', async () => {
    const clock = new ManualClock();
    const told = new ToldLevel(clock);
    told.heard(300);
    await clock.advance(10_001);
    expect(told.standsFor('list', '')).toBe(1);
    told.heard(300);
    expect(told.standsFor('list', '')).toBe(0);
    told.heard(undefined);
    expect(told.standsFor('list', '')).toBe(1);
    told.heard(Number.NaN);
    expect(told.standsFor('list', '')).toBe(1);
  });
});

test('a call stands for itself where its label says nothing of use, and for no more than ten thousand', () => {
  for (const label of ['', '0', '-5', '1e9', 'many', '99999999999']) expect(readStandsFor(label)).toBe(1);
  expect(readStandsFor('37')).toBe(37);
  expect(readStandsFor('999999999')).toBe(10_000);
});

describe('a server with more to do than it can', () => {
  test('refuses what is least important with the time to try again, and its callers hear of it', async () => {
    // Every call keeps the loop busy: more of them than it can do.
    const server = await aQueryServer(
      async () => {
        block(5);
        return {};
      },
      { admission: { delayMsMax: 5, windowMs: 50, callsPerSecondMin: 20 } },
    );
    const client = aQueryClient(targetOf(server.port));
    const call = (priority: 'payment' | 'list'): Promise<unknown> =>
      client.getPayment({ payment: PAYMENT }, { priority }).then(
        () => undefined,
        (error: unknown) => error,
      );
    const failures: unknown[] = [];
    let paymentsFailed = 0;
    const isToldHere = (failure: unknown) => String(failure).includes('nothing was sent');
    for (let round = 0; round < 60 && !failures.some(isToldHere); round += 1) {
      const lists = Array.from({ length: 20 }, () => call('list'));
      const payments = Array.from({ length: 2 }, () => call('payment'));
      failures.push(...(await Promise.all(lists)).filter((failure) => failure !== undefined));
      paymentsFailed += (await Promise.all(payments)).filter((failure) => failure !== undefined).length;
    }
    expect(failures[0]).toMatchObject({ reason: 'OVERLOADED', metadata: { priority: 'list' } });
    expect(failures.every((failure) => (failure as { retryAfterMs?: number }).retryAfterMs === 2_000)).toBe(true);
    expect(failures.some(isToldHere)).toBe(true);
    expect(failures.every(isToldHere)).toBe(false);
    expect(paymentsFailed).toBe(0);
  }, 60_000);
});

describe('a label', () => {
  const labelsSeen = async (labels: Readonly<Record<string, string>>) => {
    let seen: unknown;
    const server = await aQueryServer(async () => {
      const { priority, merchant } = currentCall() ?? {};
      seen = { priority, merchant };
      return {};
    });
    const metadata = new Metadata();
    for (const [name, value] of Object.entries(labels)) metadata.set(name, value);
    await foreignCall(aForeignClient(targetOf(server.port)), { metadata });
    return seen;
  };

  for (const [what, labels, seen] of [
    ['that is missing is the lowest', {}, { priority: 'list', merchant: '' }],
    ['that is forged is the lowest', { 'tillmesh-priority': 'president' }, { priority: 'list', merchant: '' }],
    [
      'of a merchant that cannot be one is none',
      { 'tillmesh-priority': 'payment', 'tillmesh-merchant': 'a b; DROP' },
      { priority: 'payment', merchant: '' },
    ],
    [
      'that is right is believed inside the mesh',
      { 'tillmesh-priority': 'refund', 'tillmesh-merchant': 'shop-1' },
      { priority: 'refund', merchant: 'shop-1' },
    ],
  ] as const) {
    test(what, async () => {
      expect(await labelsSeen(labels)).toEqual(seen);
    });
  }
});
