import { z } from '@tillmesh/config';
import { HOSTS, type HostName } from './outage.ts';
import { type Act, Acts, type ChannelName, OPERATIONS, type Operation } from './script.ts';
import type { State } from './state.ts';

const text = z.string().min(1).max(256);

/** Which exchanges a script is for: every field that is given has to fit, and one has to be given. */
export const Match = z
  .strictObject({
    paymentCode: text.optional(),
    outTradeNo: text.optional(),
    outTradeNoPrefix: text.optional(),
    account: text.optional(),
    description: text.optional(),
    host: z.enum(HOSTS).optional(),
  })
  .refine((match) => Object.values(match).some((value) => value !== undefined), 'one field at least has to be given');
export type Match = z.output<typeof Match>;

export const NewScript = z.strictObject({
  match: Match,
  script: Acts.min(1),
  operations: z.array(z.enum(OPERATIONS)).min(1).default(['pay']),
  uses: z.int().min(1).max(1_000_000).optional(),
});
export type NewScript = z.output<typeof NewScript>;

export type Script = {
  readonly scriptId: string;
  readonly match: Match;
  readonly operations: readonly Operation[];
  readonly acts: readonly Act[];
  /** undefined: as often as it fits. */
  readonly usesLeft: number | undefined;
};

/** What is known of an exchange when a script is looked for. */
export type ScriptContext = {
  readonly channel: ChannelName;
  readonly operation: Operation;
  readonly accountId: string;
  /** WeChat's mchid, Alipay's app_id. */
  readonly merchantId: string;
  readonly outTradeNo: string | undefined;
  readonly description: string | undefined;
  readonly paymentCode: string | undefined;
  /** Where the request came in; a notification comes in nowhere. */
  readonly host?: HostName;
};

const fits = (script: Script, context: ScriptContext): boolean => {
  const { match } = script;
  return (
    script.usesLeft !== 0 &&
    script.operations.includes(context.operation) &&
    (match.paymentCode === undefined || match.paymentCode === context.paymentCode) &&
    (match.outTradeNo === undefined || match.outTradeNo === context.outTradeNo) &&
    (match.outTradeNoPrefix === undefined || context.outTradeNo?.startsWith(match.outTradeNoPrefix) === true) &&
    (match.account === undefined || match.account === context.accountId || match.account === context.merchantId) &&
    (match.host === undefined || match.host === context.host) &&
    (match.description === undefined || match.description === context.description)
  );
};

// Every exchange walks the list, so a caller that never removes its scripts must hit a limit, not slow everybody down.
export const SCRIPTS_MAX = 5_000;

/** The scripts that are not bound to one payment code. The oldest one that fits is used, alone. */
export interface Scripts {
  /** undefined where there are too many already. */
  add(script: NewScript): Script | undefined;
  remove(scriptId: string): boolean;
  list(): readonly Script[];
  /** The acts for an exchange, counted as a use. */
  take(context: ScriptContext): readonly Act[];
}

export const createScripts = (deps: { readonly state: State; readonly newId: () => string }): Scripts => {
  const table = deps.state.table<Script>('script', (script) => script.scriptId);
  return {
    add: ({ match, script, operations, uses }) => {
      if (table.size >= SCRIPTS_MAX) return undefined;
      const added: Script = { scriptId: deps.newId(), match, operations, acts: script, usesLeft: uses };
      table.put(added);
      return added;
    },
    remove: (scriptId) => {
      const isThere = table.get(scriptId) !== undefined;
      table.remove(scriptId);
      return isThere;
    },
    list: () => [...table.values()],
    take: (context) => {
      for (const script of table.values()) {
        if (!fits(script, context)) continue;
        if (script.usesLeft === 1) table.remove(script.scriptId);
        else if (script.usesLeft !== undefined) table.put({ ...script, usesLeft: script.usesLeft - 1 });
        return script.acts;
      }
      return [];
    },
  };
};
