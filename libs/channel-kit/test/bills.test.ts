import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { gzipSync } from 'node:zlib';
import { systemClock, systemRandom } from '@tillmesh/clock';
import { z } from '@tillmesh/config';
import {
  BillKind,
  ChannelService,
  type BillLine as WireLine,
} from '@tillmesh/proto/tillmesh/channel/v1/channel_service_pb.ts';
import { createClient, serve } from '@tillmesh/rpc';
import { createLog, metricsText } from '@tillmesh/telemetry';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import {
  accountSettings,
  BILL_LIMITS,
  type BillLine,
  type BillReport,
  BillTotals,
  BrokenBill,
  billDayOf,
  type Channel,
  type ChannelBills,
  createChannelHttp,
  defineChannel,
  fixedAccounts,
  openBillSpool,
  parseBillAmount,
  plainBytesOf,
  RepeatedLines,
  roundedCents,
  serveChannel,
  sha1Of,
  textLinesOf,
  unanswered,
  wholeCents,
} from '../src/index.ts';

const toClose: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const close of toClose.splice(0).reverse()) await close();
});

const newFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'tillmesh-bills-'));
  toClose.push(() => rmSync(folder, { recursive: true }));
  return folder;
};

const FACTS = { transport: 'answered', signature: 'verified', host: 'h', sends: 1, httpStatus: 200 } as const;
const FETCHED: BillReport = { kind: 'fetched', facts: FACTS, digestChecked: true, channelCode: '', channelMessage: '' };
const LANE = { concurrentMax: 2, queuedMax: 0, queueWaitMsMax: 0, timeoutMs: 5_000, halfOpenAfterMs: 1_000 };
const Account = z.strictObject({ ...accountSettings });
type Account = z.output<typeof Account>;
const ACCOUNT: Account = {
  accountId: 'acme-1',
  baseUrls: ['http://127.0.0.1:1'],
  strictSignatures: false,
  acceptsNotifications: true,
};

/** A bill of lines `number,fen`. */
const readNumbers: ChannelBills<Account>['read'] = async function* (_request, spool, limits) {
  for await (const batch of textLinesOf(plainBytesOf(spool.path, limits.plainBytesMax), 'utf-8', limits)) {
    yield batch.map(({ number, text }): BillLine => {
      const [no = '', fen = ''] = text.split(',');
      if (!/^[0-9]+$/.test(fen)) throw new BrokenBill('bad_line', 'no amount', number);
      return {
        lineNumber: number,
        kind: 'payment',
        channelOrderNo: no,
        refundNo: '',
        channelTransactionId: '',
        channelRefundId: '',
        amount: BigInt(fen),
        currency: 'CNY',
        fee: 0n,
        feeCurrency: 'CNY',
        happenedAtMs: 0,
        state: 'succeeded',
        channelState: 'SUCCESS',
        repeated: false,
      };
    });
  }
  return { totalsChecked: false };
};

