import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock } from '@tillmesh/clock';
import { afterAll, afterEach, expect, test } from 'vitest';
import { notifiedMerchant } from './notified-merchant.ts';
import { controlClient, firstOf, freshCode, ledgerOf, makeKeys, type RunningSandbox } from './running-sandbox.ts';
import { wechatMerchant } from './wechat-merchant.ts';

const { folder, keys, remove } = makeKeys();
const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const configFile = join(folder, 'sandbox.json');
const portFile = join(folder, 'ports.json');
const journalFile = join(folder, 'journal');
const children: ChildProcess[] = [];

afterEach(async () => {
  for (const child of children.splice(0)) await end(child, 'SIGKILL');
  rmSync(journalFile, { force: true });
});
afterAll(remove);

const end = async (child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> => {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  child.kill(signal);
  return exited;
};

const spawnMain = (config: object): ChildProcess => {
  writeFileSync(configFile, JSON.stringify(config));
  const child = spawn(process.execPath, [main], {
    env: { PATH: '', TILLMESH_CONFIG: configFile },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  children.push(child);
  return child;
};

const start = async (changes: object = {}): Promise<RunningSandbox & { child: ChildProcess }> => {
  rmSync(portFile, { force: true });
  const child = spawnMain({ ...keys.sandbox, portFile, journalFile, logLevel: 'warn', ...changes });
  await expect.poll(() => existsSync(portFile), { timeout: 30_000, interval: 50 }).toBe(true);
  const ports = JSON.parse(readFileSync(portFile, 'utf8')) as {
    second: { wechat: number; alipay: number; unionpay: number };
    control: number;
    wechat: number;
    alipay: number;
    stripe: number;
    unionpay: number;
  };
  return {
    child,
    keys,
    clock: systemClock,
    control: controlClient(ports.control),
    second: {
      wechatUrl: `http://127.0.0.1:${ports.second.wechat}`,
      alipayUrl: `http://127.0.0.1:${ports.second.alipay}/gateway.do`,
      unionpayUrl: `http://127.0.0.1:${ports.second.unionpay}`,
    },
    wechatUrl: `http://127.0.0.1:${ports.wechat}`,
    alipayUrl: `http://127.0.0.1:${ports.alipay}/gateway.do`,
    stripePort: ports.stripe,
    unionpayUrl: `http://127.0.0.1:${ports.unionpay}`,
    close: async () => {
      await end(child, 'SIGTERM');
    },
  };
};
const merchantOf = (sandbox: RunningSandbox) => wechatMerchant(sandbox, firstOf(keys.wechat.accounts));

test('what was answered before a kill -9 is in the ledger after it, to the fen', async () => {
  const before = await start();
  const merchant = merchantOf(before);
  const answered: string[] = [];
  let payments = 0;
  const till = async () => {
    while (before.child.exitCode === null && before.child.signalCode === null && payments < 2_000) {
      payments += 1;
      const outTradeNo = `killed_${payments}`;
      const { fields } = await merchant.micropay(outTradeNo, await freshCode(before, 'wechat'));
      if (fields['result_code'] === 'SUCCESS') answered.push(outTradeNo);
    }
  };
  // Four tills pay without a pause, so the kill falls into the middle of something.
  const tills = Array.from({ length: 4 }, () => till().catch(() => 'cut off'));
  await expect.poll(() => answered.length, { timeout: 30_000 }).toBeGreaterThan(50);
  await end(before.child, 'SIGKILL');
  await Promise.all(tills);

  const after = await start();
  const { body } = await after.control.get<{ orders: { outTradeNo: string; charges: number; netFen: number }[] }>(
    '/ledger/orders?limit=10000',
  );
  const charged = new Map(body.orders.map((order) => [order.outTradeNo, order]));
  expect(answered.filter((outTradeNo) => charged.get(outTradeNo)?.charges !== 1)).toEqual([]);
  // What was not answered may or may not have happened, but never half: an order is paid if it is in the ledger.
  const survivor = merchantOf(after);
  for (const outTradeNo of [...charged.keys()].slice(-10)) {
    expect((await survivor.orderquery(outTradeNo)).fields).toMatchObject({ trade_state: 'SUCCESS' });
  }
  expect((await after.control.get('/ledger/check')).body).toMatchObject({
    chargedTwice: 0,
    charges: charged.size,
    netFen: charged.size * 100,
  });
});

test('a payer who was typing when the process was killed still pays, and the merchant still hears of it', async () => {
  const merchant = await notifiedMerchant({ status: 200, body: '' });
  try {
    const before = await start();
    const { body } = await merchantOf(before).native('typing_at_kill', { notify_url: merchant.url });
    await before.control.post('/scan', { code: body['code_url'], afterSeconds: 3 });
    await end(before.child, 'SIGKILL');
    const after = await start();
    await expect
      .poll(() => ledgerOf(after, 'typing_at_kill'), { timeout: 15_000 })
      .toMatchObject({ charges: 1, netFen: 100 });
    await expect.poll(() => merchant.heard.length, { timeout: 15_000 }).toBe(1);
  } finally {
    await merchant.close();
  }
});

test('a notification that was due when the process was killed is sent after it', async () => {
  const merchant = await notifiedMerchant({ status: 500, body: '' }, { status: 200, body: '' });
  try {
    const before = await start({ notifications: { timeScale: 0.1 } });
    const { body } = await merchantOf(before).native('due_at_kill', { notify_url: merchant.url });
    await before.control.post('/scan', { code: body['code_url'] });
    await expect.poll(() => merchant.heard.length, { timeout: 15_000 }).toBe(1);
    await end(before.child, 'SIGKILL');
    await start({ notifications: { timeScale: 0.1 } });
    await expect.poll(() => merchant.heard.length, { timeout: 15_000 }).toBe(2);
    const [first, second] = merchant.heard.map((each) => (JSON.parse(each.body) as { id: string }).id);
    expect(second).toBe(first);
  } finally {
    await merchant.close();
  }
});

test('a used payment code and a script with uses left are remembered', async () => {
  const before = await start();
  const used = await freshCode(before, 'wechat');
  await merchantOf(before).micropay('code_before', used);
  await before.control.post('/scripts', {
    match: { description: 'unlucky' },
    uses: 1,
    script: [{ do: 'decline', code: 'NOAUTH' }],
  });
  await end(before.child, 'SIGKILL');
  const after = await start();
  const merchant = merchantOf(after);
  expect((await merchant.micropay('code_after', used)).fields).toMatchObject({ err_code: 'AUTH_CODE_ERROR' });
  const unlucky = await freshCode(after, 'wechat');
  expect((await merchant.micropay('unlucky_1', unlucky, { body: 'unlucky' })).fields).toMatchObject({
    err_code: 'NOAUTH',
  });
  expect((await merchant.micropay('unlucky_2', unlucky, { body: 'unlucky' })).fields).toMatchObject({
    result_code: 'SUCCESS',
  });
});

test('SIGTERM ends it in order, with status 0', async () => {
  const sandbox = await start();
  expect(await end(sandbox.child, 'SIGTERM')).toBe(0);
});

test('a wrong configuration ends it with status 1 and names every problem', async () => {
  const child = spawnMain({ ...keys.sandbox, ports: { control: -1 }, speed: 'fast' });
  let complaint = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    complaint += chunk.toString();
  });
  const status = await new Promise<number | null>((resolve) => child.once('close', resolve));
  expect(status).toBe(1);
  expect(complaint).toContain('sandbox cannot start: 2 problems');
  expect(complaint).toContain('ports.control');
  expect(complaint).toContain('speed');
});
