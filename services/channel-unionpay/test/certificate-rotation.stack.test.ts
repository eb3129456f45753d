import { channelSettings, createChannelHttp, hostsOf, httpLimitsOf } from '@tillmesh/channel-kit';
import { type SandboxProcess, startSandboxProcess } from '@tillmesh/channel-kit/contract';
import { seededRandom, systemClock } from '@tillmesh/clock';
import { parseConfig } from '@tillmesh/config';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { unionpay } from '../src/channel.ts';
import { order } from './unionpay-peer.ts';

// UnionPay's certificate changes while the adapter works: whoever trusts the authority follows, whoever trusts one certificate does not.

let sandbox: SandboxProcess;
beforeAll(async () => {
  sandbox = await startSandboxProcess();
});
afterAll(() => sandbox.close());

test('the next certificate of UnionPay is followed without a restart by who trusts its authority alone', async () => {
  const { keys, urls } = sandbox;
  const accounts = [
    { certificateTrust: { authorities: [keys.unionpay.rootFile] } },
    { unionpayCertificates: [keys.unionpay.certificateFile] },
    { certificateTrust: { authorities: [keys.alipay.rootFile] } },
  ].map((trust, index) => ({
    accountId: `unionpay-${index}`,
    baseUrls: [`${urls.unionpay}/gateway/api`],
    merId: keys.unionpay.accounts[0]?.merId,
    certId: keys.unionpay.accounts[0]?.certId,
    privateKeyFile: keys.unionpay.accounts[0]?.merchantPrivateKeyFile,
    ...trust,
  }));
  const settings = parseConfig(channelSettings(unionpay), { server: { port: 0 }, accounts }, 'the test');
  const http = createChannelHttp({
    channelId: 'unionpay',
    hosts: hostsOf(unionpay, settings),
    limits: httpLimitsOf(settings),
    clock: systemClock,
  });
  const signatures = () =>
    Promise.all(
      settings.accounts.map(async (account) => {
        const call = {
          account,
          http,
          clock: systemClock,
          random: seededRandom(1),
          signal: new AbortController().signal,
        };
        return (await unionpay.queryPayment(order({ createdAtMs: systemClock.nowMs() }), call)).facts.signature;
      }),
    );
  expect(await signatures()).toEqual(['verified', 'verified', 'invalid']);
  expect((await sandbox.control('POST', '/rotate', { channel: 'unionpay' })).status).toBe(200);
  expect(await signatures()).toEqual(['verified', 'invalid', 'invalid']);
  await http.close();
});
