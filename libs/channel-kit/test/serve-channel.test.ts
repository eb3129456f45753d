import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { systemClock, systemRandom } from '@tillmesh/clock';
import { parseConfig, z } from '@tillmesh/config';
import { money, unknownOutcome } from '@tillmesh/domain';
import { ChannelService, CloseEnd } from '@tillmesh/proto/tillmesh/channel/v1/channel_service_pb.ts';
import { OutcomeKind, SignatureState, Transport } from '@tillmesh/proto/tillmesh/payment/v1/outcome_pb.ts';
import { PaymentKind } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { RefundState } from '@tillmesh/proto/tillmesh/payment/v1/refund_pb.ts';
import { createClient, type RpcError, serve } from '@tillmesh/rpc';
import { createLog, metricsText } from '@tillmesh/telemetry';
import { moneyToWire } from '@tillmesh/wire';
import { afterEach, describe, expect, test } from 'vitest';
import { holdContracts } from '../src/contracts.ts';
import {
  accountSettings,
  attemptReport,
  type CallFacts,
  type Channel,
  type ChannelLanes,
  channelSettings,
  createChannelHttp,
  defineChannel,
  factsOf,
  fixedAccounts,
  refundReport,
  serveChannel,
  unanswered,
} from '../src/index.ts';

const toClose: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const close of toClose.splice(0).reverse()) await close();
});

const LANE = { concurrentMax: 2, queuedMax: 0, queueWaitMsMax: 100, timeoutMs: 2_000, halfOpenAfterMs: 1_000 };
const LANES: ChannelLanes = { pay: LANE, refund: LANE, query: LANE, notify: LANE };
const ANSWERED: CallFacts = { transport: 'answered', signature: 'verified', host: 'h', sends: 1, httpStatus: 200 };

const Account = z.strictObject({ ...accountSettings });
type Account = z.output<typeof Account>;
const ACCOUNT: Account = {
  accountId: 'acme-1',
  baseUrls: ['http://127.0.0.1:1'],
  strictSignatures: false,
  acceptsNotifications: true,
};

const acme = (methods: Partial<Channel<Account>>): Channel<Account> =>
  defineChannel<Account>({
    id: 'acme',
    wallets: ['wechat'],
    kinds: ['payment_code', 'merchant_qr'],
    account: Account,
    lanes: LANES,
    pollPlans: [
      {
        kind: 'payment_code',
        firstAfterMs: 5_000,
        stepMs: 5_000,
        stepMaxMs: 10_000,
        giveUpAfterMs: 45_000,
        endByReverse: true,
        notFoundFinalAfterMs: 120_000,
      },
    ],
    createPayment: async () => attemptReport(ANSWERED, { kind: 'pending_payer' }),
    queryPayment: async () => attemptReport(ANSWERED, { kind: 'processing' }),
    ...methods,
  });

const start = async (
  methods: Partial<Channel<Account>>,
  options: { accounts?: Account[]; lanes?: Partial<ChannelLanes>; sendFloorMs?: number; baseUrl?: string } = {},
) => {
  const http = createChannelHttp({
    channelId: 'acme',
    hosts: options.baseUrl === undefined ? [] : [{ baseUrl: options.baseUrl }],
    limits: {
      connectionsMax: 1,
      waitingMax: 1,
      connectTimeoutMs: 100,
      headersTimeoutMs: 100,
      bodyTimeoutMs: 100,
      keepAliveMs: 100,
      answerBytesMax: 1_000,
    },
    clock: systemClock,
  });
  const log = createLog('test', 'silent');
  const accounts = options.accounts ?? [ACCOUNT];
  const contracts = holdContracts({
    channelId: 'acme',
    accounts,
    redis: undefined,
    clock: systemClock,
    random: systemRandom,
    log,
  });
  const { binding, lanes } = serveChannel({
    channel: acme(methods),
    accounts: fixedAccounts(accounts),
    contractOf: contracts.of,
    lanes: { ...LANES, ...options.lanes },
    sendFloorMs: options.sendFloorMs ?? 50,
    http: () => http,
    clock: systemClock,
    random: systemRandom,
    log,
  });
  const server = await serve({ services: [binding], host: '127.0.0.1', port: 0, log });
  server.setReady(true);
  const client = createClient(ChannelService, { target: `127.0.0.1:${server.port}`, caller: 'test', capMs: 5_000 });
  toClose.push(
    () => server.drain(100),
    () => http.close(),
    () => client.close(),
  );
  return { client, lanes };
};

