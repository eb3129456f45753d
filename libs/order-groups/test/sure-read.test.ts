import { describe, expect, test } from 'vitest';
import { DatabaseError, OWN_CODES } from '../src/database-error.ts';
import type { GroupClient, ReadFrom } from '../src/group-client.ts';
import { readAt, readFound } from '../src/sure-read.ts';
import { clientThatAnswers, never } from './client-that-answers.ts';

const deadline = { atMs: 1_000 };

type Answers = {
  readonly read?: ReadFrom<unknown>;
  readonly readNearby?: ReadFrom<unknown>;
  readonly quorum?: readonly unknown[] | 'too_few';
};

/** A group that gives these answers, whatever is asked: what is read is what the answer's own work returns. */
const groupThatAnswers = (answers: Answers) => {
  const asked: string[] = [];
  // The answers stand in for what a work would have read.
  const client = clientThatAnswers({
    read: async () => {
      asked.push('read');
      return answers.read ?? never();
    },
    readNearby: async () => {
      asked.push('readNearby');
      return answers.readNearby ?? never();
    },
    readQuorum: async () => {
      asked.push('quorum');
      return answers.quorum === 'too_few' ? undefined : (answers.quorum ?? never());
    },
  } as unknown as Partial<GroupClient>);
  return { client, asked };
};

const work = async (): Promise<unknown> => never();
const fromPrimary = (value?: unknown): ReadFrom<unknown> => ({ value, fromReplica: false, staleMs: 0 });
const fromReplica = (value?: unknown): ReadFrom<unknown> => ({ value, fromReplica: true, staleMs: 40 });

describe('a read of what may not be there', () => {
  test('believes the primary that there is nothing', async () => {
    const { client, asked } = groupThatAnswers({ read: fromPrimary() });
    expect(await readFound(client, 'read', deadline, work)).toEqual(fromPrimary());
    expect(asked).toEqual(['read']);
  });

  test('takes what a replica has', async () => {
    const { client, asked } = groupThatAnswers({ read: fromReplica('row') });
    expect(await readFound(client, 'read', deadline, work)).toEqual(fromReplica('row'));
    expect(asked).toEqual(['read']);
  });

  test('asks a quorum where a replica has nothing while the primary is away', async () => {
    const { client, asked } = groupThatAnswers({ read: fromReplica(), quorum: [undefined, 'row'] });
    expect((await readFound(client, 'read', deadline, work)).value).toBe('row');
    expect(asked).toEqual(['read', 'quorum']);
  });

  test('knows by a quorum that there is nothing', async () => {
    const { client } = groupThatAnswers({ read: fromReplica(), quorum: [undefined, undefined] });
    expect((await readFound(client, 'read', deadline, work)).value).toBeUndefined();
  });

  test('says that it cannot know where too few answer', async () => {
    const { client } = groupThatAnswers({ read: fromReplica(), quorum: 'too_few' });
    const failure = await readFound(client, 'read', deadline, work).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(DatabaseError);
    expect(failure).toHaveProperty('code', OWN_CODES.noQuorum);
  });

  test('nearby asks the primary where the replica has nothing: the row may be on its way', async () => {
    const { client, asked } = groupThatAnswers({ readNearby: fromReplica(), read: fromPrimary('row') });
    expect(await readFound(client, 'readNearby', deadline, work)).toEqual(fromPrimary('row'));
    expect(asked).toEqual(['readNearby', 'read']);
  });

  test('of a quorum takes the answer that counts', async () => {
    const { client } = groupThatAnswers({ quorum: ['hidden', undefined, 'shown'] });
    const { value } = await readAt(client, 'quorum', deadline, work, (seen) => seen === 'shown');
    expect(value).toBe('shown');
  });
});
