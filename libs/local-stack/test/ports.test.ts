import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { seededRandom } from '@tillmesh/clock';
import { describe, expect, test } from 'vitest';
import { freePorts, isPortFree, LOCAL_HOST } from '../src/ports.ts';
import { choosePorts } from '../src/stack-ports.ts';
import { removeFoldersAfterEach, temporaryFolder } from './temporary-folder.ts';

removeFoldersAfterEach();

/** Listens on a port while `work` runs. */
const whileTaken = async (port: number, work: () => Promise<void>) => {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, LOCAL_HOST, resolve);
  });
  try {
    await work();
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
};

describe('free ports', () => {
  test('are different from each other, free, and below the ports of outgoing connections', async () => {
    const ports = await freePorts(20);
    expect(new Set(ports).size).toBe(20);
    for (const port of ports) {
      expect(port).toBeGreaterThanOrEqual(20_000);
      expect(port).toBeLessThan(32_768);
      expect(await isPortFree(port)).toBe(true);
    }
  });

  test('leave out what is taken and what is to be avoided', async () => {
    const [first, second] = await freePorts(2, new Set(), seededRandom(7));
    if (first === undefined || second === undefined) throw new Error('two ports were asked for');
    await whileTaken(first, async () => {
      expect(await isPortFree(first)).toBe(false);
      expect(await freePorts(3, new Set([second]), seededRandom(7))).not.toContain(first);
      expect(await freePorts(3, new Set([second]), seededRandom(7))).not.toContain(second);
    });
  });
});

describe('the ports of a stack', () => {
  test('are the same at the second start', async () => {
    const portsFile = join(temporaryFolder(), 'ports.json');
    const first = await choosePorts(['redis', 'g1-a'], { portsFile });
    expect(await choosePorts(['redis', 'g1-a'], { portsFile })).toEqual(first);
  });

  test('change for the one server whose port is taken, and only for that', async () => {
    const portsFile = join(temporaryFolder(), 'ports.json');
    const first = await choosePorts(['redis', 'g1-a'], { portsFile });
    await whileTaken(first.get('g1-a') ?? 0, async () => {
      const second = await choosePorts(['redis', 'g1-a'], { portsFile });
      expect(second.get('redis')).toBe(first.get('redis'));
      expect(second.get('g1-a')).not.toBe(first.get('g1-a'));
    });
  });

  test('of a server that is not started this time stay reserved for it', async () => {
    const portsFile = join(temporaryFolder(), 'ports.json');
    const first = await choosePorts(['redis', 'g1-a'], { portsFile });
    await choosePorts(['g2-a'], { portsFile });
    expect(JSON.parse(readFileSync(portsFile, 'utf8'))).toMatchObject(Object.fromEntries(first));
  });

  test('are chosen anew when the file that remembers them is damaged', async () => {
    const portsFile = join(temporaryFolder(), 'ports.json');
    writeFileSync(portsFile, '{"redis": 99');
    expect((await choosePorts(['redis'], { portsFile })).get('redis')).toBeGreaterThanOrEqual(20_000);
  });

  test('follow from the base port when there is one', async () => {
    const place = { basePort: 15_300, portsFile: join(temporaryFolder(), 'ports.json') };
    expect([...(await choosePorts(['redis', 'g0-b', 'g2-a', 'g12-c'], place))]).toEqual([
      ['redis', 15_300],
      ['g0-b', 15_311],
      ['g2-a', 15_330],
      ['g12-c', 15_432],
    ]);
  });

  test('that are fixed and taken are all named in one error', async () => {
    const [basePort = 0] = await freePorts(1);
    await whileTaken(basePort, async () => {
      const choice = choosePorts(['redis', 'g1-a'], { basePort, portsFile: join(temporaryFolder(), 'ports.json') });
      await expect(choice).rejects.toMatchObject({
        problem: 'port_taken',
        message: expect.stringContaining(`127.0.0.1:${basePort} (redis)`) as unknown,
      });
    });
  });

  test('cannot lie above 65535', async () => {
    const choice = choosePorts(['g127-a'], { basePort: 65_000, portsFile: join(temporaryFolder(), 'ports.json') });
    await expect(choice).rejects.toMatchObject({ problem: 'options_wrong' });
  });
});
