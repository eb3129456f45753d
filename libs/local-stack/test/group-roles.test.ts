import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openGroupChanges } from '../src/group-changes.ts';
import { openGroupRoles } from '../src/group-roles.ts';
import { removeFoldersAfterEach, temporaryFolder } from './temporary-folder.ts';

removeFoldersAfterEach();
const NAMES = ['g1-a', 'g1-b', 'g1-c'];
const OLD = { reason: 'it was the primary', mayHoldMore: false };

describe('the roles of a group', () => {
  test('are those of its first start until something changes', () => {
    const roles = openGroupRoles(join(temporaryFolder(), 'roles.json'), NAMES);
    expect(roles.primary()).toBe('g1-a');
    expect(NAMES.map((name) => roles.exclusionOf(name))).toEqual([undefined, undefined, undefined]);
  });

  test('are remembered', () => {
    const file = join(temporaryFolder(), 'roles.json');
    openGroupRoles(file, NAMES).appoint('g1-b', new Map([['g1-a', OLD]]));
    openGroupRoles(file, NAMES).exclude('g1-c', { reason: 'it is being made anew', mayHoldMore: true });
    const again = openGroupRoles(file, NAMES);
    expect(again.primary()).toBe('g1-b');
    expect(again.exclusionOf('g1-a')).toEqual(OLD);
    expect(again.exclusionOf('g1-c')?.mayHoldMore).toBe(true);
    again.admit('g1-a');
    expect(openGroupRoles(file, NAMES).exclusionOf('g1-a')).toBe(undefined);
    expect(openGroupRoles(file, NAMES).primary()).toBe('g1-b');
  });

  for (const text of [
    '',
    '{"primary": "g1-b"',
    '{"primary": "g9-a", "excluded": {}}',
    '{"primary": 1, "excluded": {}}',
  ]) {
    test(`are never guessed from ${text || 'an empty file'}`, () => {
      const file = join(temporaryFolder(), 'roles.json');
      writeFileSync(file, text);
      expect(() => openGroupRoles(file, NAMES)).toThrow(/does not say who is the primary: write .*g1-a, g1-b, g1-c/);
    });
  }
});

describe('changes of the groups', () => {
  test('hold for whatever tags the next start asks', () => {
    const file = join(temporaryFolder(), 'groups.json');
    const changes = openGroupChanges(file);
    expect(changes.applyTo([1, 2])).toEqual([1, 2]);
    changes.noteAdded(4);
    changes.noteRemoved(1);
    expect(openGroupChanges(file).applyTo([1, 2, 4])).toEqual([2, 4]);
    expect(openGroupChanges(file).applyTo([3])).toEqual([3, 4]);
    openGroupChanges(file).noteAdded(1);
    openGroupChanges(file).noteRemoved(4);
    expect(openGroupChanges(file).applyTo([2])).toEqual([2, 1]);
  });
});
