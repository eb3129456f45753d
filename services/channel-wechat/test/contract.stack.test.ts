import { readFileSync } from 'node:fs';
import {
  contractSuite,
  type SandboxKeys,
  type SentNotification,
  startSandboxWorld,
} from '@tillmesh/channel-kit/contract';
import { wechat } from '../src/channel.ts';

const withoutSignature = ({ headers, body }: SentNotification): SentNotification => ({
  headers: headers.filter(({ name }) => !name.startsWith('wechatpay-')),
  body,
});

const withAnotherByte = ({ headers, body }: SentNotification): SentNotification => ({
  headers,
  body: Buffer.from(Buffer.from(body).toString('utf8').replace('"event_type"', '"event_typf"')),
});

const accountOf = (keys: SandboxKeys, index: 0 | 1, baseUrl: string): object => {
  const account = keys.wechat.accounts[index];
  return {
    accountId: account?.accountId,
    baseUrls: [baseUrl],
    mchId: account?.mchid,
    appId: account?.appid,
    merchantSerialNo: account?.merchantSerialNo,
    privateKeyFile: account?.merchantPrivateKeyFile,
    apiV3KeyFile: account?.apiV3KeyFile,
    apiV2KeyFile: account?.apiV2KeyFile,
    wechatpayKeys: [{ id: keys.wechat.publicKeyId, keyFile: keys.wechat.publicKeyFile }],
  };
};

contractSuite(wechat, () =>
  startSandboxWorld({
    channel: wechat,
    wallet: 'wechat',
    accountsOf: (keys, baseUrl) => [accountOf(keys, 0, baseUrl), accountOf(keys, 1, baseUrl)],
    declineCode: 'NOTENOUGH',
    billFaults: [
      ['truncated', 'truncated'],
      ['wrong_hash', 'wrong_hash'],
      ['wrong_encoding', 'wrong_encoding'],
      ['wrong_totals', 'totals_differ'],
      ['bad_archive', 'bad_archive'],
      ['not_ready', undefined],
    ],
    secretsOf: ({ wechat: { accounts } }) =>
      accounts.flatMap(({ apiV2KeyFile, apiV3KeyFile }) =>
        [apiV2KeyFile, apiV3KeyFile].map((path) => readFileSync(path, 'utf8').trim()),
      ),
    forged: withAnotherByte,
    unsigned: withoutSignature,
  }),
);
