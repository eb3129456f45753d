import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@tillmesh/clock';
import { z } from '@tillmesh/config';
import { type Mesh, startMesh } from '@tillmesh/local-mesh';
import { CashierService } from '@tillmesh/proto/tillmesh/cashier/v1/cashier_service_pb.ts';
import { type Payment, PaymentKind, PaymentState, Wallet } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { RoutingService } from '@tillmesh/proto/tillmesh/routing/v1/routing_service_pb.ts';
import { AccountState } from '@tillmesh/proto/tillmesh/routing/v1/routing_table_pb.ts';
import { createClient, type RpcClient } from '@tillmesh/rpc';
import { afterAll, beforeAll, expect, test } from 'vitest';

const clock = systemClock;
const folder = mkdtempSync(join(tmpdir(), 'tillmesh-health-'));
const MERCHANT = 'shop';
/** Prefers an account that nobody else uses. */
const OTHER_MERCHANT = 'market';
const PREFERRED = 'wechat-b';
/** Two accounts of one wallet at two channels, equals by rank. */
const [STEADY, VICTIM] = ['wechat-a', 'wechat-2-a'];
const EVERY_MS = 40;
/** With so many the lanes of both cashiers know what is usual. */
const ENOUGH = 50;
const PAY_MS = 100;
/** Far more than it takes, for a machine that has other things to do; what it took is printed. */
const WITHIN_MS = 30_000;
/** So many payments in a row tell where new ones go. */
const IN_A_ROW = 16;

type Taken = { readonly startedMs: number; payment: Payment | undefined };

let mesh: Mesh;
let cashiers: readonly RpcClient<typeof CashierService>[] = [];
let routing: RpcClient<typeof RoutingService>;
const codes: string[] = [];
const taken: Taken[] = [];
const underWay = new Set<Promise<void>>();
const stop = new AbortController();
let load: Promise<void> = Promise.resolve();

