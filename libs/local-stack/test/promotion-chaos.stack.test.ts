import { seededRandom, systemClock } from '@tillmesh/clock';
import { afterEach, expect, test } from 'vitest';
import { LocalStackError } from '../src/index.ts';
import { asAccount } from './databases.ts';
import { type GroupUnderTest, startGroup } from './group-under-test.ts';
import { eventually, removeFoldersAfterEach, temporaryFolder } from './temporary-folder.ts';

removeFoldersAfterEach();
let under: GroupUnderTest | undefined;
afterEach(() => under?.stack.stop());

const SEED = 20_261_126;
const ROUNDS = 6;
const WRITERS = 6;
const ANSWER_MS = 1_000;

/** Writes to whoever is the primary, over connections that are given up as a service gives them up, until it is told to stop. */
const writeOn = ({ group, stack }: GroupUnderTest) => {
  const answered: number[] = [];
  let lastId = 1_000;
  let isOver = false;
  const works = Array.from({ length: WRITERS }, async () => {
    while (!isOver) {
      await asAccount(group.primary(), stack.accounts.app, async (connection) => {
        while (!isOver) {
          const id = ++lastId;
          await connection.query({ sql: 'INSERT INTO note (id) VALUES (?)', values: [id], timeout: ANSWER_MS });
          answered.push(id);
        }
      }).catch(() => systemClock.sleep(20));
    }
  });
  return {
    answered,
    stop: async () => {
      isOver = true;
      await Promise.all(works);
    },
  };
};

/** What may happen to a group, one of them a round. */
const FAULTS: Readonly<Record<string, (under: GroupUnderTest, pauseMs: number) => Promise<void>>> = {
  'the primary is killed': async ({ group }) => {
    await group.primary().kill('SIGKILL');
    await group.promote();
  },
  'the primary freezes and wakes': async ({ group }) => {
    const old = group.primary();
    await old.kill('SIGSTOP');
    await group.promote();
    await old.kill('SIGCONT');
  },
  'the primary is replaced': async ({ group }) => {
    await group.promote();
  },
  'a replica is killed, then the primary': async ({ group }, pauseMs) => {
    const [replica] = group.replicas();
    await replica?.kill('SIGKILL');
    await systemClock.sleep(pauseMs);
    await group.primary().kill('SIGKILL');
    await replica?.start();
    await group.promote();
  },
  'everybody is killed': async ({ group }) => {
    await Promise.all(group.nodes.map((node) => node.kill('SIGKILL')));
    await Promise.all(group.nodes.map((node) => node.start()));
  },
};

/** Brings back who was left out, in place or made anew. */
const makeWhole = async ({ group }: GroupUnderTest) => {
  for (const { node } of group.excluded()) {
    await node.start().catch(async (error: unknown) => {
      if (!(error instanceof LocalStackError) || error.problem !== 'node_diverged') throw error;
      await node.rebuild();
    });
  }
};

test('no answered row is lost over promotions, returns and rebuilds in any order', { timeout: 240_000 }, async () => {
  under = await startGroup(temporaryFolder());
  const { group, idsOn, acknowledging } = under;
  const random = seededRandom(SEED);
  const load = writeOn(under);
  const kinds = Object.keys(FAULTS);
  for (let round = 0; round < ROUNDS; round++) {
    const before = load.answered.length;
    await eventually('writes go on', () => (load.answered.length > before + 50 ? true : undefined), 30_000);
    await systemClock.sleep(random.below(300));
    const kind = kinds[random.below(kinds.length)] ?? '';
    const what = `seed ${SEED}, round ${round}: ${kind}`;
    const answered = [...load.answered];
    await FAULTS[kind]?.(under, random.below(200));
    await makeWhole(under);
    const kept = new Set(await idsOn(group.primary()));
    expect({ what, lost: answered.filter((id) => !kept.has(id)) }).toEqual({ what, lost: [] });
    const isWhole = async () => ((await acknowledging()) === 2 ? true : undefined);
    await eventually(`${what}: two replicas acknowledge`, isWhole);
  }
  await load.stop();
  const all = await idsOn(group.primary());
  expect(load.answered.filter((id) => !all.includes(id))).toEqual([]);
  for (const replica of group.replicas()) {
    const isSame = async () => ((await idsOn(replica)).length === all.length ? true : undefined);
    await eventually(`seed ${SEED}: the same rows on ${replica.name}`, isSame, 60_000);
  }
});
