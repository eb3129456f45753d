import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@tillmesh/clock';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { within } from '../src/waiting.ts';
import { rowOf, valuesOf } from './databases.ts';
import { type GroupUnderTest, startGroup } from './group-under-test.ts';
import { eventually } from './temporary-folder.ts';

// One group behind proxies for all tests of this file; each test leaves its network healed and its nodes running.
const folder = mkdtempSync(join(tmpdir(), 'tillmesh-stack-'));
let under: GroupUnderTest;
let lastId = 100;

beforeAll(async () => {
  under = await startGroup(folder, { proxies: true });
});
afterAll(async () => {
  await under.stack.stop();
  rmSync(folder, { recursive: true, force: true });
});

const healthyAgain = async () => {
  const isHealthy = async () => ((await under.acknowledging()) === 2 ? true : undefined);
  await eventually('two replicas acknowledge', isHealthy);
};
const isLate = async (work: Promise<unknown>, ms: number) => {
  const settled = work.then(
    () => 'settled',
    () => 'settled',
  );
  return (await within(systemClock, ms, settled)) === 'late';
};

describe('with proxies', () => {
  test('clients and replicas come through them, and a write is on all nodes', async () => {
    const { group, write, arrives } = under;
    const id = ++lastId;
    await write(id);
    for (const replica of group.replicas()) {
      await arrives(replica, id);
      const state = await replica.administer((connection) => rowOf(connection, 'SHOW SLAVE STATUS'));
      const own = await group.primary().administer((connection) => rowOf(connection, 'SELECT @@port AS port'));
      expect([group.primary().port, Number(own['port'])]).not.toContain(Number(state['Master_Port']));
    }
  });

  test('a server that is dead refuses connections, as without them', async () => {
    const [replica] = under.group.replicas();
    if (replica === undefined) throw new Error('a replica is expected');
    await replica.kill('SIGKILL');
    await expect(under.has(replica, 1)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await replica.start();
    expect(await under.has(replica, 1)).toBe(true);
    await healthyAgain();
  });
});

describe('a primary cut off', () => {
  test('from its clients does not answer them, executes what they had sent when it is healed, and keeps its replicas', async () => {
    const { group, write, arrives, has } = under;
    const primary = group.primary();
    const id = ++lastId;
    await primary.network().clients.cut();
    expect(await isLate(write(id), 300)).toBe(true);
    expect(await under.acknowledging()).toBe(2);
    await primary.network().clients.heal();
    await eventually('the write', async () => ((await has(primary, id)) ? true : undefined));
    for (const replica of group.replicas()) await arrives(replica, id);
  });

  test('from its replicas takes a write and cannot answer it before they are back', async () => {
    const { group, write, arrives } = under;
    const id = ++lastId;
    await group.primary().network().replication.cut();
    const writing = write(id);
    expect(await isLate(writing, 500)).toBe(true);
    await group.primary().network().replication.heal();
    await writing;
    for (const replica of group.replicas()) await arrives(replica, id);
    await healthyAgain();
  });

  test('from everybody is replaced within ten seconds, gets no write answered when it is back, and can be made anew', async () => {
    const { group, write, arrives, has } = under;
    const old = group.primary();
    await old.network().everything.cut();
    const [sent, id] = [++lastId, ++lastId];
    const lost = write(sent, old);
    expect(await isLate(lost, 300)).toBe(true);
    const promotion = await group.promote();
    expect(promotion.formerPrimary).toEqual({ name: old.name, state: 'silent' });
    expect(promotion.writableAfterMs).toBeLessThan(10_000);
    await write(id);
    await old.network().everything.heal();
    const [replica] = group.replicas();
    if (replica === undefined) throw new Error('a replica is expected');
    await arrives(replica, id);
    expect(await has(group.primary(), sent)).toBe(false);
    // It still believes that it is the primary: what was sent arrives now, and gets no acknowledgement.
    await eventually('the late write waits', () =>
      old.administer(async (connection) => {
        const states = await valuesOf(connection, 'SELECT state FROM information_schema.processlist');
        return states.some((state) => /semi-sync ACK/.test(String(state))) ? true : undefined;
      }),
    );
    expect(await isLate(lost, 500)).toBe(true);
    expect(await isLate(write(++lastId, old), 500)).toBe(true);
    await expect(old.start()).rejects.toMatchObject({ problem: 'node_diverged' });
    await old.rebuild();
    expect(await has(old, sent)).toBe(false);
    await healthyAgain();
  });
});

test('a replica cut off from its primary alone leaves the other to acknowledge', async () => {
  const { group, write, arrives } = under;
  const [cut, other] = group.replicas();
  if (cut === undefined || other === undefined) throw new Error('two replicas are expected');
  await cut.network().replication.cut();
  const id = ++lastId;
  await write(id);
  await arrives(other, id);
  expect(await under.has(cut, id)).toBe(false);
  await cut.network().replication.heal();
  await arrives(cut, id);
  await healthyAgain();
});

test('a slow way to the replicas makes every write as slow, and a reset one is found again by itself', async () => {
  const { group, write } = under;
  const { replication } = group.primary().network();
  await replication.delay(200);
  const beganMs = systemClock.monotonicMs();
  await write(++lastId);
  expect(systemClock.monotonicMs() - beganMs).toBeGreaterThanOrEqual(399);
  await replication.reset();
  await eventually('nobody acknowledges', async () => ((await under.acknowledging()) === 0 ? true : undefined));
  await replication.heal();
  await write(++lastId);
  await healthyAgain();
});

test('a write whose acknowledgement was lost on the way waits although both replicas have it, until the next one', async () => {
  const { group, b, c, a, write, arrives } = under;
  const { replication } = group.primary().network();
  const replicas = [a, b, c].filter((node) => node !== group.primary());
  await replication.delay(400);
  const id = ++lastId;
  const writing = write(id);
  for (const replica of replicas) await arrives(replica, id);
  await replication.reset();
  await replication.heal();
  await healthyAgain();
  expect(await isLate(writing, 1_000)).toBe(true);
  expect(await under.has(group.primary(), id)).toBe(false);
  await write(++lastId);
  await writing;
});
