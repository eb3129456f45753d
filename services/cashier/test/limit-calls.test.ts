import { create } from '@bufbuild/protobuf';
import { ManualClock } from '@tillmesh/clock';
import { CashierService } from '@tillmesh/proto/tillmesh/cashier/v1/cashier_service_pb.ts';
import {
  CreateOneCodeRequestSchema,
  GetOneCodeRequestSchema,
} from '@tillmesh/proto/tillmesh/onecode/v1/one_code_service_pb.ts';
import { createRateLimiter } from '@tillmesh/rate-limits';
import { bind, type CallContext, Code, createClient, type Implementation, type RpcError, serve } from '@tillmesh/rpc';
import { createLog } from '@tillmesh/telemetry';
import { expect, onTestFinished, test } from 'vitest';
import { limitCalls, limitOneCodes } from '../src/limit-calls.ts';
import { RateLimits } from '../src/rate-limits-config.ts';
import { codePayment, failureOf } from './cashier-under-test.ts';

/** A cashier that counts what reaches it, behind limits without Redis. */
const aCashier = async (first: object) => {
  let limits = RateLimits.parse({ processes: 1, ...first });
  const clock = new ManualClock();
  const reached: string[] = [];
  const note = (name: string) => async (): Promise<object> => {
    reached.push(name);
    return {};
  };
  const counting: Implementation<typeof CashierService> = {
    createPayment: note('createPayment'),
    continuePayment: note('continuePayment'),
    closePayment: note('closePayment'),
    createRefund: note('createRefund'),
    getPayment: note('getPayment'),
    getRefund: note('getRefund'),
    // oxlint-disable-next-line require-yield -- Nobody watches here.
    watchPayment: async function* () {
      reached.push('watchPayment');
    },
  };
  const limiter = createRateLimiter({ redis: undefined, processes: () => limits.processes, clock });
  const services = [
    bind(
      CashierService,
      limitCalls(counting, limiter, () => limits),
    ),
  ];
  const server = await serve({ services, host: '127.0.0.1', port: 0, log: createLog('test', 'silent') });
  server.setReady(true);
  onTestFinished(() => server.drain(100));
  const clientOf = (caller: string) => {
    const client = createClient(CashierService, { target: `127.0.0.1:${server.port}`, caller, capMs: 5_000 });
    onTestFinished(() => client.close());
    return client;
  };
  const set = (more: object): void => {
    limits = RateLimits.parse({ processes: 1, ...more });
  };
  return { clock, reached, clientOf, set };
};

const ONE = { perSecond: 10, burst: 1 };

test('a merchant above its limit is refused with the time to come again, and another one is not', async () => {
  const { clock, reached, clientOf } = await aCashier({
    merchant: ONE,
    merchants: { big: { perSecond: 10, burst: 3 } },
  });
  const till = clientOf('till');
  await till.createPayment(codePayment({ merchantId: 'shop' }));
  const failure: RpcError = await failureOf(till.createPayment(codePayment({ merchantId: 'shop' })));
  expect(failure).toMatchObject({
    code: Code.RESOURCE_EXHAUSTED,
    reason: 'RATE_LIMITED',
    retryAfterMs: 100,
    metadata: { limited: 'merchant', per_second: '10', burst: '1' },
  });
  await till.createPayment(codePayment({ merchantId: 'market' }));
  await till.createPayment(codePayment({ merchantId: 'constructor' }));
  expect((await failureOf(till.createPayment(codePayment({ merchantId: 'constructor' })))).reason).toBe('RATE_LIMITED');
  for (let call = 0; call < 3; call += 1) await till.createPayment(codePayment({ merchantId: 'big' }));
  expect((await failureOf(till.createPayment(codePayment({ merchantId: 'big' })))).reason).toBe('RATE_LIMITED');
  expect(reached).toHaveLength(6);
  // The same payment, when it was told to come again.
  await clock.advance(100);
  await till.createPayment(codePayment({ merchantId: 'shop' }));
  expect(reached).toHaveLength(7);
});

test('a terminal, a calling service and questions have limits of their own', async () => {
  const { clientOf, set } = await aCashier({ terminal: ONE });
  const [till, other] = [clientOf('till'), clientOf('other')];
  await till.createPayment(codePayment({ terminalId: 't1' }));
  expect((await failureOf(till.createPayment(codePayment({ terminalId: 't1' })))).metadata).toMatchObject({
    limited: 'terminal',
  });
  await till.createPayment(codePayment({ terminalId: 't2' }));
  set({ source: ONE, reads: { perSecond: 10, burst: 2 } });
  await till.createPayment(codePayment());
  expect((await failureOf(till.createPayment(codePayment()))).metadata).toMatchObject({ limited: 'source' });
  await other.createPayment(codePayment());
  const question = {
    payment: { ref: { case: 'merchantOrder', value: { merchantId: 'shop', merchantOrderNo: 'n-1' } } },
  } as const;
  await till.getPayment(question);
  await till.getPayment(question);
  expect((await failureOf(till.getPayment(question))).metadata).toMatchObject({ limited: 'reads' });
});

test('without limits nobody is refused, and one that is set holds from the next call on', async () => {
  const { clientOf, set, reached } = await aCashier({});
  const till = clientOf('till');
  for (let call = 0; call < 20; call += 1) await till.createPayment(codePayment());
  set({ merchant: ONE });
  await till.createPayment(codePayment());
  expect((await failureOf(till.createPayment(codePayment()))).reason).toBe('RATE_LIMITED');
  expect(reached).toHaveLength(21);
});

test('nonsense is refused by name', () => {
  const wrong = [
    { merchant: { perSecond: 0, burst: 1 } },
    { merchant: { perSecond: 1, burst: 0 } },
    { merchant: { perSecond: -1, burst: 1 } },
    { merchants: { 'no merchant': ONE } },
    { merchnat: ONE },
    { processes: 0 },
  ];
  for (const limits of wrong) expect(RateLimits.safeParse(limits).success, JSON.stringify(limits)).toBe(false);
});

test('codes of one address are made within the limits of their merchant; what browsers ask is not limited here', async () => {
  const clock = new ManualClock();
  const limits = RateLimits.parse({ processes: 1, merchant: ONE });
  const limiter = createRateLimiter({ redis: undefined, processes: () => 1, clock });
  const reached: string[] = [];
  const note = (name: string) => async (): Promise<object> => {
    reached.push(name);
    return {};
  };
  const oneCodes = limitOneCodes(
    {
      createOneCode: note('createOneCode'),
      getOneCode: note('getOneCode'),
      beginOneCode: note('beginOneCode'),
      payOneCode: note('payOneCode'),
    },
    limiter,
    () => limits,
  );
  const call = { caller: 'till' } as CallContext;
  const request = create(CreateOneCodeRequestSchema, { merchantId: 'cafe' });
  await oneCodes.createOneCode(request, call);
  await expect(oneCodes.createOneCode(request, call)).rejects.toMatchObject({
    reason: 'RATE_LIMITED',
    retryAfterMs: 100,
  });
  await oneCodes.createOneCode(create(CreateOneCodeRequestSchema, { merchantId: 'books' }), call);
  for (let times = 0; times < 5; times += 1) await oneCodes.getOneCode(create(GetOneCodeRequestSchema, {}), call);
  expect(reached).toEqual(['createOneCode', 'createOneCode', ...Array.from({ length: 5 }, () => 'getOneCode')]);
});
