import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { contractSuite, startWorld } from '@tillmesh/channel-kit/contract';
import { afterAll } from 'vitest';
import { qra } from '../src/channel.ts';
import { startPeer } from './qra-peer.ts';

const folder = mkdtempSync(join(tmpdir(), 'tillmesh-channel-qra-'));
afterAll(() => rmSync(folder, { recursive: true }));

const merchants = [
  { accountId: 'qra-a', mchId: 'QRA290000000001', key: '9d101c97133837e13dde2d32a5054abb' },
  { accountId: 'qra-b', mchId: 'QRA290000000002', key: '7daa4babae15ae17eee90c9e7d9b1a2c' },
] as const;

contractSuite(qra, async () => {
  const accounts = merchants.map(({ accountId, mchId, key }) => {
    const keyFile = join(folder, accountId);
    writeFileSync(keyFile, key);
    return { accountId, mchId, keyFile };
  });
  return startWorld(await startPeer(merchants), {
    channel: qra,
    accountsOf: (baseUrl) => {
      const [first = {}, second = {}] = accounts.map((account) => ({ ...account, baseUrls: [baseUrl] }));
      return [first, second];
    },
    declineCode: 'NOTENOUGH',
    secrets: merchants.map(({ key }) => key),
  });
});
