import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { contractSuite, startWorld } from '@tillmesh/channel-kit/contract';
import { afterAll } from 'vitest';
import { sample } from '../src/channel.ts';
import { startPeer } from './sample-peer.ts';

const folder = mkdtempSync(join(tmpdir(), 'tillmesh-channel-sample-'));
afterAll(() => rmSync(folder, { recursive: true }));

const merchants = [
  { accountId: 'sample-a', merchantNo: '1000001', key: 'a-key-of-thirty-two-characters-a' },
  { accountId: 'sample-b', merchantNo: '1000002', key: 'a-key-of-thirty-two-characters-b' },
] as const;

contractSuite(sample, async () => {
  const accounts = merchants.map(({ accountId, merchantNo, key }) => {
    const keyFile = join(folder, accountId);
    writeFileSync(keyFile, key);
    return { accountId, merchantNo, keyFile };
  });
  return startWorld(await startPeer(merchants), {
    channel: sample,
    accountsOf: (baseUrl) => {
      const [first = {}, second = {}] = accounts.map((account) => ({ ...account, baseUrls: [baseUrl] }));
      return [first, second];
    },
    declineCode: 'NOT_ENOUGH_MONEY',
    secrets: merchants.map(({ key }) => key),
  });
});
