import { z } from '@tillmesh/config';
import { assertNever } from '@tillmesh/domain';
import type { Alteration } from './alter-answer.ts';

export const CHANNELS = ['wechat', 'alipay', 'stripe', 'unionpay'] as const;
export type ChannelName = (typeof CHANNELS)[number];

/** What a merchant can ask of a channel, in one word for both channels; `notification` is what the channel sends. */
export const OPERATIONS = [
  'pay',
  'query',
  'close',
  'reverse',
  'refund',
  'refund_query',
  'bill',
  'certificates',
  'notification',
] as const;
export type Operation = (typeof OPERATIONS)[number];

const seconds = z.number().min(0).max(86_400);
/** A code as any channel may write it. */
export const channelCode = z.string().regex(/^[0-9A-Za-z_.-]{1,64}$/);
const cutOrHang = z.enum(['cut', 'hang']).default('cut');

/** One thing that goes another way than usual. */
export const Act = z.discriminatedUnion('do', [
  z.strictObject({ do: z.literal('succeed') }),
  z.strictObject({
    do: z.literal('payer_types_password'),
    seconds,
    then: z.enum(['pays', 'gives_up']).default('pays'),
  }),
  z.strictObject({ do: z.literal('payer_scans'), seconds }),
  z.strictObject({ do: z.literal('decline'), code: channelCode }),
  z.strictObject({ do: z.literal('error_after_commit'), code: channelCode }),
  z.strictObject({ do: z.literal('answer_lost_before_commit'), how: cutOrHang }),
  z.strictObject({ do: z.literal('answer_lost_after_commit'), how: cutOrHang }),
  z.strictObject({
    do: z.literal('delay'),
    ms: z.int().min(0).max(600_000),
    when: z.enum(['before_commit', 'after_commit']).default('after_commit'),
  }),
  z.strictObject({ do: z.literal('bad_signature') }),
  z.strictObject({ do: z.literal('unsigned') }),
  z.strictObject({
    do: z.literal('http_error'),
    status: z.int().min(400).max(599),
    commit: z.boolean().default(true),
  }),
  z.strictObject({
    do: z.literal('garbage'),
    form: z.enum(['html', 'truncated']).default('html'),
    commit: z.boolean().default(true),
  }),
  z.strictObject({ do: z.literal('sees_late'), seconds }),
  z.strictObject({ do: z.literal('notify_twice') }),
  z.strictObject({ do: z.literal('never_notify') }),
  z.strictObject({ do: z.literal('sign_test') }),
  z.strictObject({
    do: z.literal('refund_ends'),
    status: z.enum(['SUCCESS', 'ABNORMAL', 'CLOSED']),
    seconds: seconds.optional(),
  }),
  z.strictObject({
    do: z.literal('discount'),
    fen: z.int().min(1).max(100_000_000_000),
    by: z.enum(['channel', 'merchant']).default('channel'),
    name: z.string().min(1).max(32).default('红包'),
  }),
  z.strictObject({ do: z.literal('terse') }),
  z.strictObject({ do: z.literal('novel_state'), state: channelCode.default('STATE_OF_TOMORROW') }),
  z.strictObject({ do: z.literal('extra_fields') }),
  z
    .strictObject({
      do: z.literal('latency'),
      medianMs: z.number().min(1).max(60_000),
      p99Ms: z.number().min(1).max(600_000),
    })
    .refine(({ medianMs, p99Ms }) => p99Ms >= medianMs, 'p99Ms has to be at least medianMs'),
]);
export type Act = z.output<typeof Act>;

/** What an order goes through, in no particular order. */
export const Acts = z.array(Act).max(16);

/** How the payer pays when asked. */
export type PayerPlan =
  | { readonly act: 'pays' }
  | { readonly act: 'types_password'; readonly seconds: number; readonly then: 'pays' | 'gives_up' }
  | { readonly act: 'declines'; readonly code: string };

/** The last act about the payer counts; without one the payer pays at once. */
export const payerPlanOf = (acts: readonly Act[]): PayerPlan => {
  let plan: PayerPlan = { act: 'pays' };
  for (const act of acts) {
    if (act.do === 'succeed') plan = { act: 'pays' };
    if (act.do === 'payer_types_password') plan = { act: 'types_password', seconds: act.seconds, then: act.then };
    if (act.do === 'decline') plan = { act: 'declines', code: act.code };
  }
  return plan;
};

/** In how many seconds the payer scans a merchant's QR without being told by the control API; undefined: never. */
export const secondsToScan = (acts: readonly Act[]): number | undefined =>
  acts.find((act) => act.do === 'payer_scans')?.seconds;

