import { z } from '@tillmesh/config';
import { limitConfig as limit, processesConfig } from '@tillmesh/rate-limits';

/** What callers may ask for. Read again when the file changes; what is not set is not limited. */
export const RateLimits = z
  .strictObject({
    processes: processesConfig('Cashier processes'),
    merchant: limit('Calls of a merchant that move money.').optional(),
    merchants: z
      .record(z.string().regex(/^[0-9A-Za-z_-]{1,32}$/, 'is no merchant id'), limit('The same of this merchant.'))
      .default({})
      .describe('Merchants with a limit of their own in the place of `merchant`.'),
    terminal: limit('Payments of one terminal of a merchant.').optional(),
    source: limit('Calls of one calling service that move money.').optional(),
    reads: limit('Questions of one calling service.').optional(),
  })
  .prefault({})
  .describe(
    'How many calls merchants, terminals and calling services may make; without a limit as many as there is room for.',
  );
export type RateLimits = z.output<typeof RateLimits>;
