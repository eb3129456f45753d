import { z } from '@tillmesh/config';
import type { CheckItem } from '@tillmesh/delay-queue';
import { type Limit, limitConfig, processesConfig } from '@tillmesh/rate-limits';

const PAYMENTS = 'Checks of payments of one channel.';
const REFUNDS = 'Checks of refunds of one channel.';

/** How fast each channel is asked. */
export const CheckLimits = z
  .strictObject({
    processes: processesConfig('Syncers'),
    payments: limitConfig(PAYMENTS).default({ perSecond: 300, burst: 300 }),
    refunds: limitConfig(REFUNDS).default({ perSecond: 100, burst: 100 }),
    channels: z
      .record(
        z.string(),
        z
          .strictObject({
            payments: limitConfig('Checks of its payments.').optional(),
            refunds: limitConfig('Checks of its refunds.').optional(),
          })
          .describe('Of this channel; what is not set is as for the others.'),
      )
      .default({})
      .describe('Channels with limits of their own.'),
  })
  .prefault({})
  .describe(
    'How fast channels are asked, payments and refunds apart. What has to wait waits in the queue, and keeps nothing waiting of another channel or kind.',
  );
export type CheckLimits = z.output<typeof CheckLimits>;

/** The limit of one channel and kind. */
export const limitOf = (
  limits: Pick<CheckLimits, 'payments' | 'refunds' | 'channels'>,
  { channelId, kind }: { readonly channelId: string; readonly kind: CheckItem['kind'] },
): Limit => {
  const kinds = `${kind}s` as const;
  // A channel may be called `constructor`.
  const own = Object.hasOwn(limits.channels, channelId) ? limits.channels[channelId] : undefined;
  return own?.[kinds] ?? limits[kinds];
};
