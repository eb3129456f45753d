import { describe, expect, test } from 'vitest';
import { debianSourceIn } from '../debian-source.ts';

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

const sources = `Types: deb deb-src
# a comment
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: ${KEYRING}

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
Signed-By: ${KEYRING}
`;

type Found = readonly [what: string, name: string, text: string, uri: string | undefined, signedBy: string | undefined];

const FOUND: readonly Found[] = [
  ['stanzas', 'debian.sources', sources, 'http://mirror.example/debian', KEYRING],
  [
    'a line',
    'sources.list',
    'deb http://mirror.example/debian/ bookworm main\n',
    'http://mirror.example/debian/',
    undefined,
  ],
  [
    'a line with options',
    'sources.list',
    `deb [arch=amd64 signed-by=${KEYRING}] https://mirror.example/debian bookworm main contrib # ours`,
    'https://mirror.example/debian',
    KEYRING,
  ],
  [
    'a snapshot',
    'sources.list',
    'deb http://snapshot.example/archive/debian/20250520T000000Z bookworm main',
    'http://snapshot.example/archive/debian/20250520T000000Z',
    undefined,
  ],
  [
    'a list of mirrors',
    'debian.sources',
    'Types: deb\nURIs: mirror+file:/etc/apt/mirrors/debian.list\nSuites: bookworm\nComponents: main\n',
    'mirror+file:/etc/apt/mirrors/debian.list',
    undefined,
  ],
  ['sources only', 'sources.list', 'deb-src http://mirror.example/debian bookworm main', undefined, undefined],
  [
    'a line that is commented out',
    'sources.list',
    '# deb http://mirror.example/debian bookworm main',
    undefined,
    undefined,
  ],
  ['stanzas that are switched off', 'debian.sources', `Enabled: no\n${sources.split('\n\n')[0]}`, undefined, undefined],
  ['the security archive alone', 'debian.sources', sources.split('\n\n')[1] ?? '', undefined, undefined],
  ['somebody else’s packages', 'other.list', 'deb https://apt.example/apt bookworm main', undefined, undefined],
];

describe('the archive of Debian in a machine’s apt sources', () => {
  for (const [what, name, text, uri, signedBy] of FOUND) {
    test(`is ${uri ?? 'not there'} for ${what}`, () => {
      const expected = uri === undefined ? undefined : { uri, signedBy };
      expect(debianSourceIn([{ name, text }], 'bookworm')).toEqual(expected);
    });
  }

  test('is the one that Debian’s keyring vouches for, when another publishes under the same words', () => {
    const other = { name: 'a.list', text: 'deb https://database.example/11.4/debian bookworm main' };
    expect(debianSourceIn([other, { name: 'debian.sources', text: sources }], 'bookworm')?.uri).toBe(
      'http://mirror.example/debian',
    );
  });

  test('has its key where the field names a file, and none where the key stands in the field itself', () => {
    const text = sources.replaceAll(KEYRING, '\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mDMEY865UxYJKwYBBAHaRw8B');
    expect(debianSourceIn([{ name: 'debian.sources', text }], 'bookworm')).toEqual({
      uri: 'http://mirror.example/debian',
      signedBy: undefined,
    });
  });
});
