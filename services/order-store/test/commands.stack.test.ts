import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock, systemRandom } from '@tillmesh/clock';
import { parseConfig } from '@tillmesh/config';
import { type AccountId, type ChannelId, type MerchantId, type MerchantOrderNo, money } from '@tillmesh/domain';
import { type LocalStack, startLocalStack } from '@tillmesh/local-stack';
import { createOrderGroups, OrderGroupsConfig, SCHEMA_VERSION } from '@tillmesh/order-groups';
import { createLog } from '@tillmesh/telemetry';
import { startAndStop } from '@tillmesh/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'tillmesh-order-store-commands-'));
const keyFolder = join(folder, 'row-keys');
let stack: LocalStack;

beforeAll(async () => {
  mkdirSync(keyFolder);
  stack = await startLocalStack({ folder: join(folder, 'stack'), groupTags: [1, 2], redis: false, clock: systemClock });
  writeFileSync(join(keyFolder, '1.key'), systemRandom.hex(32));
  writeFileSync(join(keyFolder, 'current'), '1');
});

afterAll(async () => {
  await stack.stop();
  rmSync(folder, { recursive: true });
});

const access = (name: 'app' | 'migrate') => {
  const { user, passwordFile } = stack.accounts[name];
  const groups = stack.groups.map(({ tag, nodes }) => ({
    tag,
    endpoints: nodes.map(({ host, port }) => ({ host, port })),
  }));
  return { map: { version: 1, groups }, user, password: passwordFile };
};

const run = (command: string, settings: object) =>
  startAndStop(join(import.meta.dirname, `../src/${command}.ts`), folder, settings, process.env);
const migrate = (settings: object = {}) => run('migrate-main', { orders: access('migrate'), ...settings });
const rotate = () => run('rotate-keys-main', { orders: access('app'), rowKeys: { folder: keyFolder } });

const writeOrders = async (count: number): Promise<void> => {
  const config = parseConfig(OrderGroupsConfig, { ...access('app'), rowKeys: { folder: keyFolder } }, 'a test');
  const orders = createOrderGroups({ config, clock: systemClock, log: createLog('test', 'silent') });
  try {
    await orders.look();
    const nowMs = systemClock.nowMs();
    for (let number = 0; number < count; number += 1) {
      const created = await orders.create({
        merchantId: 'm-1' as MerchantId,
        merchantOrderNo: `T${number}-${systemRandom.hex(4)}` as MerchantOrderNo,
        amount: money('CNY', 1_234n),
        kind: 'merchant_qr',
        wallet: 'wechat',
        subject: 'Tee',
        terminalId: '',
        storeId: '',
        traceparent: '',
        createdAtMs: nowMs,
        expireAtMs: nowMs + 600_000,
        attempt: {
          accountId: 'a' as AccountId,
          channelId: 'wechat' as ChannelId,
          routeReason: '',
          token: systemRandom.hex(8),
        },
        firstCheckAfterMs: 60_000,
        source: 'test',
      });
      expect(created.kind).toBe('payable');
    }
  } finally {
    await orders.close();
  }
};

const administer = (sql: string) =>
  Promise.all(stack.groups.map((group) => group.primary().administer((connection) => connection.query(sql))));

describe('the migrate command', () => {
  test('brings every group to the latest schema and its days, and says so', async () => {
    const { code, output } = await migrate({ retentionDays: 30 });
    expect(output).toContain('"tag":1,"from":0');
    expect(output).toContain('"tag":2,"from":0');
    expect(output).toContain('"retention":{"dropped":0,"rows":0}');
    expect(code).toBe(0);
  });

  test('goes on where a group is down, and ends with status 1 and its name', async () => {
    const [first] = stack.groups;
    await first?.primary().kill('SIGKILL');
    try {
      const { code, output } = await migrate({ retentionDays: 30 });
      expect(output).toContain('the group was not migrated; run this again when it is back');
      expect(output).toContain(`"tag":2,"from":${SCHEMA_VERSION}`);
      // Old days of the others are looked at all the same.
      expect(output).toContain('"retention":{"dropped":0,"rows":0}');
      expect(code).toBe(1);
    } finally {
      await first?.primary().start();
    }
    expect(await migrate()).toMatchObject({ code: 0 });
  });
});

describe('the command that rotates keys', () => {
  test('writes every row with the present key and names the keys that may go', async () => {
    await writeOrders(6);
    writeFileSync(join(keyFolder, '2.key'), systemRandom.hex(32));
    writeFileSync(join(keyFolder, 'current'), '2');
    const { code, output } = await rotate();
    expect(output).toContain('"keys":[1],"msg":"no row uses these keys any more: their files may be removed"');
    expect(output.match(/"rewritten":(\d)/g)?.map((part) => Number(part.slice(-1)))).toHaveLength(2);
    expect(code).toBe(0);
    rmSync(join(keyFolder, '1.key'));
    expect(await rotate()).toMatchObject({ code: 0 });
  });

  test('ends with status 2 and names the row where one does not fit its key', async () => {
    await administer('UPDATE tillmesh.payment SET refund_reserved = 1');
    writeFileSync(join(keyFolder, '3.key'), systemRandom.hex(32));
    writeFileSync(join(keyFolder, 'current'), '3');
    const { code, output } = await rotate();
    expect(output).toContain('a row does not fit its key; it was left as it is');
    expect(output).toContain('its integrity code does not fit');
    expect(output).toContain('"keys":[2],"msg":"rows still use these keys');
    expect(code).toBe(2);
    await administer('UPDATE tillmesh.payment SET refund_reserved = 0');
    expect(await rotate()).toMatchObject({ code: 0 });
  });

  test('with a wrong configuration ends with status 1 and says what is wrong', async () => {
    writeFileSync(join(keyFolder, 'current'), '9');
    const { code, output } = await rotate();
    expect(output).toContain('rowKeys.folder: key 9 is current and there is no file 9.key');
    expect(code).toBe(1);
  });
});
