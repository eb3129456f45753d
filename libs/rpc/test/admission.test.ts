import { Metadata } from '@grpc/grpc-js';
import { ManualClock } from '@tillmesh/clock';
import { describe, expect, test } from 'vitest';
import { ToldLevel } from '../src/admission.ts';
import { currentCall } from '../src/index.ts';
import { aForeignClient, aQueryClient, aQueryServer, foreignCall, PAYMENT, targetOf } from './a-server.ts';

/** Keeps the event loop busy for so long. */
const block = (ms: number): void => {
  const endMs = performance.now() + ms;
  while (performance.now() < endMs);
};

describe('what a neighbour has told of itself', () => {
  test('refuses at the caller what would be refused there, and lets a twentieth through to see', () => {
    const told = new ToldLevel(new ManualClock());
    expect(told.refuses('list', '')).toBe(false);
    told.heard(300);
    expect(told.refuses('payment', 'm-1')).toBe(false);
    const sent = Array.from({ length: 100 }, () => told.refuses('list', '')).filter((refused) => !refused);
    expect(sent).toHaveLength(5);
  });

  test('holds for ten seconds, and an answer without a level ends it', async () => {
    const clock = new ManualClock();
    const told = new ToldLevel(clock);
    told.heard(300);
    await clock.advance(10_001);
    expect(told.refuses('list', '')).toBe(false);
    told.heard(300);
    expect(told.refuses('list', '')).toBe(true);
    told.heard(undefined);
    expect(told.refuses('list', '')).toBe(false);
    told.heard(Number.NaN);
    expect(told.refuses('list', '')).toBe(false);
  });
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