const start = async (
  bills: Partial<ChannelBills<Account>> | undefined,
  more: { folder?: string; rawBytesMax?: number } = {},
) => {
  const channel: Channel<Account> = defineChannel<Account>({
    id: 'acme',
    wallets: ['wechat'],
    kinds: ['payment_code'],
    account: Account,
    lanes: { pay: LANE, refund: LANE, query: LANE, notify: LANE, bill: LANE },
    pollPlans: [],
    createPayment: async () => unanswered(FACTS, ''),
    queryPayment: async () => unanswered(FACTS, ''),
    ...(bills === undefined
      ? {}
      : {
          bills: {
            kinds: ['trade'],
            dayAheadOfUtcMs: 8 * 3_600_000,
            readyAfterMs: 3_600_000,
            fetch: async () => FETCHED,
            read: readNumbers,
            ...bills,
          },
        }),
  });
  const folder = more.folder ?? newFolder();
  const log = createLog('test', 'silent');
  const limits = {
    connectionsMax: 4,
    waitingMax: 4,
    connectTimeoutMs: 1_000,
    headersTimeoutMs: 2_000,
    bodyTimeoutMs: 2_000,
    keepAliveMs: 1_000,
    answerBytesMax: 1_024,
  };
  const http = createChannelHttp({ channelId: 'acme', hosts: [], limits, clock: systemClock });
  const { binding } = serveChannel({
    channel,
    accounts: fixedAccounts([ACCOUNT]),
    lanes: channel.lanes,
    sendFloorMs: 0,
    bills: { ...BILL_LIMITS, rawBytesMax: more.rawBytesMax ?? BILL_LIMITS.rawBytesMax, folder },
    http: () => http,
    clock: systemClock,
    random: systemRandom,
    log,
  });
  const server = await serve({ services: [binding], host: '127.0.0.1', port: 0, log });
  server.setReady(true);
  const client = createClient(ChannelService, { target: `127.0.0.1:${server.port}`, caller: 'test', capMs: 5_000 });
  toClose.push(async () => {
    client.close();
    await server.drain(100);
    await http.close();
  });
  const fetchBill = async (day = '2026-11-22', kind: BillKind = BillKind.TRADE) => {
    const lines: WireLine[] = [];
    let end: unknown;
    for await (const { part } of client.fetchBill({ accountId: 'acme-1', day, kind }, { capMs: 60_000 })) {
      expect(end).toBeUndefined();
      if (part.case === 'lines') lines.push(...part.value.lines);
      else end = part.value;
    }
    return { lines, end };
  };
  return { client, fetchBill, folder };
};

