import { systemClock } from '@tillmesh/clock';
import { createLane } from '@tillmesh/lane';
import { OrderStoreService } from '@tillmesh/proto/tillmesh/orderstore/v1/order_store_service_pb.ts';
import { Code, createClient, rpcErrors } from '@tillmesh/rpc';
import { expect, test } from 'vitest';
import { tellingAbsence } from '../src/tell-absence.ts';

const lane = (concurrentMax: number) =>
  createLane(
    { name: 'order-store', concurrentMax, queuedMax: 0, queueWaitMsMax: 10, timeoutMs: 50, halfOpenAfterMs: 1_000 },
    systemClock,
  );

const untilCut = (signal: AbortSignal): Promise<never> =>
  new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));

/** Nobody listens at port 1. */
const callNobody = async (): Promise<unknown> => {
  const client = createClient(OrderStoreService, { target: '127.0.0.1:1', caller: 'test', capMs: 200 });
  try {
    return await client.getOrder({});
  } finally {
    client.close();
  }
};

const callFullLane = async (): Promise<unknown> => {
  const full = lane(1);
  const first = full.run(untilCut, {}).catch(() => undefined);
  try {
    return await full.run(untilCut, {});
  } finally {
    await first;
  }
};

const ABSENCES: readonly (readonly [string, () => Promise<unknown>])[] = [
  ['nobody answers', callNobody],
  ['the lane is full', callFullLane],
  ['the lane cuts a call that takes too long', () => lane(1).run(untilCut, {})],
  ['its databases are away', () => Promise.reject(rpcErrors.dependencyUnavailable('group 2 is away'))],
  ['every try met a newer version', () => Promise.reject(rpcErrors.versionConflict('changed'))],
];

test.each(ABSENCES)('when %s, whoever reads hears when to come back', async (_how, work) => {
  await expect(tellingAbsence('reads', work)).rejects.toMatchObject({
    code: Code.UNAVAILABLE,
    reason: 'DEPENDENCY_UNAVAILABLE',
    retryAfterMs: 1_000,
  });
});

test.each(ABSENCES)('when %s, whoever writes hears that a repeat is safe', async (_how, work) => {
  await expect(tellingAbsence('writes', work)).rejects.toMatchObject({
    code: Code.UNAVAILABLE,
    reason: 'REPEAT_SAME_NUMBER',
    retryAfterMs: 1_000,
  });
});

test('a refusal and a bug pass as they are', async () => {
  const refusal = rpcErrors.paymentUnknown('no such payment');
  await expect(tellingAbsence('writes', () => Promise.reject(refusal))).rejects.toBe(refusal);
  const bug = new TypeError('x is undefined');
  await expect(tellingAbsence('reads', () => Promise.reject(bug))).rejects.toBe(bug);
});

test('an answer passes', async () => {
  await expect(tellingAbsence('reads', async () => 1)).resolves.toBe(1);
});
