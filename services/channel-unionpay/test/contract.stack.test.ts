import { readFileSync } from 'node:fs';
import {
  contractSuite,
  type SandboxKeys,
  type SentNotification,
  startSandboxWorld,
} from '@tillmesh/channel-kit/contract';
import { unionpay } from '../src/channel.ts';

const changed =
  (change: (form: URLSearchParams) => void) =>
  ({ headers, body }: SentNotification): SentNotification => {
    const form = new URLSearchParams(Buffer.from(body).toString('utf8'));
    change(form);
    return { headers, body: Buffer.from(form.toString()) };
  };

const accountOf = (keys: SandboxKeys, index: 0 | 1, baseUrl: string): object => {
  const account = keys.unionpay.accounts[index];
  return {
    accountId: account?.accountId,
    baseUrls: [`${baseUrl}/gateway/api`],
    fileUrl: baseUrl,
    merId: account?.merId,
    certId: account?.certId,
    privateKeyFile: account?.merchantPrivateKeyFile,
    unionpayCertificates: [keys.unionpay.certificateFile],
    // What the simulator means by them; of the real one they have to be confirmed.
    confirmedCodes: { notFound: ['34'], declined: { '51': 'insufficient_funds' } },
  };
};

contractSuite(unionpay, () =>
  startSandboxWorld({
    channel: unionpay,
    wallet: 'unionpay',
    accountsOf: (keys, baseUrl) => [accountOf(keys, 0, baseUrl), accountOf(keys, 1, baseUrl)],
    canWithdraw: false,
    declineCode: '51',
    billFaults: [
      ['truncated', 'truncated'],
      ['bad_archive', 'bad_archive'],
      ['not_ready', undefined],
    ],
    secretsOf: ({ unionpay: { accounts } }) =>
      accounts.map(({ merchantPrivateKeyFile }) => readFileSync(merchantPrivateKeyFile, 'utf8').slice(100, 160)),
    forged: changed((form) => form.set('txnAmt', '1')),
    unsigned: changed((form) => form.delete('signature')),
  }),
);