const order = (more: object = {}) => ({
  accountId: 'acme-1',
  channelOrderNo: '12345678901234567890123456',
  createdAt: timestampFromMs(Date.UTC(2026, 0, 1)),
  kind: PaymentKind.PAYMENT_CODE,
  amount: moneyToWire(money('CNY', 1)),
  ...more,
});
const payment = (more: object = {}) => ({
  order: order(),
  subject: 'tea',
  expireAt: timestampFromMs(Date.UTC(2026, 0, 2)),
  paymentCode: '130000000000000009',
  ...more,
});
const failureOf = async (promise: Promise<unknown>): Promise<RpcError> => {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ name: 'RpcError' });
  return error as RpcError;
};

test('describes what is present, and nothing else', async () => {
  const { client } = await start({
    closePayment: async () => ({ end: 'closed', repeat: false, seen: attemptReport(ANSWERED, unknownOutcome('')) }),
  });
  const described = await client.describeChannel({});
  expect(described).toMatchObject({ channelId: 'acme', accountIds: ['acme-1'] });
  expect(described.operations).toEqual(['CreatePayment', 'QueryPayment', 'ClosePayment']);
  expect(described.pollPlans[0]).toMatchObject({ firstAfter: { seconds: 5n }, notFoundFinalAfter: { seconds: 120n } });
});

test('an operation that is left out and a kind that is not offered are OPERATION_NOT_SUPPORTED', async () => {
  const { client } = await start({});
  const expected = { reason: 'OPERATION_NOT_SUPPORTED' };
  expect(await failureOf(client.reversePayment({ order: order() }))).toMatchObject(expected);
  expect(await failureOf(client.createPayment(payment({ order: order({ kind: PaymentKind.CARD }) })))).toMatchObject(
    expected,
  );
  expect(await failureOf(client.parseNotification({ accountId: 'acme-1' }))).toMatchObject(expected);
});

test('an account that is not loaded is ACCOUNT_UNKNOWN', async () => {
  const { client } = await start({});
  expect(await failureOf(client.queryPayment({ order: order({ accountId: 'other' }) }))).toMatchObject({
    reason: 'ACCOUNT_UNKNOWN',
    metadata: { account_id: 'other' },
  });
});

test('notifications for an account that does not accept them are not read', async () => {
  const refuse = { status: 500, contentType: 'text/plain', body: Buffer.alloc(0) };
  const parseNotification = () => ({ kind: 'refused', refusal: 'unreadable', answerRetry: refuse }) as const;
  const { client } = await start({ parseNotification }, { accounts: [{ ...ACCOUNT, acceptsNotifications: false }] });
  expect(await failureOf(client.parseNotification({ accountId: 'acme-1' }))).toMatchObject({
    reason: 'OPERATION_NOT_SUPPORTED',
  });
});

test('a payment with too little time left is not sent, and says so as a result', async () => {
  let sent = 0;
  const createPayment = async () => {
    sent += 1;
    return attemptReport(ANSWERED, { kind: 'pending_payer' });
  };
  const { client } = await start({ createPayment }, { sendFloorMs: 1_000 });
  const { result } = await client.createPayment(payment(), { capMs: 800 });
  expect(result).toMatchObject({ outcome: OutcomeKind.FAILED_DEFINITE, transport: Transport.NOT_SENT, sends: 0 });
  expect(sent).toBe(0);
});

test('a payment is not sent with less time left than payments usually take, whatever the floor is', async () => {
  let sent = 0;
  const createPayment = async () => {
    sent += 1;
    await systemClock.sleep(200);
    return attemptReport(ANSWERED, { kind: 'pending_payer' });
  };
  const { client } = await start({ createPayment }, { sendFloorMs: 20 });
  const pay = (capMs: number) => client.createPayment(payment(), { capMs });
  // Before anything is known the floor alone counts.
  await pay(120).catch(() => undefined);
  expect(sent).toBe(1);
  for (let round = 0; round < 12; round += 1) await Promise.all([pay(3_000), pay(3_000)]);
  const before = sent;
  expect((await pay(150)).result).toMatchObject({ transport: Transport.NOT_SENT, channelMessage: 'no_time_left' });
  expect(sent).toBe(before);
  expect((await pay(1_000)).result).toMatchObject({ transport: Transport.ANSWERED });
});

