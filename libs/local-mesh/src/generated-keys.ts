import { readFileSync } from 'node:fs';
import { parseConfig, z } from '@tillmesh/config';

/** What `services/sandbox/src/generate-keys.ts` writes into accounts.json: both sides' keys of every simulated account. */
const GeneratedKeys = z.object({
  wechat: z.object({
    publicKeyId: z.string(),
    publicKeyFile: z.string(),
    accounts: z.array(
      z.object({
        accountId: z.string(),
        mchid: z.string(),
        appid: z.string(),
        merchantSerialNo: z.string(),
        merchantPrivateKeyFile: z.string(),
        apiV3KeyFile: z.string(),
        apiV2KeyFile: z.string(),
        appSecretFile: z.string(),
      }),
    ),
  }),
  alipay: z.object({
    publicKeyFile: z.string(),
    accounts: z.array(
      z.object({ accountId: z.string(), appId: z.string(), sellerId: z.string(), appPrivateKeyFile: z.string() }),
    ),
  }),
  stripe: z.object({
    certificateFile: z.string(),
    accounts: z.array(
      z.looseObject({ accountId: z.string(), secretKeyFile: z.string(), webhookSecretFile: z.string() }),
    ),
  }),
  unionpay: z.object({
    certificateFile: z.string(),
    accounts: z.array(
      z.object({ accountId: z.string(), merId: z.string(), certId: z.string(), merchantPrivateKeyFile: z.string() }),
    ),
  }),
  sandbox: z.object({
    wechat: z.looseObject({}),
    alipay: z.looseObject({}),
    stripe: z.looseObject({}),
    unionpay: z.looseObject({}),
  }),
});
export type GeneratedKeys = z.output<typeof GeneratedKeys>;

/** Reads the keys that were generated into a folder. */
export const readGeneratedKeys = (file: string): GeneratedKeys =>
  parseConfig(GeneratedKeys, JSON.parse(readFileSync(file, 'utf8')), file);
