import { readFileSync } from 'node:fs';
import {
  contractSuite,
  type SandboxKeys,
  type SentNotification,
  startSandboxWorld,
} from '@tillmesh/channel-kit/contract';
import { wechat } from '../src/channel.ts';

/** The ways in which an account of WeChat Pay can be set up. */
export type Mode = {
  /** For whom: itself, or two merchants of a service provider, who have the provider's numbers in common. */
  readonly merchant: 'direct' | 'provider';
  /** What WeChat Pay signs with; certificates are fetched. */
  readonly keys: 'public_key' | 'certificates';
  readonly codePayments: 'v2' | 'v3';
};

const withoutSignature = ({ headers, body }: SentNotification): SentNotification => ({
  headers: headers.filter(({ name }) => !name.startsWith('wechatpay-')),
  body,
});

const withAnotherByte = ({ headers, body }: SentNotification): SentNotification => ({
  headers,
  body: Buffer.from(Buffer.from(body).toString('utf8').replace('"event_type"', '"event_typf"')),
});

/** The settings of one of the sandbox' accounts. @param index the merchant, or the provider's merchant. */
export const accountOf = (keys: SandboxKeys, mode: Mode, index: 0 | 1, baseUrl: string): object => {
  const isProvider = mode.merchant === 'provider';
  const account = keys.wechat.accounts[isProvider ? 0 : index];
  const sub = account?.subMerchants[index];
  return {
    accountId: isProvider ? sub?.accountId : account?.accountId,
    baseUrls: [baseUrl],
    mchId: account?.mchid,
    appId: account?.appid,
    ...(isProvider
      ? { subMerchant: { mchId: sub?.mchid, ...(sub?.appid === undefined ? {} : { appId: sub.appid }) } }
      : {}),
    merchantSerialNo: account?.merchantSerialNo,
    privateKeyFile: account?.merchantPrivateKeyFile,
    apiV3KeyFile: account?.apiV3KeyFile,
    codePayments: mode.codePayments,
    ...(mode.codePayments === 'v2' ? { apiV2KeyFile: account?.apiV2KeyFile } : {}),
    ...(mode.keys === 'certificates'
      ? { platformCertificates: {} }
      : { wechatpayKeys: [{ id: keys.wechat.publicKeyId, keyFile: keys.wechat.publicKeyFile }] }),
  };
};

/** Registers the contract suite for accounts of one mode. */
export const contractOf = (mode: Mode): void => {
  const how = `, ${mode.merchant}, ${mode.keys}, codes over ${mode.codePayments},`;
  contractSuite(
    wechat,
    () =>
      startSandboxWorld({
        channel: wechat,
        wallet: 'wechat',
        accountsOf: (keys, baseUrl) => [accountOf(keys, mode, 0, baseUrl), accountOf(keys, mode, 1, baseUrl)],
        declineCode: 'NOTENOUGH',
        billFaults: [
          ['truncated', 'truncated'],
          ['wrong_hash', 'wrong_hash'],
          ['wrong_encoding', 'wrong_encoding'],
          ['wrong_totals', 'totals_differ'],
          ['bad_archive', 'bad_archive'],
          ['not_ready', undefined],
        ],
        prepare: async (control) =>
          mode.keys === 'certificates'
            ? control('POST', '/wechat/keys', { do: 'sign_with', kind: 'certificate' })
            : undefined,
        secretsOf: ({ wechat: { accounts } }) =>
          accounts.flatMap(({ apiV2KeyFile, apiV3KeyFile }) =>
            [apiV2KeyFile, apiV3KeyFile].map((path) => readFileSync(path, 'utf8').trim()),
          ),
        forged: withAnotherByte,
        unsigned: withoutSignature,
      }),
    how,
  );
};