/** How a refund ends; undefined leaves it to the channel's settings. */
export const refundPlanOf = (acts: readonly Act[]) => acts.find((act) => act.do === 'refund_ends');

export type SignatureMode = 'right' | 'wrong' | 'none';

/** `probe`: the first try is WeChat Pay's test whether signatures are looked at; the later ones are signed rightly. */
export type NotificationSignature = SignatureMode | 'probe';

export type NotificationPlan = {
  /** 0: never sent, 2: sent again after it was accepted. */
  readonly copies: 0 | 1 | 2;
  readonly delayMs: number;
  readonly signature: NotificationSignature;
};

/**
 * @param orderActs what was said about the whole order: twice or never.
 * @param notificationActs what a script says about the operation `notification`: those, and how it is signed and when.
 */
export const notificationPlanOf = (orderActs: readonly Act[], notificationActs: readonly Act[]): NotificationPlan => {
  const has = (acts: readonly Act[], name: Act['do']) => acts.some((act) => act.do === name);
  const both = [...orderActs, ...notificationActs];
  const twice = has(both, 'notify_twice') ? 2 : 1;
  const faults = wireFaultsOf(notificationActs);
  return {
    copies: has(both, 'never_notify') ? 0 : twice,
    delayMs: faults.delayBeforeMs + faults.delayAfterMs,
    signature: has(notificationActs, 'sign_test') ? 'probe' : faults.signature,
  };
};

/** What goes wrong between merchant and channel in one exchange. */
export type WireFaults = {
  readonly delayBeforeMs: number;
  readonly delayAfterMs: number;
  readonly lost: { readonly when: 'before_commit' | 'after_commit'; readonly how: 'cut' | 'hang' } | undefined;
  /** The channel's code that is answered instead of doing what was asked. */
  readonly declineCode: string | undefined;
  /** The channel's code that is answered though it was done. */
  readonly errorAfterCommitCode: string | undefined;
  readonly page: { readonly status: number; readonly commit: boolean } | undefined;
  readonly truncated: { readonly commit: boolean } | undefined;
  readonly signature: SignatureMode;
  /** An order that is younger is not known yet. */
  readonly seesLateMs: number;
  readonly alteration: Alteration;
  /** How long it takes after the commit, beside the delays; undefined: no longer. */
  readonly latency: { readonly medianMs: number; readonly p99Ms: number } | undefined;
};

const NO_FAULTS: WireFaults = {
  delayBeforeMs: 0,
  delayAfterMs: 0,
  lost: undefined,
  declineCode: undefined,
  errorAfterCommitCode: undefined,
  page: undefined,
  truncated: undefined,
  signature: 'right',
  seesLateMs: 0,
  alteration: { novelState: undefined, extraFields: false },
  latency: undefined,
};

const withAct = (faults: WireFaults, act: Act): WireFaults => {
  switch (act.do) {
    case 'decline':
      return { ...faults, declineCode: act.code };
    case 'error_after_commit':
      return { ...faults, errorAfterCommitCode: act.code };
    case 'answer_lost_before_commit':
      return { ...faults, lost: { when: 'before_commit', how: act.how } };
    case 'answer_lost_after_commit':
      return { ...faults, lost: { when: 'after_commit', how: act.how } };
    case 'delay':
      return act.when === 'before_commit'
        ? { ...faults, delayBeforeMs: faults.delayBeforeMs + act.ms }
        : { ...faults, delayAfterMs: faults.delayAfterMs + act.ms };
    case 'bad_signature':
      return { ...faults, signature: 'wrong' };
    case 'unsigned':
      return { ...faults, signature: 'none' };
    case 'http_error':
      return { ...faults, page: { status: act.status, commit: act.commit } };
    case 'garbage':
      return act.form === 'html'
        ? { ...faults, page: { status: 200, commit: act.commit } }
        : { ...faults, truncated: { commit: act.commit } };
    case 'sees_late':
      return { ...faults, seesLateMs: act.seconds * 1_000 };
    case 'novel_state':
      return { ...faults, alteration: { ...faults.alteration, novelState: act.state } };
    case 'extra_fields':
      return { ...faults, alteration: { ...faults.alteration, extraFields: true } };
    case 'latency':
      return { ...faults, latency: { medianMs: act.medianMs, p99Ms: act.p99Ms } };
    case 'succeed':
    case 'payer_types_password':
    case 'payer_scans':
    case 'notify_twice':
    case 'never_notify':
    case 'sign_test':
    case 'refund_ends':
    case 'discount':
    case 'terse':
      return faults;
    default:
      return assertNever(act);
  }
};

export const wireFaultsOf = (acts: readonly Act[]): WireFaults => acts.reduce(withAct, NO_FAULTS);
