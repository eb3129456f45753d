import { expect, test } from 'vitest';
import { chooseMeshPorts, LISTENERS } from '../src/mesh-ports.ts';

test('with a base port every listener has its own place behind it, always the same', async () => {
  const ports = await chooseMeshPorts(7_100);
  expect(ports.cashier).toBe(7_100);
  expect(Object.keys(ports)).toEqual([...LISTENERS]);
  expect(new Set(Object.values(ports)).size).toBe(LISTENERS.length);
  expect(await chooseMeshPorts(7_100)).toEqual(ports);
});

test('without a base port every listener has a free port of its own', async () => {
  const ports = Object.values(await chooseMeshPorts(undefined));
  expect(new Set(ports).size).toBe(LISTENERS.length);
  expect(ports.every((port) => port > 1_023 && port < 65_536)).toBe(true);
});