test('a refund with too little time left is unknown and not sent: it may be sent again', async () => {
  const { client } = await start(
    { createRefund: async () => refundReport(ANSWERED, 'succeeded') },
    { sendFloorMs: 1_000 },
  );
  const refund = { order: order(), refundNo: '1234567890', amount: moneyToWire(money('CNY', 1)) };
  expect((await client.createRefund(refund, { capMs: 800 })).result).toMatchObject({
    state: RefundState.UNKNOWN,
    transport: Transport.NOT_SENT,
  });
});

test('an adapter that does not come back is unknown and maybe sent, before its caller gives up', async () => {
  const createPayment: Channel<Account>['createPayment'] = (_request, call) =>
    new Promise((resolve) => {
      call.signal.addEventListener('abort', () =>
        resolve(
          attemptReport({ ...ANSWERED, transport: 'maybe_sent', signature: undefined }, unknownOutcome('aborted')),
        ),
      );
    });
  const { client } = await start({ createPayment });
  const { result } = await client.createPayment(payment(), { capMs: 700 });
  expect(result).toMatchObject({ outcome: OutcomeKind.UNKNOWN, transport: Transport.MAYBE_SENT });
});

test('an adapter that ignores its signal is unknown and maybe sent', async () => {
  const over = Promise.withResolvers<void>();
  toClose.push(() => over.resolve());
  const createPayment = async () => {
    await over.promise;
    return attemptReport(ANSWERED, { kind: 'pending_payer' });
  };
  const { client } = await start({ createPayment }, { lanes: { pay: { ...LANE, timeoutMs: 200 } } });
  const { result } = await client.createPayment(payment());
  expect(result).toMatchObject({ outcome: OutcomeKind.UNKNOWN, transport: Transport.MAYBE_SENT });
});

test('a full pay lane is not sent; queries go on in their own', async () => {
  const over = Promise.withResolvers<void>();
  toClose.push(() => over.resolve());
  const arrived = Promise.withResolvers<void>();
  const createPayment = async () => {
    arrived.resolve();
    await over.promise;
    return attemptReport(ANSWERED, { kind: 'pending_payer' });
  };
  const { client, lanes } = await start({ createPayment }, { lanes: { pay: { ...LANE, concurrentMax: 1 } } });
  const first = client.createPayment(payment());
  await arrived.promise;
  expect((await client.createPayment(payment())).result).toMatchObject({
    outcome: OutcomeKind.FAILED_DEFINITE,
    transport: Transport.NOT_SENT,
  });
  expect((await client.queryPayment({ order: order() })).result?.outcome).toBe(OutcomeKind.PROCESSING);
  expect([lanes.pay.reading(), lanes.query.reading()]).toMatchObject([{ inFlight: 1 }, { succeeded: 1 }]);
  over.resolve();
  await first;
});

test('a full query lane is LANE_FULL with a delay, not a statement about the payment', async () => {
  const over = Promise.withResolvers<void>();
  toClose.push(() => over.resolve());
  const arrived = Promise.withResolvers<void>();
  const queryPayment = async () => {
    arrived.resolve();
    await over.promise;
    return attemptReport(ANSWERED, { kind: 'processing' });
  };
  const { client } = await start({ queryPayment }, { lanes: { query: { ...LANE, concurrentMax: 1 } } });
  const first = client.queryPayment({ order: order() });
  await arrived.promise;
  const failure = await failureOf(client.queryPayment({ order: order() }));
  expect(failure).toMatchObject({ reason: 'LANE_FULL', metadata: { lane: 'channel-acme.query' } });
  expect(failure.retryAfterMs).toBeGreaterThan(0);
  over.resolve();
  await first;
});