const control = async (method: string, path: string, body?: object): Promise<unknown> => {
  const response = await fetch(`http://${mesh.address('sandbox-control')}/control/${path}`, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  if (!response.ok) throw new Error(`the sandbox answers ${response.status}: ${await response.text()}`);
  return response.json().catch(() => undefined);
};
const script = (account: string, act: object, operations: readonly string[]) =>
  control('POST', 'scripts', { match: { account }, operations, script: [act] });
const allWell = async (): Promise<void> => {
  await control('DELETE', 'scripts');
  for (const account of [STEADY, VICTIM])
    await script(account, { do: 'delay', ms: PAY_MS, when: 'after_commit' }, ['pay']);
};
const hang = async (): Promise<void> => {
  await control('DELETE', 'scripts');
  await script(VICTIM, { do: 'answer_lost_before_commit', how: 'hang' }, ['pay', 'query', 'close', 'reverse']);
  await script(STEADY, { do: 'delay', ms: PAY_MS, when: 'after_commit' }, ['pay']);
};

let number = 0;
const payAt = async (place: number, merchantId: string): Promise<Payment | undefined> => {
  number += 1;
  const answer = await cashiers[place % cashiers.length]?.createPayment({
    merchantId,
    merchantOrderNo: `health-${number}`,
    amount: { currency: 'CNY', minorUnits: 100n },
    kind: PaymentKind.PAYMENT_CODE,
    paymentCode: codes.pop() ?? '',
    subject: 'Tea',
  });
  return answer?.payment;
};
const begin = (place: number): void => {
  const one: Taken = { startedMs: clock.monotonicMs(), payment: undefined };
  taken.push(one);
  const pay = async () => {
    one.payment = await payAt(place, MERCHANT);
  };
  const promise = pay()
    .catch(() => undefined)
    .finally(() => underWay.delete(promise));
  underWay.add(promise);
};

beforeAll(async () => {
  mesh = await startMesh({
    folder,
    env: process.env,
    clock,
    logLevel: 'warn',
    groupTags: [1, 2],
    services: ['sandbox', 'order-store', 'routing', 'channel-wechat', 'cashier'],
    instances: { cashier: 2 },
    channels: [{ channelId: 'wechat-2', adapter: 'wechat' }],
    settings: {
      'routing-table': {
        merchants: [
          { merchantId: MERCHANT, accountIds: [STEADY, VICTIM] },
          { merchantId: OTHER_MERCHANT, accountIds: [STEADY, PREFERRED], rules: [{ prefer: [PREFERRED] }] },
        ],
        health: {
          returnSteps: [
            { sharePercent: 20, ms: 500 },
            { sharePercent: 50, ms: 1_000 },
          ],
        },
      },
    },
  });
  const options = { caller: 'test', capMs: 35_000, clock };
  const ports = mesh.processes().flatMap(({ service, port }) => (service === 'cashier' ? [port] : []));
  cashiers = ports.map((port) => createClient(CashierService, { target: `127.0.0.1:${port}`, ...options }));
  routing = createClient(RoutingService, { target: mesh.address('routing'), ...options });
  await allWell();
  const count = 1_000;
  for (let batch = 0; batch < 2; batch += 1) {
    const more = await control('POST', 'payment-codes', { wallet: 'wechat', count, validForSeconds: 3_600 });
    codes.push(...(more as { codes: { paymentCode: string }[] }).codes.map(({ paymentCode }) => paymentCode));
  }
  load = (async () => {
    for (let place = 0; !stop.signal.aborted; place += 1) {
      begin(place);
      await clock.sleep(EVERY_MS, stop.signal).catch(() => undefined);
    }
  })();
}, 180_000);

afterAll(async () => {
  stop.abort();
  await load;
  for (const cashier of cashiers) cashier.close();
  await Promise.all(underWay);
  routing.close();
  await mesh.stop();
  rmSync(folder, { recursive: true, force: true });
}, 120_000);

const accountOf = ({ payment }: Taken): string | undefined => payment?.attempts.at(-1)?.accountId;
const reasonOf = ({ payment }: Taken): string => payment?.attempts.at(-1)?.routeReason ?? '';
const wasPaid = ({ payment }: Taken): boolean => payment?.state === PaymentState.SUCCEEDED;
const takenSince = (sinceMs: number) => taken.filter((one) => one.startedMs >= sinceMs);

/** Waits until what was begun since a moment is as wanted; tells how long it took. */
const until = async (what: string, sinceMs: number, isSo: (begun: readonly Taken[]) => boolean): Promise<void> => {
  const deadlineMs = clock.monotonicMs() + WITHIN_MS;
  while (!isSo(takenSince(sinceMs))) {
    if (clock.monotonicMs() > deadlineMs) throw new Error(`not within ${WITHIN_MS} ms: ${what}`);
    await clock.sleep(EVERY_MS);
  }
  process.stdout.write(`${what}: after ${Math.round(clock.monotonicMs() - sinceMs)} ms\n`);
};

/** The start of the first of so many in a row, as they were begun, of which all were paid at the steady account. */
const movedAtMs = (begun: readonly Taken[]): number | undefined => {
  let row: readonly Taken[] = [];
  for (const one of begun) {
    row = accountOf(one) === STEADY && wasPaid(one) ? [...row, one] : [];
    if (row.length >= IN_A_ROW) return row[0]?.startedMs;
  }
  return undefined;
};

const explain = (merchantId: string) => {
  const amount = { currency: 'CNY', minorUnits: 100n };
  const value = { merchantId, amount, wallet: Wallet.WECHAT, kind: PaymentKind.PAYMENT_CODE };
  return routing.explainRoute({ subject: { case: 'hypothetical', value } });
};

test('a channel that hangs loses its new payments to the other account of the wallet, and gets them back in steps', async () => {
  const beganMs = clock.monotonicMs();
  await until('both accounts take payments', beganMs, (begun) =>
    [STEADY, VICTIM].every(
      (account) => begun.filter((one) => accountOf(one) === account && wasPaid(one)).length > ENOUGH,
    ),
  );

  const hungMs = clock.monotonicMs();
  await hang();
  await until('new payments go elsewhere', hungMs, (begun) => movedAtMs(begun) !== undefined);
  const movedAfterMs = (movedAtMs(takenSince(hungMs)) ?? 0) - hungMs;
  process.stdout.write(`the first of ${IN_A_ROW} in a row began ${Math.round(movedAfterMs)} ms after the hang\n`);
  const elsewhere = takenSince(hungMs).filter((one) => reasonOf(one).includes(`${VICTIM} skipped: sick`));
  const story = takenSince(hungMs).map(
    (one) => `${Math.round(one.startedMs - hungMs)} ${accountOf(one)}: ${reasonOf(one)}`,
  );
  expect(elsewhere.length, story.join('\n')).toBeGreaterThan(0);

  const healedMs = clock.monotonicMs();
  await allWell();
  await until('the account has its payments back', healedMs, (begun) => {
    const latest = begun.filter(({ payment }) => payment !== undefined).slice(-30);
    return latest.length === 30 && latest.filter((one) => accountOf(one) === VICTIM && wasPaid(one)).length >= 10;
  });
  const returning = takenSince(healedMs).filter((one) => / % of its payments/.test(reasonOf(one)));
  expect(returning.length).toBeGreaterThan(0);
}, 120_000);

test('an account that an operator switches off gets no new payments at any cashier, and the answers say why', async () => {
  const offMs = clock.monotonicMs();
  await routing.setAccountState({ accountId: VICTIM, state: AccountState.DISABLED, note: 'audit' });
  await until('new payments go elsewhere', offMs, (begun) => movedAtMs(begun) !== undefined);

  const { candidates, tableVersion } = await explain(MERCHANT);
  expect(candidates.find(({ accountId }) => accountId === VICTIM)).toMatchObject({
    chosen: false,
    chance: 0,
    reason: 'skipped: switched off: audit',
  });
  expect(candidates.find(({ accountId }) => accountId === STEADY)).toMatchObject({ chosen: true, chance: 1 });

  const last = takenSince(offMs).findLast(wasPaid);
  const { orderNo = '' } = last?.payment ?? {};
  const stored = await routing.explainRoute({ subject: { case: 'orderNo', value: orderNo } });
  expect(stored.candidates).toMatchObject([{ accountId: STEADY, chosen: true }]);
  expect(stored.candidates[0]?.reason).toMatch(
    new RegExp(
      `^attempt 1: table ${tableVersion}, health \\d+, chance \\d+; .*${VICTIM} skipped: switched off: audit$`,
    ),
  );
}, 60_000);

test('a limit of the day that comes with a new table holds over all cashiers together', async () => {
  const tableFile = join(folder, 'run', 'routing-table.json');
  const table = z
    .looseObject({ accounts: z.array(z.looseObject({ accountId: z.string() })) })
    .parse(JSON.parse(readFileSync(tableFile, 'utf8')));
  const countMax = 6;
  const accounts = table.accounts.map((account) =>
    account.accountId === PREFERRED ? { ...account, dayLimit: { timeZone: 'Etc/GMT-8', countMax } } : account,
  );
  const { tableVersion } = await explain(OTHER_MERCHANT);
  writeFileSync(tableFile, JSON.stringify({ ...table, accounts }));
  await expect
    .poll(async () => (await explain(OTHER_MERCHANT)).tableVersion, { timeout: WITHIN_MS })
    .toBeGreaterThan(tableVersion);

  const accountAt = async (place: number) => (await payAt(place, OTHER_MERCHANT))?.attempts.at(-1)?.accountId;
  const half = countMax / 2;
  for (let time = 0; time < half; time += 1) {
    expect(await Promise.all(cashiers.map((_, place) => accountAt(place)))).toEqual([PREFERRED, PREFERRED]);
  }
  // Each has taken half of it; all of it is only known together.
  const reasonNow = async () =>
    (await explain(OTHER_MERCHANT)).candidates.find(({ accountId }) => accountId === PREFERRED)?.reason;
  await expect.poll(reasonNow, { timeout: WITHIN_MS }).toBe('skipped: has taken its 6 payments of the day');
  for (const place of [0, 1]) {
    await expect.poll(() => accountAt(place), { timeout: WITHIN_MS, interval: 300 }).toBe(STEADY);
  }
}, 60_000);
