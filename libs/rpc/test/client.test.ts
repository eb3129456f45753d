import { status } from '@grpc/grpc-js';
import { ManualClock, systemClock } from '@tillmesh/clock';
import { QueryService } from '@tillmesh/proto/tillmesh/query/v1/query_service_pb.ts';
import { describe, expect, test } from 'vitest';
import {
  certainlyNotDone,
  createClient,
  createClients,
  type Passage,
  persistently,
  RpcError,
  rpcErrors,
  runAsCall,
} from '../src/index.ts';
import { aQueryClient, aQueryServer, failureOf, PAYMENT, QUIET, targetOf } from './a-server.ts';

const asCall = <T>(budgetMs: number, work: () => Promise<T>, signal?: AbortSignal): Promise<T> =>
  runAsCall(
    {
      name: 'test',
      caller: 'test',
      priority: 'payment',
      budgetMs,
      clock: systemClock,
      ...(signal === undefined ? {} : { signal }),
    },
    work,
  );

describe('a call whose caller has gone before', () => {
  for (const [how, call] of [
    [
      'by its own signal',
      (client: ReturnType<typeof aQueryClient>) =>
        client.getPayment({ payment: PAYMENT }, { signal: AbortSignal.abort() }),
    ],
    [
      "by the present call's signal",
      (client: ReturnType<typeof aQueryClient>) =>
        asCall(5_000, () => client.getPayment({ payment: PAYMENT }), AbortSignal.abort()),
    ],
  ] as const) {
    test(`is not sent (${how})`, async () => {
      let calls = 0;
      const server = await aQueryServer(async () => {
        calls += 1;
        return {};
      });
      const client = aQueryClient(targetOf(server.port));
      expect(await failureOf(call(client))).toMatchObject({ code: status.CANCELLED });
      await client.getPayment({ payment: PAYMENT });
      expect(calls).toBe(1);
    });
  }
});

describe('a budget', () => {
  test('leaves room for the answer at every hop', async () => {
    let leftMs = 0;
    const inner = await aQueryServer(async (_request, call) => {
      leftMs = call.answerByMs - systemClock.monotonicMs();
      return {};
    });
    const innerClient = aQueryClient(targetOf(inner.port));
    const outer = await aQueryServer(async () => innerClient.getPayment({ payment: PAYMENT }));
    await aQueryClient(targetOf(outer.port)).getPayment({ payment: PAYMENT }, { capMs: 2_000 });
    // 3 % of 2 s at each of: the outer answer, the outer call, the inner answer.
    expect(leftMs).toBeLessThan(2_000 * 0.97 ** 3);
    expect(leftMs).toBeGreaterThan(1_200);
  });

  test('that is used up in front of the lane sends nothing', async () => {
    let calls = 0;
    const server = await aQueryServer(async () => {
      calls += 1;
      return {};
    });
    const slow: Passage = {
      run: async (work, call) => {
        await systemClock.sleep(120);
        return work(call.signal ?? new AbortController().signal);
      },
    };
    const failure = await failureOf(
      aQueryClient(targetOf(server.port)).getPayment({ payment: PAYMENT }, { capMs: 100, passage: slow }),
    );
    expect(failure).toMatchObject({ reason: 'DEADLINE_TOO_SHORT' });
    expect(certainlyNotDone(failure)).toBe(true);
    expect(calls).toBe(0);
  });
});

describe('what a lane hears of an error', () => {
  for (const [error, isSick] of [
    [rpcErrors.paymentUnknown('x'), false],
    [rpcErrors.requestInvalid('x'), false],
    [rpcErrors.merchantOrderNoReused('x'), false],
    [rpcErrors.laneFull('x'), false],
    [rpcErrors.noRoute('x'), false],
    [rpcErrors.versionConflict('x'), false],
    [rpcErrors.deadlineTooShort('x'), false],
    [rpcErrors.repeatSameNumber('x'), false],
    [rpcErrors.notReady('x'), false],
    [rpcErrors.internal('x'), true],
    [rpcErrors.dependencyUnavailable('x'), true],
    [rpcErrors.deadlineReached('x'), true],
  ] as const) {
    test(`${error.reason} is ${isSick ? 'a' : 'no'} sign of a sick neighbour`, async () => {
      const server = await aQueryServer(() => Promise.reject(error), { log: QUIET });
      let heard: boolean | undefined;
      const passage: Passage = {
        run: (work, call) =>
          work(new AbortController().signal).catch((failure: unknown) => {
            heard = call.isSick?.(failure);
            throw failure;
          }),
      };
      const client = createClient(QueryService, {
        target: targetOf(server.port),
        caller: 'test',
        capMs: 5_000,
        passage,
      });
      expect((await failureOf(client.getPayment({ payment: PAYMENT }))).reason).toBe(error.reason);
      client.close();
      expect(heard).toBe(isSick);
    });
  }
});

