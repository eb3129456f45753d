import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { PaymentState, PaymentStateSchema } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { expect, onTestFinished, test } from 'vitest';
import { cashierAddress, minorUnitsOf, tellEnum, tellMoney } from '../src/command-line.ts';

test.each([
  ['12.30', 1_230n],
  ['12.3', 1_230n],
  ['1280', 128_000n],
  ['0.01', 1n],
  ['0', 0n],
  // As a float it would be 1.0049999999999999.
  ['1.005', undefined],
  ['12,30', undefined],
  ['-1', undefined],
  ['1e3', undefined],
  ['', undefined],
])('the amount %o is %o minor units', (text, minorUnits) => {
  expect(minorUnitsOf(text)).toBe(minorUnits);
});

test('an amount is told with its cents', () => {
  const money = { $typeName: 'tillmesh.money.v1.Money', currency: 'CNY', minorUnits: 1_205n } as const;
  expect(tellMoney(money)).toBe('12.05 CNY');
});

test('a value of an enum is told in words, and one from the future by its number', () => {
  expect(tellEnum(PaymentStateSchema, PaymentState.SUCCEEDED)).toBe('succeeded');
  expect(tellEnum(PaymentStateSchema, 99)).toBe('value 99');
});

const meshFileWith = (text: string): URL => {
  const folder = mkdtempSync(join(tmpdir(), 'tillmesh-mesh-file-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'mesh.json'), text);
  return pathToFileURL(join(folder, 'mesh.json'));
};

test('the address is what was typed, else that of the environment, else that of the mesh that runs', () => {
  const meshFile = meshFileWith('{"pid": 1, "addresses": {"CashierService": "127.0.0.1:7100"}}');
  const env = { TILLMESH_ADDRESS: 'cashier.example:7000' };
  expect(cashierAddress('typed:1', env, meshFile)).toBe('typed:1');
  expect(cashierAddress(undefined, env, meshFile)).toBe('cashier.example:7000');
  expect(cashierAddress(undefined, {}, meshFile)).toBe('127.0.0.1:7100');
});

test.each(['', '{"addresses": {}}', '{"pid": 1, "addr'])(
  'without a mesh (%o) the reader is told how to start one',
  (text) => {
    expect(() => cashierAddress(undefined, {}, meshFileWith(text))).toThrow('npm start');
  },
);