describe('an account with a contract', () => {
  // Without Redis a process has its equal part as soon as calls of one before it are over.
  const contract = { replicasMax: 1, callMsMax: 1, leaseMs: 1_000 };
  const noWait = { ...LANE, concurrentMax: 64, queueWaitMsMax: 0 };
  const lanes = { pay: noWait, query: noWait };
  /** Sends more than once, as a reverse does that looks first, and reports the last one. */
  const sendsMore = (baseUrl: string, requests: number): Channel<Account>['queryPayment'] => {
    const send = async ({ http, signal }: Parameters<Channel<Account>['queryPayment']>[1]) =>
      http.send({ baseUrl, method: 'GET', path: '/', pathTemplate: '/', headers: {}, signal });
    return async (_order, call) => {
      for (let request = 1; request < requests; request += 1) await send(call);
      const last = await send(call);
      return unanswered(factsOf(last, undefined), last.kind === 'answered' ? '' : last.cause);
    };
  };
  const startBank = async () => {
    const server = createServer((_request, response) => response.end('ok'));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    toClose.push(() => {
      server.closeAllConnections();
      server.close();
    });
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  };

  test('that has no place left refuses payments as not sent, and questions with a delay', async () => {
    const over = Promise.withResolvers<void>();
    toClose.push(() => over.resolve());
    const arrived = Promise.withResolvers<void>();
    const createPayment = async () => {
      arrived.resolve();
      await over.promise;
      return attemptReport(ANSWERED, { kind: 'pending_payer' });
    };
    const accounts = [{ ...ACCOUNT, agreed: { ...contract, concurrencyMax: 1 } }];
    const { client } = await start({ createPayment }, { accounts, lanes });
    const first = client.createPayment(payment());
    await arrived.promise;
    expect((await client.createPayment(payment())).result).toMatchObject({
      outcome: OutcomeKind.FAILED_DEFINITE,
      transport: Transport.NOT_SENT,
      channelMessage: 'contract_full',
    });
    expect(await failureOf(client.queryPayment({ order: order() }))).toMatchObject({
      reason: 'LANE_FULL',
      metadata: { cause: 'contract_full' },
      retryAfterMs: 200,
    });
    over.resolve();
    await first;
    expect((await client.queryPayment({ order: order() })).result?.outcome).toBe(OutcomeKind.PROCESSING);
  });

  test('that has used up its rate refuses with a reason of its own and the time until there is more', async () => {
    // The first request in ten seconds at the earliest: nothing is saved up at the start.
    const accounts = [{ ...ACCOUNT, agreed: { ...contract, perSecond: 0.1, burst: 2 } }];
    const { client } = await start({}, { accounts, lanes });
    expect((await client.createPayment(payment())).result).toMatchObject({
      outcome: OutcomeKind.FAILED_DEFINITE,
      transport: Transport.NOT_SENT,
      channelMessage: 'contract_rate',
    });
    const failure = await failureOf(client.queryPayment({ order: order() }));
    expect(failure).toMatchObject({ reason: 'LANE_FULL', metadata: { cause: 'contract_rate' } });
    expect(failure.retryAfterMs).toBeGreaterThan(9_000);
    expect(failure.retryAfterMs).toBeLessThan(10_400);
  });

  test('holds back the further requests of a call too, which says nothing of the channel', async () => {
    const baseUrl = await startBank();
    const accounts = [{ ...ACCOUNT, agreed: { ...contract, perSecond: 10, burst: 2 } }];
    const query = { ...LANE, concurrentMax: 64, queuedMax: 64, queueWaitMsMax: 10 };
    const { client, lanes: opened } = await start(
      { queryPayment: sendsMore(baseUrl, 4) },
      { accounts, lanes: { query }, baseUrl },
    );
    // As many as would open the lane if they counted.
    let heldBack = 0;
    for (let call = 0; call < 2_000 && heldBack < 12; call += 1) {
      const { result } = await client.queryPayment({ order: order() }).catch(() => ({ result: undefined }));
      if (result?.channelMessage === 'contract_rate') heldBack += 1;
    }
    expect(heldBack).toBe(12);
    expect(opened.query.health.breaker).toBe('closed');
  });

  test('lets the second request of a call wait for its turn', async () => {
    const baseUrl = await startBank();
    const accounts = [{ ...ACCOUNT, agreed: { ...contract, perSecond: 50, burst: 2 } }];
    const query = { ...LANE, concurrentMax: 64, queuedMax: 64, queueWaitMsMax: 2_000 };
    const { client } = await start({ queryPayment: sendsMore(baseUrl, 2) }, { accounts, lanes: { query }, baseUrl });
    const results = await Promise.all(Array.from({ length: 10 }, () => client.queryPayment({ order: order() })));
    expect(results.map(({ result }) => result?.transport)).toEqual(Array(10).fill(Transport.ANSWERED));
  });
});