describe('a bill over gRPC', () => {
  test('comes line by line, and its last message says that it was whole', async () => {
    const { fetchBill, folder, client } = await start({
      fetch: async (_request, spool) => {
        await spool.append(Buffer.from('A,5\nB,7\n'));
        return FETCHED;
      },
    });
    const { lines, end } = await fetchBill();
    expect(lines.map((line) => [line.channelOrderNo, line.amountMinorUnits, line.lineNumber])).toEqual([
      ['A', 5n, 1n],
      ['B', 7n, 2n],
    ]);
    expect(end).toMatchObject({
      lines: 2n,
      repeatedLines: 0n,
      rawBytes: 8n,
      digestChecked: true,
      totalsChecked: false,
    });
    expect(readdirSync(folder)).toEqual([]);
    const { billPlans, operations } = await client.describeChannel({});
    expect(operations).toContain('FetchBill');
    expect(billPlans).toMatchObject([
      { kind: BillKind.TRADE, dayAheadOfUtc: { seconds: 28_800n }, readyAfter: { seconds: 3_600n } },
    ]);
  });

  test('that breaks after a thousand lines has no end, names its flaw and its line, and is counted', async () => {
    const { fetchBill, folder } = await start({
      fetch: async (_request, spool) => {
        await spool.append(Buffer.from(`${'A,5\n'.repeat(40_000)}B\n`));
        return FETCHED;
      },
    });
    await expect(fetchBill()).rejects.toMatchObject({
      reason: 'BILL_BROKEN',
      metadata: { flaw: 'bad_line', line: '40001' },
    });
    expect(readdirSync(folder)).toEqual([]);
    expect(await metricsText()).toMatch(/tillmesh_channel_bills_total\{[^}]*end="bad_line"[^}]*\} 1/);
  });

  const told = (kind: Exclude<BillReport['kind'], 'fetched'>): BillReport => ({
    kind,
    facts: FACTS,
    channelCode: 'WHY',
    channelMessage: '',
  });
  const soon = new Date(systemClock.nowMs() + 8 * 3_600_000).toISOString().slice(0, 10);
  for (const [kind, day, reason] of [
    ['not_ready', '2026-01-02', 'BILL_NOT_READY'],
    ['no_bill', '2026-01-02', 'BILL_ABSENT'],
    ['no_bill', soon, 'BILL_NOT_READY'],
    ['rejected', '2026-01-02', 'BILL_REFUSED'],
    ['unknown', '2026-01-02', 'DEPENDENCY_UNAVAILABLE'],
  ] as const) {
    test(`of a channel that says ${kind} ${day === soon ? 'before it is due' : 'when it is due'} is ${reason}`, async () => {
      const { fetchBill } = await start({ fetch: async () => told(kind) });
      const error = await fetchBill(day).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ reason, metadata: { channel_code: 'WHY' } });
      const waits = reason === 'BILL_NOT_READY' || reason === 'DEPENDENCY_UNAVAILABLE';
      expect(error).toHaveProperty('retryAfterMs', waits ? expect.any(Number) : undefined);
    });
  }

  test('of a day that there is not, a kind or a channel without bills, or an account that is unknown is refused', async () => {
    const { fetchBill, client } = await start({});
    await expect(fetchBill('2026-02-29')).rejects.toMatchObject({ reason: 'REQUEST_INVALID' });
    await expect(fetchBill('2026-02-28', BillKind.FUND_FLOW)).rejects.toMatchObject({
      reason: 'OPERATION_NOT_SUPPORTED',
    });
    const other = client
      .fetchBill({ accountId: 'nobody', day: '2026-02-28', kind: BillKind.TRADE })
      [Symbol.asyncIterator]()
      .next();
    await expect(other).rejects.toMatchObject({ reason: 'ACCOUNT_UNKNOWN' });
    const none = await start(undefined);
    await expect(none.fetchBill()).rejects.toMatchObject({ reason: 'OPERATION_NOT_SUPPORTED' });
  });

  test('that is too large is given up, and so are more at once than the lane has places', async () => {
    const { fetchBill } = await start(
      {
        fetch: async (_request, spool) => {
          await systemClock.sleep(300);
          await spool.append(Buffer.alloc(2_000));
          return FETCHED;
        },
      },
      { rawBytesMax: 1_999 },
    );
    const reasons = await Promise.all(
      Array.from({ length: 4 }, () => fetchBill().catch((error: unknown) => (error as { reason?: string }).reason)),
    );
    expect(reasons.filter((reason) => reason === 'BILL_BROKEN')).toHaveLength(2);
    expect(reasons.filter((reason) => reason === 'LANE_FULL')).toHaveLength(2);
  });

  test('of 200,000 lines is read only as fast as it is taken, and takes no more memory than one of 20,000', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const bill = async (count: number) => {
      let read = 0;
      const { client } = await start({
        fetch: async (_request, spool) => {
          for (let at = 0; at < count; at += 1_000) {
            const lines = Array.from({ length: 1_000 }, (_, no) => `order-number-${at + no},5\n`);
            await spool.append(Buffer.from(lines.join('')));
          }
          return FETCHED;
        },
        read: async function* (...asked) {
          const reader = readNumbers(...asked);
          for (;;) {
            const step = await reader.next();
            if (step.done === true) return step.value;
            read += step.value.length;
            yield step.value;
          }
        },
      });
      let lines = 0;
      let aheadMost = 0;
      let heapMost = 0;
      const stream = client.fetchBill(
        { accountId: 'acme-1', day: '2026-11-22', kind: BillKind.TRADE },
        { capMs: 60_000 },
      );
      for await (const { part } of stream) {
        if (part.case !== 'lines') continue;
        expect(part.value.lines.length).toBeLessThanOrEqual(500);
        lines += part.value.lines.length;
        // Whoever reads has the time to run ahead.
        if (lines % 10_000 === 0) await systemClock.sleep(20);
        aheadMost = Math.max(aheadMost, read - lines);
        if (lines % 20_000 === 0) {
          collect();
          heapMost = Math.max(heapMost, process.memoryUsage().heapUsed);
        }
      }
      return { lines, heapMost, aheadMost };
    };
    const small = await bill(20_000);
    const large = await bill(200_000);
    expect(large.lines).toBe(200_000);
    expect(small.heapMost).toBeGreaterThan(0);
    expect(large.aheadMost).toBeLessThan(20_000);
    // All of it at once takes more than 100 MB.
    expect(large.heapMost - small.heapMost).toBeLessThan(20_000_000);
  }, 60_000);
});

