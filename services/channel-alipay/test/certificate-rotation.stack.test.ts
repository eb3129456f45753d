import { channelSettings, createChannelHttp, hostsOf, httpLimitsOf } from '@tillmesh/channel-kit';
import { type SandboxProcess, startSandboxProcess } from '@tillmesh/channel-kit/contract';
import { seededRandom, systemClock } from '@tillmesh/clock';
import { parseConfig } from '@tillmesh/config';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { alipay } from '../src/channel.ts';
import { order } from './alipay-peer.ts';

// An application in certificate mode beside the sandbox: Alipay's certificate changes while the adapter works.

let sandbox: SandboxProcess;
beforeAll(async () => {
  sandbox = await startSandboxProcess();
});
afterAll(() => sandbox.close());

/** An adapter's way to the sandbox, with an account as its configuration says it. */
const start = (rootFile: string) => {
  const { keys, urls } = sandbox;
  const [own] = keys.alipay.accounts;
  const settings = parseConfig(
    channelSettings(alipay),
    {
      server: { port: 0 },
      accounts: [
        {
          accountId: own?.accountId,
          baseUrls: [urls.alipay],
          appId: own?.appId,
          sellerId: own?.sellerId,
          privateKeyFile: own?.appPrivateKeyFile,
          certificates: {
            applicationFile: own?.appCertificateFile,
            alipayFiles: [keys.alipay.certificateFile],
            rootFile,
          },
        },
      ],
    },
    'the test',
  );
  const [account] = settings.accounts;
  if (account === undefined) throw new Error('there is no account');
  const http = createChannelHttp({
    channelId: 'alipay',
    hosts: hostsOf(alipay, settings),
    limits: httpLimitsOf(settings),
    clock: systemClock,
  });
  const call = {
    account,
    http,
    clock: systemClock,
    random: seededRandom(1),
    signal: new AbortController().signal,
  };
  return {
    signature: async () => (await alipay.queryPayment(order(), call)).facts.signature,
    close: () => http.close(),
  };
};
const downloads = async (): Promise<number> => {
  const { answer } = await sandbox.control<{ requests: { alipay: Record<string, number> } }>('GET', '/stats');
  return answer.requests.alipay['alipay.open.app.alipaycert.download'] ?? 0;
};

test('the next certificate is asked for once, and what it signs is verified without a restart', async () => {
  const adapter = start(sandbox.keys.alipay.rootFile);
  expect(await adapter.signature()).toBe('verified');
  for (const rotations of [1, 2]) {
    expect((await sandbox.control('POST', '/rotate', { channel: 'alipay' })).status).toBe(200);
    expect(await adapter.signature()).toBe('verified');
    expect(await adapter.signature()).toBe('verified');
    expect(await downloads()).toBe(rotations);
  }
  await adapter.close();
});

test('a certificate that does not lead to a configured root is asked for once, and proves nothing', async () => {
  // UnionPay's authority stands for any other one.
  const adapter = start(sandbox.keys.unionpay.rootFile);
  await sandbox.control('POST', '/rotate', { channel: 'alipay' });
  const before = await downloads();
  expect([await adapter.signature(), await adapter.signature()]).toEqual(['invalid', 'invalid']);
  expect(await downloads()).toBe(before + 1);
  await adapter.close();
});
