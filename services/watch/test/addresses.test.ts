import { expect, test } from 'vitest';
import { addressesOf, mayChange } from '../src/addresses.ts';

test.each([
  ['127.0.0.1:7100', ['127.0.0.1:7100']],
  ['cashier:7100', ['cashier:7100']],
  ['ipv4:10.0.0.1:7100,10.0.0.2:7100', ['10.0.0.1:7100', '10.0.0.2:7100']],
])('%s stands for what it names', async (target, addresses) => {
  expect(await addressesOf(target)).toEqual(addresses);
  expect(mayChange(target)).toBe(false);
});

test('a name of DNS stands for every address that DNS has, and may stand for others later', async () => {
  const addresses = await addressesOf('dns:///localhost:7100');
  expect(addresses.length).toBeGreaterThan(0);
  for (const address of addresses) expect(['127.0.0.1:7100', '[::1]:7100']).toContain(address);
  expect(mayChange('dns:///localhost:7100')).toBe(true);
});

test('a name that DNS does not know is an error', async () => {
  await expect(addressesOf('dns:///no-such-name.invalid:7100')).rejects.toThrow('no-such-name.invalid');
});