describe('an answer that goes into a spool', () => {
  const startPeer = async (answer: { status: number; body: Buffer; slow?: boolean; cut?: boolean }) => {
    const server = createServer((_request, response) => {
      response.writeHead(answer.status, {
        'content-length': String(answer.body.length + (answer.cut === true ? 1 : 0)),
      });
      response.write(answer.body, () => (answer.cut === true ? response.socket?.destroy() : response.end()));
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const limits = {
      connectionsMax: 4,
      waitingMax: 4,
      connectTimeoutMs: 1_000,
      headersTimeoutMs: 2_000,
      bodyTimeoutMs: 2_000,
      keepAliveMs: 1_000,
      answerBytesMax: 1_024,
    };
    const http = createChannelHttp({ channelId: 'acme', hosts: [{ baseUrl }], limits, clock: systemClock });
    toClose.push(async () => {
      await http.close();
      server.closeAllConnections();
      server.close();
    });
    return (spool: ReturnType<typeof openBillSpool>) =>
      http.send({
        baseUrl,
        method: 'GET',
        path: '/',
        pathTemplate: '/',
        headers: {},
        sink: spool.sink,
        signal: new AbortController().signal,
      });
  };
  const large = Buffer.alloc(5_000_000, 'a bill of some megabytes ');

  test('is there to the byte, far beyond what an answer may have', async () => {
    const get = await startPeer({ status: 200, body: large });
    const spool = openBillSpool(newFolder(), 10_000_000);
    expect(await get(spool)).toMatchObject({ kind: 'answered', status: 200, body: Buffer.alloc(0) });
    await spool.complete();
    expect(spool.bytes).toBe(large.length);
    expect(await sha1Of(spool.read())).toBe(await sha1Of(plainBytesOf(spool.path, 10_000_000)));
    await spool.remove();
  });

  test('is given up beyond the limit, when it is cut, and when the disk cannot take it', async () => {
    const spool = openBillSpool(newFolder(), 1_000_000);
    expect(await (await startPeer({ status: 200, body: large }))(spool)).toMatchObject({
      kind: 'maybe_sent',
      cause: 'answer_too_large',
    });
    await spool.remove();
    const cut = openBillSpool(newFolder(), 10_000_000);
    expect(await (await startPeer({ status: 200, body: large, cut: true }))(cut)).toMatchObject({ kind: 'maybe_sent' });
    await cut.remove();
    const nowhere = openBillSpool(join(newFolder(), 'not-there'), 10_000_000);
    expect(await (await startPeer({ status: 200, body: large }))(nowhere)).toMatchObject({ cause: 'sink_failed' });
    await nowhere.remove();
  });

  test('stays in the answer where the channel refuses', async () => {
    const get = await startPeer({ status: 400, body: Buffer.from('{"code":"NO_STATEMENT_EXIST"}') });
    const spool = openBillSpool(newFolder(), 1_000);
    const answer = await get(spool);
    expect(answer.kind === 'answered' ? answer.body.toString() : '').toContain('NO_STATEMENT_EXIST');
    expect(spool.bytes).toBe(0);
    await spool.remove();
  });
});

describe('what readers are made of', () => {
  const spooled = async (bytes: Buffer) => {
    const spool = openBillSpool(newFolder(), 10_000_000);
    await spool.append(bytes);
    await spool.complete();
    return spool;
  };
  const flawOf = async (work: Promise<unknown>) =>
    work.then(
      () => undefined,
      (error: unknown) => (error instanceof BrokenBill ? error.flaw : error),
    );

  test('a gzip file is unpacked; cut, damaged or too large it is named so', async () => {
    const text = Buffer.from('a line of a bill\n'.repeat(10_000));
    const zipped = gzipSync(text);
    expect(await sha1Of(plainBytesOf((await spooled(zipped)).path, text.length))).toBe(
      await sha1Of((await spooled(text)).read()),
    );
    const damaged = Buffer.from(zipped);
    damaged[20] = (damaged[20] ?? 0) ^ 0xff;
    expect(await flawOf(sha1Of(plainBytesOf((await spooled(zipped.subarray(0, -20))).path, 1_000_000)))).toBe(
      'truncated',
    );
    expect(await flawOf(sha1Of(plainBytesOf((await spooled(damaged)).path, 1_000_000)))).toBe('bad_archive');
    expect(await flawOf(sha1Of(plainBytesOf((await spooled(zipped)).path, text.length - 1)))).toBe('too_large');
  });

  test('amounts are exact, with up to five decimals', () => {
    expect(['12.34', '-0.5', '7', '0.00001', '45.0'].map(parseBillAmount)).toEqual([
      1_234_000n,
      -50_000n,
      700_000n,
      1n,
      4_500_000n,
    ]);
    for (const wrong of ['', '.5', '1.', '1,000', '1e2', '+1', '0.000001', '١'])
      expect(parseBillAmount(wrong)).toBeUndefined();
    expect([
      wholeCents(1_234_000n),
      wholeCents(1_234_001n),
      roundedCents(1_499n),
      roundedCents(1_500n),
      roundedCents(-1_500n),
    ]).toEqual([1_234n, undefined, 1n, 2n, -2n]);
  });

  test('a day begins in its own zone', () => {
    expect(billDayOf('2026-11-22', 8 * 3_600_000)).toEqual({
      beginsMs: Date.UTC(2026, 10, 21, 16),
      endsMs: Date.UTC(2026, 10, 22, 16),
    });
    for (const wrong of ['2026-02-29', '2026-13-01', '2026-11-31', '26-11-22', ''])
      expect(billDayOf(wrong, 0)).toBeUndefined();
  });

  test('a line is repeated if and only if it was there before', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ maxLength: 3 }), { maxLength: 5_000 }), (texts) => {
        const seen = new RepeatedLines();
        const model = new Set<string>();
        for (const text of texts) {
          expect(seen.add(text)).toBe(model.has(text));
          model.add(text);
        }
      }),
      { numRuns: 30 },
    );
    const many = new RepeatedLines();
    for (let no = 0; no < 50_000; no += 1) expect(many.add(`line ${no}`)).toBe(false);
    for (let no = 0; no < 50_000; no += 97) expect(many.add(`line ${no}`)).toBe(true);
  });

  test('totals that agree with each line counted once tell of a line that stands twice', () => {
    const totals = new BillTotals<'sum'>();
    totals.add('sum', 5n, false);
    totals.add('sum', 5n, true);
    totals.check(new Map([['sum', 10n]]));
    expect(() => totals.check(new Map([['sum', 5n]]))).toThrow(expect.objectContaining({ flaw: 'line_twice' }));
    expect(() => totals.check(new Map([['sum', 6n]]))).toThrow(expect.objectContaining({ flaw: 'totals_differ' }));
  });

  test('lines are the same however the bytes come, in both encodings', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.string({ unit: fc.constantFrom('a', '茶', ' ', 'é') })),
        fc.integer({ min: 1, max: 9 }),
        async (texts, size) => {
          const bytes = Buffer.from(texts.map((text) => `${text}\r\n`).join(''));
          const parts = async function* () {
            for (let from = 0; from < bytes.length; from += size) yield bytes.subarray(from, from + size);
          };
          const lines: string[] = [];
          for await (const batch of textLinesOf(parts(), 'utf-8', { lineBytesMax: 1_000, linesMax: 1_000 }))
            lines.push(...batch.map(({ text }) => text));
          expect(lines).toEqual(texts);
        },
      ),
      { numRuns: 100 },
    );
  });
});
