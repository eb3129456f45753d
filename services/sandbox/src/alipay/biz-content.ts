import { z } from '@tillmesh/config';
import { msOfSpaced } from '../beijing-time.ts';
import { type Fen, fenOfYuanText } from '../fen.ts';

// Limits of fields: the tables of the single methods at opendocs.alipay.com.
const OUT_TRADE_NO = /^[0-9A-Za-z_]{1,64}$/;
const YUAN_FEN_MAX = 10_000_000_000n;

/** An amount in yuan, as a text or (the official SDK lets it through) as a JSON number; 0.01 to 100,000,000.00. */
const yuan = z.union([z.string(), z.number()]).transform((value, context): Fen => {
  const amount = fenOfYuanText(String(value));
  if (amount !== undefined && amount >= 1n && amount <= YUAN_FEN_MAX) return amount;
  context.addIssue({ code: 'custom', message: 'is no amount in yuan with two decimals' });
  return z.NEVER;
});

const MINUTE_MS = 60_000;
const UNIT_MS: Readonly<Record<string, number>> = { m: MINUTE_MS, h: 60 * MINUTE_MS, d: 24 * 60 * MINUTE_MS };

/** `90m`, `2h`, `15d`; `1c` is the end of the day in the documents and is taken as a day here. */
const timeout = z.string().transform((text, context): number => {
  const [, count, unit] = /^([1-9][0-9]{0,4})([mhd])$/.exec(text === '1c' ? '1d' : text) ?? [];
  const unitMs = UNIT_MS[unit ?? ''];
  if (count !== undefined && unitMs !== undefined) return Number(count) * unitMs;
  context.addIssue({ code: 'custom', message: 'is no time-out such as 90m' });
  return z.NEVER;
});

const spacedTime = z.string().transform((text, context): number => {
  const ms = msOfSpaced(text);
  if (ms !== undefined) return ms;
  context.addIssue({ code: 'custom', message: 'is no time such as 2026-01-02 03:04:05' });
  return z.NEVER;
});

const order = {
  out_trade_no: z.string().regex(OUT_TRADE_NO),
  total_amount: yuan,
  subject: z.string().min(1).max(256),
  body: z.string().max(128).optional(),
  seller_id: z.string().max(28).optional(),
  timeout_express: timeout.optional(),
  time_expire: spacedTime.optional(),
};

/** Unknown fields are let through: the real one has many more. */
export const PayContent = z.looseObject({
  ...order,
  scene: z.literal('bar_code'),
  auth_code: z.string().min(1).max(64),
});
export const PrecreateContent = z.looseObject(order);
export const PageContent = z.looseObject({ ...order, product_code: z.string().min(1).max(64) });
export const CreateContent = z
  .looseObject({
    ...order,
    buyer_id: z
      .string()
      .regex(/^2088[0-9]{12}$/)
      .optional(),
    buyer_open_id: z.string().min(10).max(128).optional(),
  })
  .refine(({ buyer_id, buyer_open_id }) => buyer_id !== undefined || buyer_open_id !== undefined);

const ref = {
  out_trade_no: z.string().min(1).max(64).optional(),
  trade_no: z.string().min(1).max(64).optional(),
};
const namesTrade = (content: { out_trade_no?: string | undefined; trade_no?: string | undefined }): boolean =>
  content.out_trade_no !== undefined || content.trade_no !== undefined;

/** Names a trade; trade_no counts before out_trade_no. */
export const RefContent = z.looseObject(ref).refine(namesTrade);
export const RefundContent = z
  .looseObject({
    ...ref,
    refund_amount: yuan,
    out_request_no: z.string().min(1).max(64).optional(),
    refund_reason: z.string().max(256).optional(),
  })
  .refine(namesTrade);
export const RefundQueryContent = z
  .looseObject({ ...ref, out_request_no: z.string().min(1).max(64) })
  .refine(namesTrade);

/** One text for equal parameters, whatever order the fields have; amounts in fen are written with their digits. */
export const canonical = (content: Readonly<Record<string, unknown>>, leftOut: readonly string[]): string =>
  JSON.stringify(
    Object.entries(content)
      .filter(([name]) => !leftOut.includes(name))
      .sort(([a], [b]) => (a < b ? -1 : 1)),
    (_key, value: unknown) => (typeof value === 'bigint' ? value.toString() : value),
  );
