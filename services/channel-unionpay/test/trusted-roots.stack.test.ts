import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { channelSettings, createChannelHttp, hostsOf, httpLimitsOf } from '@tillmesh/channel-kit';
import { issueCertificate, type SandboxProcess, startSandboxProcess } from '@tillmesh/channel-kit/contract';
import { seededRandom, systemClock } from '@tillmesh/clock';
import { parseConfig } from '@tillmesh/config';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { unionpay } from '../src/channel.ts';
import { order } from './unionpay-peer.ts';

// The adapter and the sandbox over TLS: what the configuration trusts decides whether anything is sent.

const folder = mkdtempSync(join(tmpdir(), 'tillmesh-roots-'));
const foreignRoot = join(folder, 'foreign.pem');
writeFileSync(foreignRoot, issueCertificate({ commonName: 'another authority', isAuthority: true }).certificate);
let sandbox: SandboxProcess;
beforeAll(async () => {
  sandbox = await startSandboxProcess(undefined, { tls: true });
});
afterAll(async () => {
  await sandbox.close();
  rmSync(folder, { recursive: true });
});

const settingsOf = (http: object) => {
  const { keys, urls } = sandbox;
  const [account] = keys.unionpay.accounts;
  return parseConfig(
    channelSettings(unionpay),
    {
      server: { port: 0 },
      http,
      accounts: [
        {
          accountId: account?.accountId,
          baseUrls: [`${urls.unionpay}/gateway/api`],
          merId: account?.merId,
          certId: account?.certId,
          privateKeyFile: account?.merchantPrivateKeyFile,
          unionpayCertificates: [keys.unionpay.certificateFile],
        },
      ],
    },
    'the test',
  );
};
const requestsSeen = async (): Promise<number> => {
  const { answer } = await sandbox.control<{ requests: { unionpay?: { query?: number } } }>('GET', '/stats');
  return answer.requests.unionpay?.query ?? 0;
};
const ask = async (http: object) => {
  const settings = settingsOf(http);
  const [account] = settings.accounts;
  if (account === undefined) throw new Error('there is no account');
  const channelHttp = createChannelHttp({
    channelId: 'unionpay',
    hosts: hostsOf(unionpay, settings),
    limits: httpLimitsOf(settings),
    clock: systemClock,
  });
  const call = {
    account,
    http: channelHttp,
    clock: systemClock,
    random: seededRandom(1),
    signal: new AbortController().signal,
  };
  const seen = await unionpay.queryPayment(order({ createdAtMs: systemClock.nowMs() }), call);
  await channelHttp.close();
  return seen.facts;
};

test('a channel is asked whose certificate a configured root has issued', async () => {
  const before = await requestsSeen();
  const facts = await ask({ trustedRoots: [foreignRoot, sandbox.keys.tls.rootFile] });
  expect(facts).toMatchObject({ transport: 'answered', signature: 'verified' });
  expect(await requestsSeen()).toBe(before + 1);
});

test('a channel that only another root vouches for, or none of the public ones, gets no request', async () => {
  const before = await requestsSeen();
  for (const http of [{ trustedRoots: [foreignRoot] }, {}]) {
    expect(await ask(http)).toMatchObject({ transport: 'not_sent', sends: 0 });
  }
  expect(await requestsSeen()).toBe(before);
});

test('a file that holds no authority, or two, is refused by name', () => {
  const leaf = join(folder, 'leaf.pem');
  writeFileSync(leaf, issueCertificate({ commonName: 'no authority' }).certificate);
  const two = join(folder, 'two.pem');
  writeFileSync(
    two,
    ['a', 'b'].map((name) => issueCertificate({ commonName: name, isAuthority: true }).certificate).join(''),
  );
  for (const file of [leaf, two, sandbox.keys.tls.certificateKeyFile]) {
    expect(() => settingsOf({ trustedRoots: [file] })).toThrow('trustedRoots.0: the file holds no certificate');
  }
  expect(() => settingsOf({ trustedRoots: [] })).toThrow('trustedRoots');
});
