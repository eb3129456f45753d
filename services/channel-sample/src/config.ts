import { type AccountSettings, accountSettings } from '@tillmesh/channel-kit';
import { type Secret, secretFile, z } from '@tillmesh/config';

/** One merchant's account at Sample Pay. */
export const SampleAccount = z
  .strictObject({
    ...accountSettings,
    merchantNo: z
      .string()
      .regex(/^[0-9]{6,20}$/, 'is not 6 to 20 digits')
      .describe('The merchant number. An answer that names another one is not believed.'),
    keyFile: secretFile('the key that both sides sign with')
      .refine(
        (secret: Secret) => /^[!-~]{32,128}$/.test(secret.reveal()),
        'the key file does not hold 32 to 128 characters',
      )
      .describe('Path of a file that holds the signing key, relative to the configuration file.'),
  })
  .describe("One merchant's account at Sample Pay.");

/** One account, loaded. */
export type SampleAccount = z.output<typeof SampleAccount> & AccountSettings;
