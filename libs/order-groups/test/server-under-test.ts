import type { ServerKind } from '@tillmesh/local-stack';

/** What the databases of these tests run: MariaDB, unless `npm run conformance -- --server mysql` says otherwise. */
export const serverUnderTest: ServerKind = process.env['TILLMESH_TEST_SERVER'] === 'mysql' ? 'mysql' : 'mariadb';

/** What is true of the server under test, where the two differ. */
export const onThisServer = <T>(value: Readonly<Record<ServerKind, T>>): T => value[serverUnderTest];