describe('clients of one service by id', () => {
  test('lead to the process of that id, and to none for an id that nobody configured', async () => {
    const servers = await Promise.all([1, 2].map((version) => aQueryServer(async () => ({ payment: { version } }))));
    const targets = servers.map(({ port }, index) => ({ id: `channel-${index + 1}`, target: targetOf(port) }));
    const clients = createClients(QueryService, targets, { caller: 'test', capMs: 5_000 });
    expect(clients.ids).toEqual(['channel-1', 'channel-2']);
    for (const version of [1, 2]) {
      expect((await clients.find(`channel-${version}`)?.getPayment({ payment: PAYMENT }))?.payment?.version).toBe(
        version,
      );
    }
    expect(clients.find('channel-3')).toBeUndefined();
    clients.close();
  });
});

describe('a call that is repeated persistently', () => {
  const failing = (errors: readonly RpcError[]) => {
    let tries = 0;
    const work = async (): Promise<number> => {
      const error = errors[tries];
      tries += 1;
      if (error !== undefined) throw error;
      return tries;
    };
    return { work, tries: () => tries };
  };
  const away = () => rpcErrors.dependencyUnavailable('away');

  test('is tried again, after pauses that grow, until it is answered', async () => {
    const clock = new ManualClock();
    const { work } = failing([away(), away(), away()]);
    const running = persistently(work, clock);
    await clock.advance(50 + 100 + 199);
    await clock.advance(1);
    expect(await running).toBe(4);
    expect(clock.monotonicMs()).toBe(350);
  });

  test('is given up after six tries', async () => {
    const clock = new ManualClock();
    const { work, tries } = failing(Array.from({ length: 10 }, away));
    const running = failureOf(persistently(work, clock));
    await clock.advance(10_000);
    expect((await running).reason).toBe('DEPENDENCY_UNAVAILABLE');
    expect(tries()).toBe(6);
  });

  test('waits as long as the neighbour asks', async () => {
    const clock = new ManualClock();
    const { work, tries } = failing([rpcErrors.repeatSameNumber('later', { retryAfterMs: 2_000 })]);
    const running = persistently(work, clock);
    await clock.advance(1_999);
    expect(tries()).toBe(1);
    await clock.advance(1);
    expect(await running).toBe(2);
  });

  for (const error of [
    rpcErrors.requestInvalid('x'),
    rpcErrors.paymentState('x'),
    rpcErrors.internal('x'),
    rpcErrors.laneFull('x'),
  ]) {
    test(`is not tried again after ${error.reason}`, async () => {
      const { work, tries } = failing([error]);
      expect((await failureOf(persistently(work, new ManualClock()))).reason).toBe(error.reason);
      expect(tries()).toBe(1);
    });
  }

  test('is not tried again when its call has too little time left', async () => {
    const { work, tries } = failing([away(), away()]);
    await asCall(320, () => failureOf(persistently(work, systemClock)));
    expect(tries()).toBe(1);
  });

  test('is not tried again, and does not wait, once its caller has gone', async () => {
    const { work, tries } = failing(
      Array.from({ length: 10 }, () => rpcErrors.repeatSameNumber('later', { retryAfterMs: 5_000 })),
    );
    const abort = new AbortController();
    const beganMs = systemClock.monotonicMs();
    const running = asCall(30_000, () => persistently(work, systemClock), abort.signal).catch(
      (error: unknown) => error,
    );
    // It rests between two tries when its caller goes.
    await systemClock.sleep(30);
    abort.abort(new Error('gone'));
    expect(await running).toBeInstanceOf(Error);
    expect(systemClock.monotonicMs() - beganMs).toBeLessThan(2_000);
    expect(tries()).toBe(1);
  });
});

describe('an error that certainly did nothing', () => {
  for (const [error, nothingDone] of [
    [rpcErrors.requestInvalid('x'), true],
    [rpcErrors.laneFull('x'), true],
    [rpcErrors.notReady('x'), true],
    [rpcErrors.deadlineTooShort('x'), true],
    [Object.assign(new Error('x'), { name: 'LaneRejected' }), true],
    [rpcErrors.deadlineReached('x'), false],
    [rpcErrors.internal('x'), false],
    [rpcErrors.dependencyUnavailable('x'), false],
    [rpcErrors.repeatSameNumber('x'), false],
    [new RpcError(status.UNAVAILABLE, 'TRANSPORT', 'x'), false],
    [new RpcError(status.CANCELLED, 'TRANSPORT', 'x'), false],
    [new Error('x'), false],
    [undefined, false],
  ] as const) {
    test(`is ${nothingDone ? '' : 'not '}${error instanceof RpcError ? error.reason : String(error?.name)}`, () => {
      expect(certainlyNotDone(error)).toBe(nothingDone);
    });
  }
});
