import { channelSettings, createChannelHttp, hostsOf, httpLimitsOf } from '@tillmesh/channel-kit';
import { type SandboxProcess, startSandboxProcess } from '@tillmesh/channel-kit/contract';
import { systemClock, systemRandom } from '@tillmesh/clock';
import { parseConfig } from '@tillmesh/config';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { wechat } from '../src/channel.ts';
import type { WechatAccount } from '../src/config.ts';
import { askOrder } from '../src/order-payment.ts';
import { accountOf } from './contract-world.ts';
import { order } from './wechat-peer.ts';

// The platform changes its keys while accounts are at work; requests and answers go over real sockets.

type Key = { readonly kind: string; readonly id: string; readonly inUse: boolean };

let sandbox: SandboxProcess;
let http: ReturnType<typeof createChannelHttp>;
let accounts: readonly WechatAccount[];
const GAP_MS = 1_000;

beforeAll(async () => {
  sandbox = await startSandboxProcess();
  const settings = parseConfig(
    channelSettings(wechat),
    {
      server: { port: 0 },
      accounts: [
        {
          ...accountOf(
            sandbox.keys,
            { merchant: 'direct', keys: 'certificates', codePayments: 'v2' },
            0,
            sandbox.urls.wechat,
          ),
          platformCertificates: { unknownSerialGapMs: GAP_MS },
        },
        accountOf(sandbox.keys, { merchant: 'direct', keys: 'public_key', codePayments: 'v2' }, 1, sandbox.urls.wechat),
      ],
    },
    'the test',
  );
  ({ accounts } = settings);
  http = createChannelHttp({
    channelId: wechat.id,
    hosts: hostsOf(wechat, settings),
    limits: httpLimitsOf(settings),
    clock: systemClock,
  });
  await change({ do: 'sign_with', kind: 'certificate' });
});
afterAll(async () => {
  await http.close();
  await sandbox.close();
});

const change = async (wish: object): Promise<readonly Key[]> => {
  const { status, answer } = await sandbox.control<{ keys: readonly Key[] }>('POST', '/wechat/keys', wish);
  expect([status, answer]).toMatchObject([200, {}]);
  return answer.keys;
};

/** How an answer of the sandbox is signed, in the eyes of an account: it knows no such order, and says so with its signature. */
const seenBy = async (index: 0 | 1) => {
  const account = accounts[index];
  if (account === undefined) throw new Error('the account was not loaded');
  const signal = new AbortController().signal;
  const call = { account, http, clock: systemClock, random: systemRandom, signal };
  return askOrder(order({ kind: 'merchant_qr' }), call);
};
const VERIFIED = { facts: { signature: 'verified' }, orderNotFound: true };

test('a new certificate is found at once, the old one ends, and one that nobody lists is never believed', async () => {
  expect(await seenBy(0)).toMatchObject(VERIFIED);
  const before = await change({ do: 'add', kind: 'certificate' });
  const [old, next] = before.filter(({ kind }) => kind === 'certificate');
  expect(await seenBy(0)).toMatchObject(VERIFIED);
  await change({ do: 'use', id: next?.id });
  await systemClock.sleep(GAP_MS);
  expect(await seenBy(0)).toMatchObject(VERIFIED);
  await change({ do: 'retire', id: old?.id });
  expect(await seenBy(0)).toMatchObject(VERIFIED);
  // Signs, but begins tomorrow.
  const later = (await change({ do: 'add', kind: 'certificate', effectiveInSeconds: 86_400 })).at(-1);
  await change({ do: 'use', id: later?.id });
  await systemClock.sleep(GAP_MS);
  expect(await seenBy(0)).toMatchObject({ facts: { signature: 'invalid' }, orderNotFound: false });
  await change({ do: 'use', id: next?.id });
  expect(await seenBy(0)).toMatchObject(VERIFIED);
});

test('a public key goes on to sign for who asks for it while another is in use, until it is retired', async () => {
  expect(await seenBy(1)).toMatchObject(VERIFIED);
  const keys = await change({ do: 'add', kind: 'public_key' });
  const [first, second] = keys.filter(({ kind }) => kind === 'public_key');
  await change({ do: 'use', id: second?.id });
  expect(await seenBy(1)).toMatchObject(VERIFIED);
  await change({ do: 'sign_with', kind: 'public_key' });
  await change({ do: 'retire', id: first?.id });
  expect(await seenBy(1)).toMatchObject({ facts: { signature: 'invalid' }, orderNotFound: false });
});
