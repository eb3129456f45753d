import { expect, test } from 'vitest';
import type { Connection } from '../src/connection.ts';
import { DatabaseError } from '../src/database-error.ts';
import { transaction } from '../src/transaction.ts';

/** A connection on which this statement fails, as one fails for which no time is left: nothing is sent, and the socket stays. */
const connectionThatFailsAt = (failing: string) => {
  const said: string[] = [];
  let usable = true;
  const connection: Connection = {
    endpoint: { host: 'nowhere', port: 1 },
    usable: () => usable,
    cut: () => {
      usable = false;
    },
    run: async ({ summary }) => {
      if (summary === failing) throw new DatabaseError('TILLMESH_NO_TIME_LEFT', 'not_written');
      said.push(summary);
      return { rows: [], affectedRows: 1 };
    },
  };
  return { connection, said };
};

const play = async (failing: string, commit: boolean, fails = false) => {
  const { connection, said } = connectionThatFailsAt(failing);
  const end = await transaction(connection, { atMs: 0 }, async () => {
    if (fails) throw new DatabaseError('ER_DUP_ENTRY', 'not_written');
    return { commit, value: 'done' };
  }).catch((error: unknown) => (error instanceof DatabaseError ? error.code : 'something else'));
  return { end, said, usable: connection.usable() };
};

// In an open transaction the next user's INSERT would be answered OK and thrown away when the connection ends.
test.each([
  ['COMMIT', true, false, 'TILLMESH_NO_TIME_LEFT'],
  ['ROLLBACK', false, false, 'TILLMESH_NO_TIME_LEFT'],
  ['ROLLBACK', false, true, 'ER_DUP_ENTRY'],
])('a connection whose %s could not be sent is never used again', async (failing, commit, fails, end) => {
  expect(await play(failing, commit, fails)).toEqual({ end, said: ['BEGIN'], usable: false });
});

test('a transaction that ends leaves its connection usable', async () => {
  expect(await play('', true)).toEqual({ end: 'done', said: ['BEGIN', 'COMMIT'], usable: true });
  expect(await play('', false)).toEqual({ end: 'done', said: ['BEGIN', 'ROLLBACK'], usable: true });
  expect(await play('', true, true)).toEqual({ end: 'ER_DUP_ENTRY', said: ['BEGIN', 'ROLLBACK'], usable: true });
});
