import { z } from '@tillmesh/config';

/** The addresses of a channel: as `api` and `api2` of WeChat Pay, over the same orders. Stripe has one. */
export const HOSTS = ['first', 'second'] as const;
export type HostName = (typeof HOSTS)[number];

/** What is wrong with all of an address. */
export const Outage = z.discriminatedUnion('mode', [
  z.strictObject({ mode: z.literal('off') }),
  /** Nobody can connect. */
  z.strictObject({ mode: z.literal('refuse') }),
  /** Requests are taken, and neither carried out nor answered. */
  z.strictObject({ mode: z.literal('hang') }),
  /** Requests are carried out, and answered this much later. */
  z.strictObject({ mode: z.literal('slow'), ms: z.int().min(1).max(600_000) }),
  /** Requests are not carried out, and answered with a web page of this status. */
  z.strictObject({ mode: z.literal('error'), status: z.int().min(500).max(599).default(502) }),
]);
export type Outage = z.output<typeof Outage>;
