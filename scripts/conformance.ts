// npm run conformance: the facts about a database server that the order store is built on, each shown by the server itself. They are part
// of `npm test` too, on MariaDB. Paths after `--` run other tests of databases on that server instead.

import { parseArgs } from 'node:util';
import { findMysql } from '@tillmesh/local-stack';
import { runVitest } from './run-vitest.ts';

const HELP = `npm run conformance -- [--server mariadb|mysql] [paths…]

  --server <name>  what the databases run (default mariadb); MySQL comes with npm run mysql:get
  paths            tests to run (default the conformance suite)`;

const SUITE = 'libs/order-groups/test/conformance';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { server: { type: 'string', default: 'mariadb' }, help: { type: 'boolean', default: false } },
});

const main = async (): Promise<number> => {
  const { server, help } = values;
  if (help || (server !== 'mariadb' && server !== 'mysql')) {
    process.stdout.write(`${HELP}\n`);
    return help ? 0 : 1;
  }
  if (server === 'mysql') {
    const mysql = await findMysql();
    if ('problem' in mysql) {
      process.stderr.write(`${mysql.problem}\n`);
      return 1;
    }
    process.stdout.write(`MySQL ${mysql.version}, ${mysql.path}\n`);
  }
  const paths = positionals.length === 0 ? [SUITE] : positionals;
  return runVitest(['--project', 'stack', '--reporter=verbose', ...paths], { TILLMESH_TEST_SERVER: server });
};

process.exitCode = await main();
