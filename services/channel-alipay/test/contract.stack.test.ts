import { readFileSync } from 'node:fs';
import {
  contractSuite,
  type SandboxKeys,
  type SentNotification,
  startSandboxWorld,
} from '@tillmesh/channel-kit/contract';
import { alipay } from '../src/channel.ts';

const changed =
  (change: (form: URLSearchParams) => void) =>
  ({ headers, body }: SentNotification): SentNotification => {
    const form = new URLSearchParams(Buffer.from(body).toString('utf8'));
    change(form);
    return { headers, body: Buffer.from(form.toString()) };
  };

const accountOf = (keys: SandboxKeys, index: 0 | 1, baseUrl: string): object => {
  const account = keys.alipay.accounts[index];
  return {
    accountId: account?.accountId,
    baseUrls: [baseUrl],
    billUrl: baseUrl,
    appId: account?.appId,
    sellerId: account?.sellerId,
    privateKeyFile: account?.appPrivateKeyFile,
    alipayPublicKeys: [keys.alipay.publicKeyFile],
  };
};

contractSuite(alipay, () =>
  startSandboxWorld({
    channel: alipay,
    wallet: 'alipay',
    accountsOf: (keys, baseUrl) => [accountOf(keys, 0, baseUrl), accountOf(keys, 1, baseUrl)],
    declineCode: 'ACQ.BUYER_BALANCE_NOT_ENOUGH',
    billFaults: [
      ['truncated', 'truncated'],
      ['wrong_encoding', 'wrong_encoding'],
      ['wrong_totals', 'totals_differ'],
      ['bad_archive', 'bad_archive'],
      ['not_ready', undefined],
    ],
    secretsOf: ({ alipay: { accounts } }) =>
      accounts.map(({ appPrivateKeyFile }) => readFileSync(appPrivateKeyFile, 'utf8').slice(100, 160)),
    forged: changed((form) => form.set('total_amount', '0.01')),
    unsigned: changed((form) => form.delete('sign')),
  }),
);
