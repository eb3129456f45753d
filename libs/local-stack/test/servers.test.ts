import { expect, test } from 'vitest';
import { isAtLeast, mariadbVersionIn, redisVersionIn } from '../src/servers.ts';

const MARIADB: readonly (readonly [string, string | undefined])[] = [
  ['mariadbd  Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64 (Debian 12)', '10.11.19'],
  ['/usr/sbin/mysqld  Ver 11.4.3-MariaDB for Linux on aarch64', '11.4.3'],
  ['/usr/sbin/mysqld  Ver 8.4.2 for Linux on x86_64 (MySQL Community Server - GPL)', undefined],
  ['', undefined],
];
for (const [text, version] of MARIADB) {
  test(`"${text}" is ${version === undefined ? 'not MariaDB' : `MariaDB ${version}`}`, () => {
    expect(mariadbVersionIn(text)).toBe(version);
  });
}

const REDIS: readonly (readonly [string, string | undefined])[] = [
  ['Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=ae4d7c971a948f0', '7.0.15'],
  ['Valkey server v=8.0.1 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=1', '8.0.1'],
  ['something else', undefined],
];
for (const [text, version] of REDIS) {
  test(`"${text}" is ${version ?? 'no version'}`, () => {
    expect(redisVersionIn(text)).toBe(version);
  });
}

const VERSIONS: readonly (readonly [string, boolean])[] = [
  ['10.11.0', true],
  ['10.6.19', false],
  ['11.0.1', true],
  ['9.99.99', false],
];
for (const [version, enough] of VERSIONS) {
  test(`${version} is ${enough ? 'new enough' : 'too old'} for 10.11`, () => {
    expect(isAtLeast(version, [10, 11])).toBe(enough);
  });
}
