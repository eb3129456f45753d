import { existsSync, mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@tillmesh/clock';
import { afterEach, expect, test } from 'vitest';
import { LocalStackError, startLocalStack } from '../src/index.ts';
import { diskFolderOf, mountSmallDisk, putSmallDiskAway } from '../src/small-disk.ts';
import { within } from '../src/waiting.ts';
import { type GroupUnderTest, startGroup, wordsFor } from './group-under-test.ts';
import { eventually, removeFoldersAfterEach, temporaryFolder } from './temporary-folder.ts';

/** Whether this machine can mount at all: without that there is nothing to test but the error. */
const why = await (async () => {
  const home = mkdtempSync(join(tmpdir(), 'tillmesh-disk-'));
  try {
    await mountSmallDisk(home, 160);
    await putSmallDiskAway(home);
    return undefined;
  } catch (error) {
    if (error instanceof LocalStackError) return error;
    throw error;
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
})();

removeFoldersAfterEach();
let under: GroupUnderTest | undefined;
afterEach(() => under?.stack.stop());

test.skipIf(why === undefined)('where it cannot be mounted it says what is needed', () => {
  expect(why).toMatchObject({
    problem: 'not_possible_here',
    message: expect.stringMatching(/root|SYS_ADMIN/) as unknown,
  });
});

test.skipIf(why !== undefined)(
  'a primary whose disk is full answers no write, loses none, and goes on when there is space',
  async () => {
    const folder = temporaryFolder();
    under = await startGroup(folder, { smallDisks: { 'g5-a': 200 } });
    const { a, write, has, stack } = under;
    const data = diskFolderOf(join(folder, 'g5-a'));
    expect(statfsSync(data).blocks * statfsSync(data).bsize).toBe(200 * 1024 * 1024);
    await a.disk().fill();
    // A few rows may still fit into space that the server has taken before.
    const answered: number[] = [];
    let stuck: Promise<unknown> = Promise.resolve();
    const probe = async () => {
      const id = 100 + answered.length;
      const writing = write(id);
      stuck = writing.catch(() => undefined);
      const outcome = await within(
        systemClock,
        1_000,
        writing.then(
          () => 'OK',
          () => 'refused',
        ),
      );
      if (outcome !== 'OK') return outcome === 'late' ? 'no answer' : outcome;
      answered.push(id);
      return undefined;
    };
    await eventually('a write that is not answered with OK', probe, 60_000);
    await a.disk().free();
    await a.kill('SIGKILL');
    await stuck;
    await a.start();
    for (const id of answered) expect(await has(a, id)).toBe(true);
    await write(99);

    // The data stays when the disk goes, with the option and without it.
    await stack.stop();
    expect(existsSync(data)).toBe(false);
    under = wordsFor(await startLocalStack({ folder, groupTags: [5], redis: false, clock: systemClock }));
    expect(await under.has(under.a, 99)).toBe(true);
    await under.write(98);
  },
);

test.skipIf(why !== undefined)(
  'asks for root only where a disk is wanted, and for a size in which a node fits',
  async () => {
    expect(userInfo().uid).toBe(0);
    const small = startLocalStack({
      folder: temporaryFolder(),
      groupTags: [5],
      redis: false,
      clock: systemClock,
      smallDisks: { 'g5-b': 20 },
    });
    await expect(small).rejects.toMatchObject({ problem: 'options_wrong' });
  },
);
