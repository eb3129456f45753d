import { z } from '@tillmesh/config';
import { parseAccountId } from '@tillmesh/domain';

/** What every channel's account has; a channel's schema adds its own beside these. */
export const accountSettings = {
  accountId: z
    .string()
    .refine((text) => parseAccountId(text) !== undefined, 'is not 1 to 32 characters of a-z 0-9 -')
    .describe("The account's name inside Tillmesh, as routing tables and orders carry it."),
  baseUrls: z
    .array(
      z.url({ protocol: /^https?$/ }).refine((text) => !/[?#]|\/$/.test(text), 'must not end in / or carry a query'),
    )
    .min(1)
    .max(4)
    .describe('Where the channel answers, best first, such as https://api.example.com. The first one is used.'),
  strictSignatures: z
    .boolean()
    .default(false)
    .describe('True: no answer without a signature counts, not even an error over verified TLS.'),
  acceptsNotifications: z
    .boolean()
    .default(true)
    .describe('False: notifications for this account are not read; its payments are learned by asking alone.'),
};

/** An account's settings, as far as the kit reads them. */
export type AccountSettings = {
  readonly accountId: string;
  readonly baseUrls: readonly string[];
  readonly strictSignatures: boolean;
  readonly acceptsNotifications: boolean;
};
