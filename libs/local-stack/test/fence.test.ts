import { expect, test } from 'vitest';
import { type Fence, unfencePrimary } from '../src/fence.ts';

// A primary that waits for its first replica has semi-sync off: opened, it would answer writes that nobody else has.
const CASES: readonly (readonly [fence: Fence, primaryWaits: boolean, opened: boolean])[] = [
  ['read_only', false, true],
  ['read_only', true, false],
  // It may have been made read-only after its time was up.
  ['silent', false, true],
  ['silent', true, false],
  ['holds_writes', false, false],
  ['down', false, false],
];

for (const [fence, primaryWaits, opened] of CASES) {
  const which = `${fence}${primaryWaits ? ' and was waiting for a replica' : ''}`;
  test(`a primary whose fence was ${which} is ${opened ? 'opened' : 'left as it is'} when nobody took its place`, async () => {
    let asked = 0;
    const primary = {
      ask: () => {
        asked += 1;
        return Promise.reject(new Error('not needed here'));
      },
    };
    await unfencePrimary({ primaryWaits }, primary, fence).catch(() => undefined);
    expect(asked).toBe(opened ? 1 : 0);
  });
}
