import { expect, test } from 'vitest';
import { mysqlVersionIn } from '../src/mysql-server.ts';

test('the version of MySQL is read, and MariaDB is not taken for it', () => {
  expect(mysqlVersionIn('/usr/sbin/mysqld  Ver 9.7.4-2 for Linux on x86_64 ((Debian))')).toBe('9.7.4');
  expect(mysqlVersionIn('mysqld  Ver 8.4.8 for macos15 on arm64 (Homebrew)')).toBe('8.4.8');
  expect(mysqlVersionIn('mysqld  Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64')).toBeUndefined();
  expect(mysqlVersionIn('Redis server v=7.0.15')).toBeUndefined();
});
