import { z } from '@tillmesh/config';
import { PlantRequest } from './bills/plants.ts';
import { NewLimit } from './limits.ts';
import { HOSTS, Outage } from './outage.ts';
import { Acts, CHANNELS } from './script.ts';
import { NewScript } from './scripts.ts';
import { KeysRequest } from './wechat/platform-keys-control.ts';

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

/** A new signing certificate of a channel that has one by an authority. */
export const RotateRequest = z.strictObject({ channel: z.enum(['alipay', 'unionpay']) });

export const OutageRequest = z
  .strictObject({
    channel: z.enum(CHANNELS),
    /** All addresses of the channel where it is left out. */
    host: z.enum(HOSTS).optional(),
    mode: z.enum(['off', 'refuse', 'hang', 'slow', 'error']),
    /** Of `slow`. */
    ms: z.int().optional(),
    /** Of `error`. */
    status: z.int().optional(),
  })
  .transform(({ channel, host, ...outage }, context) => {
    const parsed = Outage.safeParse(outage);
    if (parsed.success) return { channel, host, outage: parsed.data };
    for (const { path, message } of parsed.error.issues) context.addIssue({ code: 'custom', path: [...path], message });
    return z.NEVER;
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
  'POST /control/outage': OutageRequest.in,
  'POST /control/rotate': RotateRequest,
  'POST /control/wechat/keys': KeysRequest,
} as const;
