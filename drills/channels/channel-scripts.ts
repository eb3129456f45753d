import { EIGHT_CHANNELS, VICTIM } from './eight-channels.ts';

/** What customers buy: the channel hangs before it takes the money of the one, and after it has taken that of the other. */
export const SUBJECTS = ['tea', 'cake'] as const;

/** How long a healthy channel takes for a payment, ms: what real ones take, so that calls overlap. */
const PAY_MS = 300;
/** The one that is made sick is slower, so that there is a usual number of payments under way to come back to. */
const VICTIM_PAY_MS = 500;
const CALL_MS_MAX = 5_000;

export type Rule = {
  readonly match: object;
  readonly operations: readonly string[];
  readonly script: readonly object[];
  /** How often it counts; always unless told. */
  readonly uses?: number;
};

/** Payments of an account take so long. */
export const slow = (accountId: string, ms: number = PAY_MS): Rule => ({
  match: { account: accountId },
  operations: ['pay'],
  script: [{ do: 'delay', ms, when: 'after_commit' }],
});

const hanging = (accountId: string): readonly Rule[] => [
  {
    match: { account: accountId, description: SUBJECTS[0] },
    operations: ['pay'],
    script: [{ do: 'answer_lost_before_commit', how: 'hang' }],
  },
  {
    match: { account: accountId },
    operations: ['pay'],
    script: [{ do: 'answer_lost_after_commit', how: 'hang' }],
  },
  {
    match: { account: accountId },
    operations: ['query', 'close', 'reverse', 'refund', 'refund_query'],
    script: [{ do: 'answer_lost_before_commit', how: 'hang' }],
  },
];

/** How the simulated channels of a drill behave. */
export type ChannelScripts = {
  /** All are well. */
  allWell(): Promise<void>;
  /** One answers nothing any more, whatever it is asked. */
  hang(accountId: string): Promise<void>;
};

/** Changes what the simulated channels do. */
export type ScriptControl = {
  clear(): Promise<void>;
  /** @returns the script's id. */
  add(rule: Rule): Promise<string>;
  remove(scriptId: string): Promise<void>;
};

/** @param address host:port of the sandbox' control API. */
export const createScriptControl = (address: string): ScriptControl => {
  const call = async (method: 'POST' | 'DELETE', path: string, body?: object): Promise<string> => {
    const response = await fetch(`http://${address}/control/scripts${path}`, {
      method,
      signal: AbortSignal.timeout(CALL_MS_MAX),
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`the sandbox answers ${response.status}: ${text}`);
    return text;
  };
  return {
    clear: async () => void (await call('DELETE', '')),
    add: async (rule) => (JSON.parse(await call('POST', '', rule)) as { scriptId: string }).scriptId,
    remove: async (scriptId) => void (await call('DELETE', `/${scriptId}`)),
  };
};

/** @param address host:port of the sandbox' control API. */
export const createChannelScripts = (address: string): ChannelScripts => {
  const scripts = createScriptControl(address);
  const slowOnes = EIGHT_CHANNELS.map(({ channelId, accountId }) =>
    slow(accountId, channelId === VICTIM ? VICTIM_PAY_MS : PAY_MS),
  );
  return {
    allWell: async () => {
      await scripts.clear();
      await Promise.all(slowOnes.map(scripts.add));
    },
    hang: async (accountId) => {
      await scripts.clear();
      // One after the other: the oldest that fits is used.
      for (const rule of hanging(accountId)) await scripts.add(rule);
      const others = EIGHT_CHANNELS.filter((channel) => channel.accountId !== accountId);
      await Promise.all(others.map((channel) => scripts.add(slow(channel.accountId))));
    },
  };
};
