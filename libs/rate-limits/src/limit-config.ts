import { z } from '@tillmesh/config';

/** A limit in a configuration. */
export const limitConfig = (whose: string) =>
  z
    .strictObject({
      perSecond: z.number().min(0.01).max(1_000_000).describe('Calls a second in the long run, over all processes.'),
      burst: z.int().min(1).max(1_000_000).describe('Calls that may come at once.'),
    })
    .describe(whose);

/** Setting: how many processes share the limits. @param whose those processes, such as `Syncers`. */
export const processesConfig = (whose: string) =>
  z.int().min(1).max(256).default(2).describe(`${whose}: while Redis is away each allows its part of every limit.`);
