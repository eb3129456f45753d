import { LogConfig, ServerConfig, target, z } from '@tillmesh/config';

export const RoutingConfig = z.strictObject({
  server: ServerConfig,
  logLevel: LogConfig,
  tableFile: z
    .string()
    .min(1)
    .describe('Absolute path of the JSON file with merchants and channel accounts. Read again when it changes.'),
  stateFile: z
    .string()
    .min(1)
    .describe(
      'Absolute path of the file that keeps operators’ switches over restarts; made when it is not there. What accounts have taken today is kept beside it, in a file of that name and .uses.',
    ),
  reloadEveryMs: z.int().min(100).max(60_000).default(1_000).describe('How often the table file is looked at.'),
  orderStore: z
    .strictObject({ target: target('the order store') })
    .describe('Asked to explain the route of a stored payment.'),
});
