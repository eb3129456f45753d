import { describe, expect, test } from 'vitest';
import {
  advanceOf,
  divergenceOf,
  everythingOf,
  gtidsIn,
  gtidText,
  includesAll,
  latestOf,
  type NodeHistory,
  strayOf,
} from '../src/gtid-history.ts';

const history = (parts: Partial<NodeHistory>): NodeHistory => ({
  name: 'g1-a',
  serverId: 11,
  replicated: '',
  logged: '',
  origins: '',
  received: '',
  ...parts,
});

describe('positions', () => {
  test('are read and written as the server does, nonsense left out', () => {
    expect(gtidsIn('1-11-5, 2-21-18446744073709551615,,x').map(gtidText)).toEqual([
      '1-11-5',
      '2-21-18446744073709551615',
    ]);
  });

  const INCLUDED: readonly (readonly [string, string, boolean])[] = [
    ['1-11-5', '1-11-5', true],
    ['1-12-6', '1-11-5', true],
    ['1-11-4', '1-11-5', false],
    ['', '1-11-5', false],
    ['1-11-5', '', true],
    ['1-11-5', '1-11-5,2-21-1', false],
  ];
  for (const [position, wanted, expected] of INCLUDED) {
    test(`${position || 'an empty one'} ${expected ? 'has' : 'lacks something of'} ${wanted || 'an empty one'}`, () => {
      expect(includesAll(position, wanted)).toBe(expected);
    });
  }

  test('are joined by the later of each domain', () => {
    expect(latestOf('1-11-5,2-21-9', '1-12-7', '', '2-21-3')).toBe('2-21-9,1-12-7');
    expect(everythingOf(history({ replicated: '1-11-5', logged: '1-11-6', received: '1-11-8' }))).toBe('1-11-8');
  });

  test('tell who has received more, executed or not', () => {
    const one = history({ replicated: '1-11-5', received: '1-11-9' });
    const other = history({ replicated: '1-11-8', received: '1-11-8' });
    expect([advanceOf(one, other), advanceOf(other, one), advanceOf(one, one)]).toEqual([1n, -1n, 0n]);
  });
});

describe('a history', () => {
  const primary = history({ name: 'g1-b', serverId: 12, origins: '1-11-98,1-12-150' });

  test('that another continues does not diverge', () => {
    expect(divergenceOf(history({ origins: '1-11-98' }), primary)).toEqual([]);
    expect(divergenceOf(history({ origins: '' }), primary)).toEqual([]);
  });

  test('diverges with a transaction that the primary of its time had written alone', () => {
    const old = history({ origins: '1-11-100', logged: '1-11-100' });
    expect(divergenceOf(old, primary).map(gtidText)).toEqual(['1-11-100']);
  });

  test('diverges with an origin that the other does not know', () => {
    expect(divergenceOf(history({ serverId: 13, origins: '1-11-98,1-13-99' }), primary).map(gtidText)).toEqual([
      '1-13-99',
    ]);
  });

  test('does not diverge with a schema change that crash recovery wrote under the own number', () => {
    const recovered = history({ serverId: 13, origins: '1-11-98,1-13-97', replicated: '1-11-98' });
    expect(divergenceOf(recovered, primary)).toEqual([]);
    expect(strayOf(recovered)).toEqual([]);
  });

  test('has a stray transaction when somebody wrote to a replica', () => {
    const written = history({ serverId: 13, origins: '1-11-98,1-13-99', replicated: '1-11-98' });
    expect(strayOf(written).map(gtidText)).toEqual(['1-13-99']);
  });
});
