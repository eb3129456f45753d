import { describe, expect, test } from 'vitest';
import { createAddressGuard, parseNetwork } from '../src/address-guard.ts';

const nothingAllowed = createAddressGuard([]);

describe('an address', () => {
  for (const address of [
    '127.0.0.1',
    '127.8.8.8',
    '0.0.0.0',
    '10.0.0.1',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '169.254.169.254',
    '100.100.100.200',
    '168.63.129.16',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '0:0:0:0:0:0:0:1',
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    '0:0:0:0:0:ffff:a9fe:a9fe',
    '64:ff9b::7f00:1',
    '2002:7f00:1::',
    'fd00:ec2::254',
    'fe80::1',
    'fe80::1%eth0',
    'fec0::1',
    'ff02::1',
    '2001:db8::1',
    'localhost',
    '',
  ]) {
    test(`${address || '(nothing)'} is not allowed`, () => {
      expect(nothingAllowed.allows(address)).toBe(false);
    });
  }

  for (const address of ['8.8.8.8', '172.32.0.1', '100.128.0.1', '2606:4700::1111', '::ffff:8.8.8.8']) {
    test(`${address} is allowed`, () => {
      expect(nothingAllowed.allows(address)).toBe(true);
    });
  }

  test('of an allowed network may be reached, and its neighbours not', () => {
    const guard = createAddressGuard(['127.0.0.1/32', 'fd00:1::/32']);
    expect(guard.allows('127.0.0.1')).toBe(true);
    expect(guard.allows('::ffff:127.0.0.1')).toBe(true);
    expect(guard.allows('127.0.0.2')).toBe(false);
    expect(guard.allows('fd00:1::5')).toBe(true);
    expect(guard.allows('fd00:2::5')).toBe(false);
  });
});

test('a network is an address and a length that fits it', () => {
  expect(parseNetwork('10.0.0.0/8')).toEqual({ address: '10.0.0.0', bits: 8, family: 'ipv4' });
  expect(parseNetwork('::1/128')).toEqual({ address: '::1', bits: 128, family: 'ipv6' });
  for (const wrong of ['10.0.0.0', '10.0.0.0/33', '10.0.0/8', '::1/129', 'localhost/8', '10.0.0.0/-1'])
    expect(parseNetwork(wrong)).toBeUndefined();
});
