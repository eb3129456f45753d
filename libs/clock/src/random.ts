import { randomBytes, randomInt } from 'node:crypto';

/** The only source of chance. Tests and simulations pass a seeded one. */
export interface Random {
  /** A fraction, 0 <= x < 1. */
  fraction(): number;
  /** A whole number, 0 <= n < limit; limit at most 2^48 - 1. */
  below(limit: number): number;
  /** `bytes` random bytes as lower-case hex. Unguessable only from systemRandom. */
  hex(bytes: number): string;
}

/** The operating system's randomness. */
export const systemRandom: Random = {
  fraction: () => randomInt(2 ** 48 - 1) / (2 ** 48 - 1),
  below: (limit) => randomInt(limit),
  hex: (bytes) => randomBytes(bytes).toString('hex'),
};

/** Mulberry32: the same seed gives the same run. Never for keys or nonces. */
export const seededRandom = (seed: number): Random => {
  let state = seed | 0;
  const fraction = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit: number) => Math.floor(fraction() * limit);
  return {
    fraction,
    below,
    hex: (bytes) => Array.from({ length: bytes }, () => below(256).toString(16).padStart(2, '0')).join(''),
  };
};
