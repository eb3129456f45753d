import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '@tillmesh/config';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { QueryConfig } from '../src/config.ts';

const folder = mkdtempSync(join(tmpdir(), 'tillmesh-query-config-'));
beforeAll(() => {
  writeFileSync(join(folder, 'password'), 'read me\n');
  writeFileSync(join(folder, 'row-key'), `${'0123456789abcdef'.repeat(4)}\n`);
});
afterAll(() => rmSync(folder, { recursive: true }));

const load = (value: unknown) => {
  const path = join(folder, 'query.json');
  writeFileSync(path, JSON.stringify(value));
  return loadConfig(QueryConfig, { TILLMESH_CONFIG: path });
};

const orders = {
  map: { version: 1, groups: [{ tag: 1, endpoints: [{ host: '127.0.0.1', port: 3_306 }] }] },
  user: 'tillmesh_read',
  password: 'password',
  rowKeys: { current: 1, keys: [{ id: 1, keyFile: 'row-key' }] },
};
const GOOD = { server: { port: 0 }, orders };

describe("query's configuration", () => {
  test('reads the password from the file that it names, and never shows it', () => {
    const config = load(GOOD);
    expect(config.orders.password.reveal()).toBe('read me');
    expect(JSON.stringify(config)).not.toContain('read me');
  });

  test('without the password, or with a file of it that is not there, says which file to bring', () => {
    const { password, ...rest } = orders;
    expect(() => load({ ...GOOD, orders: rest })).toThrow(
      "  orders.password: is missing\n      Path of a file that holds the database account's password, relative to the configuration file.",
    );
    expect(() => load({ ...GOOD, orders: { ...orders, password: `${password}.gone` } })).toThrow(
      '  orders.password: the file password.gone cannot be read',
    );
  });

  test('that is wrong in many places is told all of them at once, by name', () => {
    const wrong = {
      server: { port: 70_000, backlog: 1 },
      orders: { ...orders, workerId: 1, statementMsMax: 2_000, map: { version: 1, groups: [] } },
      colour: 'blue',
    };
    expect(() => load(wrong)).toThrow(/^7 problems in /);
    for (const setting of [
      'server.port',
      'server.backlog',
      'orders.workerId',
      'orders.statementMsMax',
      'orders.map.groups',
      'colour',
    ]) {
      expect(() => load(wrong)).toThrow(`  ${setting}: `);
    }
  });
});