test('declines do not open the lane; lost answers do, and then nothing is sent', async () => {
  let report = attemptReport({ ...ANSWERED, httpStatus: 403 }, unknownOutcome('declined'));
  let calls = 0;
  const createPayment = async () => {
    calls += 1;
    return report;
  };
  const { client } = await start({ createPayment });
  for (let call = 0; call < 15; call += 1) await client.createPayment(payment());
  expect(calls).toBe(15);
  report = attemptReport({ ...ANSWERED, transport: 'maybe_sent', signature: undefined }, unknownOutcome('lost'));
  for (let call = 0; call < 30; call += 1) await client.createPayment(payment());
  expect(calls).toBeLessThan(40);
  expect((await client.createPayment(payment())).result).toMatchObject({ transport: Transport.NOT_SENT });
});

test('what the channel repeats of the payment code does not leave the adapter', async () => {
  const code = '130000000000000009';
  const createPayment = async () =>
    attemptReport(ANSWERED, unknownOutcome(`bad ${code}`), { channelMessage: `auth code ${code} is bad\n` });
  const { client } = await start({ createPayment });
  const { result } = await client.createPayment(payment());
  expect(
    JSON.stringify(result, (_key, value: unknown) => (typeof value === 'bigint' ? String(value) : value)),
  ).not.toContain(code);
  expect(result?.channelMessage).toBe('auth code [secret] is bad ');
});

test('a payment code that is missing is named', async () => {
  const { client } = await start({});
  expect(await failureOf(client.createPayment(payment({ paymentCode: '' })))).toMatchObject({
    reason: 'REQUEST_INVALID',
    violations: [{ field: 'payment_code' }],
  });
});

test('a close that could not be sent is undecided and asks for a repeat', async () => {
  const closePayment = async () =>
    ({ end: 'closed', repeat: false, seen: attemptReport(ANSWERED, unknownOutcome('')) }) as const;
  const { client } = await start({ closePayment }, { sendFloorMs: 1_000 });
  expect((await client.closePayment({ order: order() }, { capMs: 800 })).result).toMatchObject({
    end: CloseEnd.UNDECIDED,
    repeat: true,
    seen: { transport: Transport.NOT_SENT, outcome: OutcomeKind.UNKNOWN },
  });
  expect((await client.closePayment({ order: order() })).result?.end).toBe(CloseEnd.CLOSED);
});

test('counts calls by outcome and row, never by the words of the channel', async () => {
  const createPayment = async () =>
    attemptReport({ ...ANSWERED, signature: 'invalid' }, unknownOutcome('x'), { channelCode: 'SOMETHING <NEW>' });
  const { client } = await start({ createPayment });
  expect((await client.createPayment(payment())).result?.signature).toBe(SignatureState.INVALID);
  const metrics = await metricsText();
  expect(metrics).toContain(
    'tillmesh_channel_calls_total{channel="acme",operation="CreatePayment",outcome="unknown",code="unlisted"}',
  );
  expect(metrics).not.toContain('SOMETHING');
});

test('a contract that cannot work is refused by name, with what has to change', () => {
  const account = { accountId: 'acme-1', baseUrls: ['http://x'] };
  const parse = (agreed: object) =>
    parseConfig(channelSettings(acme({})), { server: { port: 1 }, accounts: [{ ...account, agreed }] }, 'test');
  expect(() => parse({ replicasMax: 4, perSecond: 33, burst: 3 })).toThrow(
    /accounts\.0\.agreed: burst has to be at least 7 for 4 replicas/,
  );
  expect(parse({ replicasMax: 4, perSecond: 33, burst: 7 }).accounts[0]?.agreed).toMatchObject({ callMsMax: 40_000 });
});

test('a configuration with two accounts of one name and a wrong address names both problems', () => {
  const account = { accountId: 'acme-1', baseUrls: ['ftp://x'] };
  expect(() =>
    parseConfig(
      channelSettings(acme({})),
      { server: { port: 1 }, accounts: [account, { ...account, baseUrls: ['http://x/'] }] },
      'test',
    ),
  ).toThrow(/accounts\.0\.baseUrls\.0[\s\S]*accounts\.1\.baseUrls\.0/);
  expect(() =>
    parseConfig(
      channelSettings(acme({})),
      {
        server: { port: 1 },
        accounts: [
          { ...account, baseUrls: ['http://x'] },
          { ...account, baseUrls: ['http://x'] },
        ],
      },
      'test',
    ),
  ).toThrow('accounts.1.accountId: acme-1 stands twice');
});
