import { z } from '@tillmesh/config';
import { PlantRequest } from './bills/plants.ts';
import { NewLimit } from './limits.ts';
import { Acts, CHANNELS } from './script.ts';
import { NewScript } from './scripts.ts';

const id = z.string().min(1).max(256);

export const PaymentCodesRequest = z.strictObject({
  wallet: z.enum(CHANNELS),
  script: Acts.default([]),
  count: z.int().min(1).max(1_000).default(1),
  payerId: id.optional(),
  balanceFen: z.int().min(0).max(100_000_000_000).optional(),
  validForSeconds: z.number().positive().max(86_400).optional(),
});

export const ScanRequest = z.strictObject({
  code: id,
  payerId: id.optional(),
  afterSeconds: z.number().min(0).max(86_400).optional(),
  script: Acts.default([]),
});

export const OutageRequest = z.strictObject({
  channel: z.enum(CHANNELS),
  mode: z.enum(['off', 'refuse', 'hang']),
});

/** Query parameters of lists. Numbers come as texts. */
export const ListQuery = z.object({
  prefix: z.string().max(64).default(''),
  outTradeNo: z.string().max(64).optional(),
  account: z.string().max(64).optional(),
  after: z.coerce.number().int().min(0).default(0),
  limit: z.coerce.number().int().min(1).max(10_000).default(1_000),
});
export type ListQuery = z.output<typeof ListQuery>;

/** The bodies that requests have, by method and path. */
export const BODIES = {
  'POST /control/payment-codes': PaymentCodesRequest,
  'POST /control/scan': ScanRequest,
  'POST /control/scripts': NewScript,
  'POST /control/limits': NewLimit,
  'POST /control/bills/plants': PlantRequest,
  'POST /control/outage': OutageRequest,
} as const;
