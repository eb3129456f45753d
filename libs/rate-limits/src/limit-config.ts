import { z } from '@tillmesh/config';

/** A limit in a configuration. */
export const limitConfig = (whose: string) =>
  z
    .strictObject({
      perSecond: z.number().min(0.01).max(1_000_000).describe('Calls a second in the long run, over all processes.'),
      burst: z.int().min(1).max(1_000_000).describe('Calls that may come at once.'),
    })
    .describe(whose);
