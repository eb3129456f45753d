import { expect, test } from 'vitest';
import { upperBound } from '../upper-bound.ts';

// Clopper and Pearson's upper limits at 95 %, one-sided, in per cent.
test.each([
  [0, 10, 25.887],
  [0, 100, 2.951],
  [1, 10, 39.416],
  [1, 100, 4.656],
  [5, 50, 19.883],
  [3, 3, 100],
])('%i events of %i are contradicted by no rate up to %f per cent', (events, trials, perCent) => {
  expect(upperBound(events, trials) * 100).toBeCloseTo(perCent, 2);
});

test('without an event it follows the rule of three', () => {
  expect(upperBound(0, 100_000) * 100_000).toBeCloseTo(2.9957, 3);
});
