import { expect, test } from 'vitest';
import { isCalledRightly } from '../src/called-by-name.ts';

const NAMES = ['Watch.internal'];

test.each([
  ['127.0.0.1:7114', true],
  ['10.1.2.3', true],
  ['[::1]:7114', true],
  ['localhost:9000', true],
  ['watch.internal:7114', true],
  ['WATCH.INTERNAL', true],
  ['evil.example:7114', false],
  ['127.0.0.1.evil.example', false],
  ['localhost.evil.example', false],
  ['', false],
  [undefined, false],
])('called %s: %s', (host, right) => {
  expect(isCalledRightly(host, NAMES)).toBe(right);
});
