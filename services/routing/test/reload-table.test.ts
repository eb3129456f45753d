import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManualClock } from '@tillmesh/clock';
import type { AccountId } from '@tillmesh/domain';
import { createLog } from '@tillmesh/telemetry';
import { afterAll, expect, test } from 'vitest';
import { createNews } from '../src/news.ts';
import { createTableReloader } from '../src/reload-table.ts';
import { createRoutingSource } from '../src/routing-source.ts';
import { openSwitches } from '../src/switches.ts';
import { readTableFile } from '../src/table-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'tillmesh-reload-'));
afterAll(() => rmSync(folder, { recursive: true }));

const A = 'a' as AccountId;
const path = join(folder, 'table.json');
let writtenAtSeconds = 1_000;
const write = (text: string): void => {
  writeFileSync(path, text);
  // Two writes within the resolution of a file system's clock would look like one.
  writtenAtSeconds += 1;
  utimesSync(path, writtenAtSeconds, writtenAtSeconds);
};
const tableWith = (changes: object): string =>
  JSON.stringify({
    merchants: [{ merchantId: 'm', accountIds: ['a'] }],
    accounts: [
      {
        accountId: 'a',
        channelId: 'wechat',
        wallets: ['wechat'],
        kinds: ['jsapi'],
        currencies: ['CNY'],
        amountMax: 5,
        ...changes,
      },
    ],
  });

const start = () => {
  write(tableWith({ weight: 1 }));
  const clock = new ManualClock();
  const news = createNews(clock);
  const source = createRoutingSource(readTableFile(path), openSwitches(join(folder, 'switches')), clock, news);
  return { source, news, reload: createTableReloader(path, source, createLog('test', 'silent')) };
};

test('a table that has changed is taken and told, one that has not is left alone, and switches stay', () => {
  const { source, news, reload } = start();
  source.setSwitch(A, { enabled: false, note: 'audit' });
  const { version } = source.table();
  const told = news.count();
  reload();
  expect([source.table().version, news.count()]).toEqual([version, told]);
  write(tableWith({ weight: 2 }));
  reload();
  expect(source.table().version).toBeGreaterThan(version);
  expect(news.count()).toBe(told + 1);
  expect(source.table().accounts.get(A)).toMatchObject({ weight: 2, enabled: false, stateNote: 'audit' });
});

for (const [what, text, complaint] of [
  ['is wrong in one field', tableWith({ weight: 0 }), 'accounts.0.weight'],
  [
    'contradicts itself',
    tableWith({ dayLimit: { amountMax: 4 } }),
    "accounts.0.dayLimit.amountMax: is below the account's amountMax, 5",
  ],
  ['is no JSON', '{"merchants":', 'JSON'],
] as const) {
  test(`a table that ${what} is refused with the reason, told once, and the old one stays until a right one comes`, () => {
    const { source, reload } = start();
    const before = source.table();
    write(text);
    expect(reload).toThrow(complaint);
    expect(reload).not.toThrow();
    expect(source.table()).toBe(before);
    write(tableWith({ weight: 3 }));
    reload();
    expect(source.table().accounts.get(A)?.weight).toBe(3);
  });
}
