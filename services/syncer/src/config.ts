import { AlarmsConfig } from '@tillmesh/alarms';
import { channelTargets, LogConfig, RedisConfig, ServerConfig, target, z } from '@tillmesh/config';
import { parseChannelId } from '@tillmesh/domain';
import { CheckLimits } from './check-limits.ts';

export const SyncerConfig = z
  .strictObject({
    server: ServerConfig,
    logLevel: LogConfig,
    orderStore: z.strictObject({ target: target('the order store') }),
    channels: channelTargets(parseChannelId),
    redis: RedisConfig.optional().describe(
      'Where unresolved payments wait. Without it the sweep of the databases does all, a little later.',
    ),
    alarms: AlarmsConfig.optional(),
    queueEveryMs: z
      .int()
      .min(50)
      .max(10_000)
      .default(250)
      .describe('Between looks into the queue where nothing is known to be due earlier.'),
    queueVisibilityMs: z
      .int()
      .min(1_000)
      .max(60_000)
      .default(5_000)
      .describe(
        'How soon what a dead worker had claimed is given to another; a live one says three times in it that it has it.',
      ),
    queueStoppedAfterMs: z
      .int()
      .min(1_000)
      .max(600_000)
      .default(10_000)
      .describe('The queue counts as stopped while something in it has been due for longer without being claimed.'),
    sweepEveryMs: z.int().min(100).max(60_000).default(5_000).describe('Between sweeps of the databases.'),
    sweepEveryMsWithoutRedis: z.int().min(100).max(60_000).default(1_000).describe('The same while Redis is away.'),
    visibilityMs: z
      .int()
      .min(5_000)
      .max(600_000)
      .default(30_000)
      .describe('How long what a sweep found is left to who found it.'),
    planTimeScale: z
      .number()
      .min(0.05)
      .max(1)
      .default(1)
      .describe(
        'Factor on the times of the channels’ poll plans. Below 1 only against simulated channels: a real one’s times are promises.',
      ),
    personAfterMs: z
      .int()
      .min(1_000)
      .max(86_400_000)
      .default(600_000)
      .describe(
        'A payment that is still open so long after its time was over calls for a person: a payment code from its attempt, others from their expiry.',
      ),
    refundPersonAfterMs: z
      .int()
      .min(1_000)
      .max(2_592_000_000)
      .default(259_200_000)
      .describe('A refund that is still open so long after it was asked for calls for a person.'),
    checksMax: z
      .int()
      .min(1)
      .max(1_000)
      .default(32)
      .describe('Checks under way at once of one channel and kind; payments and refunds are two kinds.'),
    checkLimits: CheckLimits,
    checkMsMax: z.int().min(1_000).max(60_000).default(20_000).describe('The budget of one check.'),
  })
  .refine(({ checkMsMax, visibilityMs }) => checkMsMax < visibilityMs, {
    path: ['visibilityMs'],
    message: 'has to be longer than checkMsMax, or two workers do the same check',
  })
  .superRefine(({ channels, checkLimits }, context) => {
    const known = new Set<string>(channels.map(({ channelId }) => channelId));
    for (const id of Object.keys(checkLimits.channels).filter((each) => !known.has(each))) {
      const message = `there is no channel ${id} among \`channels\`; its limits would be for nobody`;
      context.addIssue({ code: 'custom', path: ['checkLimits', 'channels', id], message });
    }
  });
export type SyncerConfig = z.output<typeof SyncerConfig>;
