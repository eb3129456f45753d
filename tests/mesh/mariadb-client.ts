import { readFileSync } from 'node:fs';
import { createConnection } from 'mysql2/promise';

// As much of MariaDB's command line client as the scripts of the chart's evaluation use, for machines that have only the server.

const words = process.argv.slice(2);
const valueOf = (name: string): string | undefined => {
  const place = words.findIndex((word) => word === `--${name}` || word.startsWith(`--${name}=`));
  return words[place]?.split('=').slice(1).join('=') || words[place + 1];
};

const sql = words.includes('--execute') ? (valueOf('execute') ?? '') : readFileSync(0, 'utf8');
const vertical = sql.trim().endsWith('\\G');

try {
  const connection = await createConnection({
    socketPath: valueOf('socket') ?? '',
    user: valueOf('user') ?? 'root',
    password: process.env['MYSQL_PWD'] ?? '',
    multipleStatements: true,
  });
  const [answer] = await connection.query(sql.trim().replace(/\\G$/, ''));
  const rows = (Array.isArray(answer) ? answer : []).filter((row) => !('affectedRows' in row)) as Record<
    string,
    unknown
  >[];
  for (const row of rows) {
    const line = vertical
      ? Object.entries(row)
          .map(([key, value]) => `${key}: ${String(value)}`)
          .join('\n')
      : Object.values(row).map(String).join('\t');
    process.stdout.write(`${line}\n`);
  }
  await connection.end();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
