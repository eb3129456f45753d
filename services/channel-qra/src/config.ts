import { type AccountSettings, accountSettings } from '@tillmesh/channel-kit';
import { type Secret, secretFile, z } from '@tillmesh/config';

/** One merchant's account at UnionPay QRA. */
export const QraAccount = z
  .strictObject({
    ...accountSettings,
    mchId: z
      .string()
      .regex(/^[0-9A-Za-z]{6,32}$/, 'is not 6 to 32 letters and digits')
      .describe('The merchant number (mch_id). An answer that names another one is not believed.'),
    keyFile: secretFile('the key that both sides sign with')
      .refine(
        (secret: Secret) => /^[0-9A-Za-z]{32}$/.test(secret.reveal()),
        'the key file does not hold 32 letters and digits',
      )
      .describe('Path of a file that holds the signing key, relative to the configuration file.'),
  })
  .describe("One merchant's account at UnionPay QRA.");

/** One account, loaded. */
export type QraAccount = z.output<typeof QraAccount> & AccountSettings;
