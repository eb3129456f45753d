import { type Contract, whyUnworkable } from '@tillmesh/channel-contract';
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
    .refine(
      // What is no address at all is told by the rule for each.
      (urls) => new Set(urls.filter((url) => URL.canParse(url)).map((url) => new URL(url).pathname)).size <= 1,
      'have to have the same path: what is signed and sent to one has to fit the others',
    )
    .describe(
      'Where the channel answers, best first, such as https://api.example.com. Several are domains of the same channel: all are probed, and the one that answers first is called.',
    ),
  strictSignatures: z
    .boolean()
    .default(false)
    .describe('True: no answer without a signature counts, not even an error over verified TLS.'),
  acceptsNotifications: z
    .boolean()
    .default(true)
    .describe('False: notifications for this account are not read; its payments are learned by asking alone.'),
  agreed: z
    .strictObject({
      concurrencyMax: z.int().min(1).max(100_000).optional().describe('Calls under way at once, over all replicas.'),
      perSecond: z
        .number()
        .min(0.1)
        .max(100_000)
        .optional()
        .describe('Requests a second, over all replicas: in any T seconds at most perSecond * T + burst.'),
      burst: z.int().min(1).max(100_000).optional().describe('Requests that may come at once after a quiet time.'),
      replicasMax: z
        .int()
        .min(1)
        .max(64)
        .describe('Processes that may call the channel at most, a rollout and those that have just died included.'),
      callMsMax: z
        .int()
        .min(1_000)
        .max(120_000)
        .default(40_000)
        .describe('A call is over at the channel after this, whatever happened, ms.'),
      leaseMs: z.int().min(1_000).max(60_000).default(10_000).describe('How long a share of it is given for, ms.'),
    })
    .superRefine((contract, context) => {
      const message = whyUnworkable(contract);
      if (message !== undefined) context.addIssue({ code: 'custom', message });
    })
    .optional()
    .describe('What the channel has agreed to for this account; without it only the lanes limit.'),
};

/** An account's settings, as far as the kit reads them. */
export type AccountSettings = {
  readonly accountId: string;
  readonly baseUrls: readonly string[];
  readonly strictSignatures: boolean;
  readonly acceptsNotifications: boolean;
  readonly agreed?: (Contract & { readonly callMsMax: number; readonly leaseMs: number }) | undefined;
};
