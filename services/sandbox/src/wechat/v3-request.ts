import { z } from '@tillmesh/config';
import { msOfRfc3339 } from '../beijing-time.ts';
import { type V3Error, v3Error } from './v3-answer.ts';

// Limits of fields: WX-OAPI docs/v3/pay/transactions/*.yaml; numbers of characters.
const text = (max: number) => z.string().min(1).max(max);

export const OUT_TRADE_NO = /^[0-9A-Za-z_\-|*]{6,32}$/;
const OUT_REFUND_NO = /^[0-9A-Za-z_\-|*@]{1,64}$/;
/** No query string: WeChat Pay would not keep it (research, 1.6). */
const notifyUrl = z
  .string()
  .max(255)
  .regex(/^https?:\/\/[^\s?#]+$/)
  .refine((url) => URL.canParse(url));
const fenTotal = z.int().min(1).max(10_000_000_000);
const rfc3339 = z.string().refine((value) => msOfRfc3339(value) !== undefined);

/** Who places an order, for whom: a merchant for itself. */
export const DirectIds = z.looseObject({ appid: text(32), mchid: text(32) });
/** A service provider for one of its merchants. */
export const PartnerIds = z.looseObject({
  sp_appid: text(32),
  sp_mchid: text(32),
  sub_appid: text(32).optional(),
  sub_mchid: text(32),
});

const place = {
  description: text(127),
  out_trade_no: z.string().regex(OUT_TRADE_NO),
  time_expire: rfc3339.optional(),
  attach: z.string().max(128).optional(),
  notify_url: notifyUrl,
  goods_tag: z.string().max(32).optional(),
  amount: z.looseObject({ total: fenTotal, currency: z.literal('CNY').optional() }),
};

const payer = z
  .looseObject({ openid: text(128).optional(), sp_openid: text(128).optional(), sub_openid: text(128).optional() })
  .refine((names) => Object.values(names).some((name) => name !== undefined));

/** Unknown fields are let through: the real one has many more. */
export const NativeRequest = z.looseObject({ ...place, payer: payer.optional() });
export const JsapiRequest = z.looseObject({ ...place, payer });
export const H5Request = z.looseObject({
  ...place,
  payer: payer.optional(),
  scene_info: z.looseObject({
    payer_client_ip: text(45),
    h5_info: z.looseObject({ type: z.enum(['Wap', 'iOS', 'Android']) }),
  }),
});
export const CodepayRequest = z.looseObject({
  description: text(127),
  out_trade_no: z.string().regex(OUT_TRADE_NO),
  attach: z.string().max(128).optional(),
  amount: z.looseObject({ total: fenTotal, currency: z.literal('CNY').optional() }),
  payer: z.looseObject({ auth_code: text(32) }),
  scene_info: z.looseObject({
    store_info: z
      .looseObject({ id: text(32).optional(), out_id: text(32).optional() })
      .refine(({ id, out_id }) => id !== undefined || out_id !== undefined),
  }),
});
/** What a close and a reverse name besides the merchants. */
export const NothingMore = z.looseObject({});
export const RefundRequest = z
  .looseObject({
    transaction_id: text(32).optional(),
    out_trade_no: z.string().regex(OUT_TRADE_NO).optional(),
    out_refund_no: z.string().regex(OUT_REFUND_NO),
    reason: z.string().max(80).optional(),
    notify_url: notifyUrl.optional(),
    amount: z.looseObject({ refund: fenTotal, total: fenTotal, currency: z.literal('CNY') }),
  })
  .refine((request) => request.transaction_id !== undefined || request.out_trade_no !== undefined, {
    path: ['out_trade_no'],
  });

export type Parsed<Request> =
  | { readonly kind: 'request'; readonly request: Request }
  | { readonly kind: 'error'; readonly error: V3Error };

export const paramError = (field: string, issue: string, location: 'body' | 'query' | 'path'): V3Error =>
  v3Error('PARAM_ERROR', `输入源“/${location}/${field}”映射到字段“${field}”规则校验失败`, {
    field: `/${field}`,
    issue,
    location,
  });

/** Reads a JSON body, or says what is wrong with it in WeChat Pay's words. */
export const parseBody = <Schema extends z.ZodType>(schema: Schema, body: Buffer): Parsed<z.output<Schema>> => {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    return { kind: 'error', error: v3Error('PARAM_ERROR', '请求体不是合法的JSON') };
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return { kind: 'request', request: parsed.data };
  const issue = parsed.error.issues[0];
  return { kind: 'error', error: paramError(issue?.path.join('/') ?? '', issue?.message ?? '', 'body') };
};

/** One text for equal parameters, whatever order the fields have. */
export const canonical = (value: unknown): string =>
  JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
