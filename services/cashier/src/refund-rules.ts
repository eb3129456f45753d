import { z } from '@tillmesh/config';
import { DEFAULT_TIME_ZONE, isTimeZone, localDay } from '@tillmesh/domain';

const timeZone = z.string().refine(isTimeZone, 'is not a time zone such as Asia/Shanghai');

const MUST_SAY =
  'True: every refund says which terminal asks or that the back office allows it; one that says neither is refused. False: it counts as the back office’s.';
const DAY_BEGINS = 'The day of a payment begins at midnight there.';

/** Who may give money back. */
export const RefundRules = z
  .strictObject({
    mustSayWho: z.boolean().default(false).describe(MUST_SAY),
    timeZone: timeZone.default(DEFAULT_TIME_ZONE).describe(DAY_BEGINS),
    merchants: z
      .record(
        z.string().regex(/^[0-9A-Za-z_-]{1,32}$/, 'is no merchant id'),
        z
          .strictObject({
            mustSayWho: z.boolean().optional().describe(MUST_SAY),
            timeZone: timeZone.optional().describe(DAY_BEGINS),
          })
          .describe('Of this merchant; what is not set is as for the others.'),
      )
      .default({})
      .describe('Merchants with rules of their own.'),
  })
  .prefault({})
  .describe(
    'A terminal gives back what it took itself, on the same day; everything else the merchant’s back office has to allow.',
  );
export type RefundRules = z.output<typeof RefundRules>;

/** What is asked for, and of which payment. */
export type RefundAsked = {
  readonly merchantId: string;
  /** The terminal that asks; empty where none is named. */
  readonly terminalId: string;
  readonly backOfficeAllows: boolean;
  /** The terminal that took the payment; empty where it named none. */
  readonly takenBy: string;
  readonly takenAtMs: number;
};

/** Why somebody may not. */
export type RefundRefusal = 'says_not_who' | 'another_terminal' | 'another_day';

export type RefundRuling =
  /** On whose word; for the trajectory. Empty: nobody was named. */
  | { readonly kind: 'allowed'; readonly by: string }
  | {
      readonly kind: 'refused';
      readonly why: RefundRefusal;
      readonly takenOn: string;
      readonly timeZone: string;
    };

/** Whether somebody may have a refund made: on the same day at the terminal that took the money, otherwise by the back office alone. Pure. */
export const ruleOnRefund = (rules: RefundRules, asked: RefundAsked, nowMs: number): RefundRuling => {
  const { merchantId, terminalId, backOfficeAllows, takenBy, takenAtMs } = asked;
  if (backOfficeAllows) return { kind: 'allowed', by: terminalId === '' ? 'back_office' : `back_office ${terminalId}` };
  // A merchant may be called `constructor`.
  const own = Object.hasOwn(rules.merchants, merchantId) ? rules.merchants[merchantId] : undefined;
  const zone = own?.timeZone ?? rules.timeZone;
  const takenOn = localDay(zone, takenAtMs);
  const refused = (why: RefundRefusal): RefundRuling => ({
    kind: 'refused',
    why,
    takenOn,
    timeZone: zone,
  });
  if (terminalId === '') {
    return (own?.mustSayWho ?? rules.mustSayWho) ? refused('says_not_who') : { kind: 'allowed', by: '' };
  }
  if (terminalId !== takenBy) return refused('another_terminal');
  if (localDay(zone, nowMs) !== takenOn) return refused('another_day');
  return { kind: 'allowed', by: `terminal ${terminalId}` };
};
