import { AlarmsConfig } from '@tillmesh/alarms';
import { channelTargets, LogConfig, RedisConfig, ServerConfig, target, z } from '@tillmesh/config';
import { parseAccountId, parseChannelId } from '@tillmesh/domain';
import { OrderReadersConfig } from '@tillmesh/order-groups';

const Fee = z.strictObject({
  accountId: z.string().refine((text) => parseAccountId(text) !== undefined, 'is not an account id'),
  perTenThousand: z.int().min(0).max(2_000).describe('What the channel takes of 10,000 minor units; 60 is 0.6 %.'),
  isGivenBack: z.boolean().default(true).describe('Whether the channel gives the fee back with a refund.'),
});
export type Fee = z.output<typeof Fee>;

export const ReconcilerConfig = z
  .strictObject({
    server: ServerConfig,
    logLevel: LogConfig,
    orders: OrderReadersConfig,
    channels: channelTargets(parseChannelId),
    syncer: z
      .strictObject({ target: target('the syncer') })
      .describe('Asks the channel again where a bill knows more than we do.'),
    alarms: AlarmsConfig.optional(),
    redis: RedisConfig.optional().describe(
      'Carries the schedule, and which process compares which bill. Without it there is no schedule, and the folder has to be of one process alone. While it is away bills are compared later.',
    ),
    folder: z
      .string()
      .min(1)
      .describe(
        'Absolute path of the folder of reports, and of what a comparison needs while it lasts; all processes have the same one.',
      ),
    fees: z
      .array(Fee)
      .max(10_000)
      .default([])
      .describe(
        'What was agreed with the channels, in the currency of the payment. Fees of other accounts are not compared.',
      ),
    feeToleranceMinor: z
      .int()
      .min(0)
      .max(1_000)
      .default(1)
      .describe('A fee may differ by so many minor units: channels round in ways of their own.'),
    boundaryMs: z
      .int()
      .min(0)
      .max(3_600_000)
      .default(600_000)
      .describe("So near to a day's end a payment may stand in the neighbouring bill."),
    paymentsBackMs: z
      .int()
      .min(0)
      .max(30 * 86_400_000)
      .default(86_400_000)
      .describe(
        'Payments that were made so long before the day are read as well: one may be paid later than it was made.',
      ),
    refundsBackMs: z
      .int()
      .min(0)
      .max(90 * 86_400_000)
      .default(7 * 86_400_000)
      .describe('The same of refunds, some of which take days.'),
    schedule: z
      .strictObject({
        everyMs: z.int().min(500).max(3_600_000).default(60_000).describe('Between looks for bills that are due.'),
        daysBack: z
          .int()
          .min(1)
          .max(60)
          .default(7)
          .describe('Bills of so many days are compared, should that not have been done.'),
      })
      .optional()
      .describe('Without it bills are compared only when somebody asks for it.'),
  })
  .refine(({ schedule, redis }) => schedule === undefined || redis !== undefined, {
    path: ['schedule'],
    message: 'needs redis, which carries it',
  });
export type ReconcilerConfig = z.output<typeof ReconcilerConfig>;
