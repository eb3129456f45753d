import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { selfSigned, startAndStop } from '@tillmesh/channel-kit/contract';
import { afterAll, expect, test } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'tillmesh-wechat-'));
afterAll(() => rmSync(folder, { recursive: true }));

const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 });
const write = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return name;
};
const files = {
  private: write('private.pem', rsa.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()),
  public: write('public.pem', rsa.publicKey.export({ type: 'spki', format: 'pem' }).toString()),
  certificate: write('platform.pem', selfSigned().certificate),
  v2: write('v2.key', `${'2'.repeat(32)}\n`),
  v3: write('v3.key', '3'.repeat(32)),
};
const goodAccount = {
  accountId: 'wechat-a',
  baseUrls: ['https://api.mch.weixin.qq.com', 'https://api2.mch.weixin.qq.com'],
  mchId: '1900000109',
  appId: 'wx8888888888888888',
  merchantSerialNo: '408B07E79B8269FEC3D5D3E6AB8ED163A6A380DB',
  privateKeyFile: files.private,
  apiV3KeyFile: files.v3,
  apiV2KeyFile: files.v2,
  wechatpayKeys: [
    { id: 'PUB_KEY_ID_1', keyFile: files.public },
    { id: '5157F09EFDC096DE15EBE81A47057A7232F1B8E1', keyFile: files.certificate },
  ],
};

const start = (settings?: object) => startAndStop(join(import.meta.dirname, '../src/main.ts'), folder, settings);

const server = { port: 0 };

test('a good configuration starts, serves and stops in order', async () => {
  const { apiV2KeyFile: _v2, ...withoutV2 } = goodAccount;
  const subMerchant = { mchId: '1600000001', appId: 'wxd678efh567hg6999' };
  const accounts = [
    goodAccount,
    { ...goodAccount, accountId: 'wechat-b', subMerchant },
    { ...withoutV2, accountId: 'wechat-c', subMerchant, codePayments: 'v3' },
    // Nobody answers there: what is fetched again and again must not keep the process from its end.
    {
      ...goodAccount,
      accountId: 'wechat-d',
      baseUrls: ['http://127.0.0.1:1'],
      wechatpayKeys: [],
      platformCertificates: {},
    },
  ];
  const { code, output } = await start({ server, accounts });
  expect(output).toContain('"msg":"ready"');
  expect(code).toBe(0);
});

test('a wrong configuration ends with exit status 1 and every problem by name', async () => {
  write('broken.pem', 'not a key');
  write('short.key', 'short');
  const { code, output } = await start({
    server,
    lanes: { pay: { concurrentMax: 0 } },
    accounts: [
      {
        ...goodAccount,
        accountId: 'Wechat A',
        mchId: 'x',
        privateKeyFile: 'broken.pem',
        apiV3KeyFile: 'short.key',
        apiV2KeyFile: 'missing.key',
        wechatpayKeys: [{ id: 'PUB_KEY_ID_1', keyFile: files.private }],
      },
      { ...goodAccount, baseUrls: ['api.mch.weixin.qq.com'], typo: 1 },
      {
        ...goodAccount,
        accountId: 'wechat-c',
        subMerchant: { mchId: 'sub', appId: 'mine', name: 'x' },
        codePayments: 'v4',
      },
      { ...goodAccount, accountId: 'wechat-d', subMerchant: { mchId: goodAccount.mchId } },
      { ...goodAccount, accountId: 'wechat-e', apiV2KeyFile: undefined },
      { ...goodAccount, accountId: 'wechat-f', wechatpayKeys: [] },
      { ...goodAccount, accountId: 'wechat-g', platformCertificates: { refreshMs: 1, unknownSerialGapMs: 1 } },
    ],
  });
  expect(code).toBe(1);
  for (const problem of [
    'lanes.pay.concurrentMax',
    'accounts.0.accountId',
    'accounts.0.mchId: is not 6 to 32 digits',
    "accounts.0.privateKeyFile: the key file is not the merchant's private key",
    'accounts.0.apiV3KeyFile: the key file does not hold 32 letters and digits',
    'accounts.0.apiV2KeyFile: the file missing.key cannot be read',
    'accounts.0.wechatpayKeys.0.keyFile: the key file is not',
    'accounts.1.baseUrls.0',
    'accounts.1.typo: is not a setting',
    'accounts.2.subMerchant.mchId: is not 6 to 32 digits',
    'accounts.2.subMerchant.appId: does not look like wx...',
    'accounts.2.subMerchant.name: is not a setting',
    'accounts.2.codePayments',
    'accounts.3.subMerchant.mchId: is the service provider itself (mchId)',
    'accounts.4.apiV2KeyFile: is missing',
    'accounts.5.wechatpayKeys: is empty: name a key, or let platformCertificates be fetched',
    'accounts.6.platformCertificates.refreshMs',
    'accounts.6.platformCertificates.unknownSerialGapMs',
  ]) {
    expect(output).toContain(problem);
  }
});

test('without a configuration it ends with exit status 1 and says what to set', async () => {
  const { code, output } = await start();
  expect(code).toBe(1);
  expect(output).toContain('TILLMESH_CONFIG');
});
