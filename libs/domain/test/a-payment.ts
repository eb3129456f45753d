import {
  type AccountId,
  type Attempt,
  type AttemptNo,
  type AttemptState,
  type ChannelId,
  type ChannelTransactionId,
  definiteFailure,
  type FailedDefinite,
  money,
  type Payment,
  parseAttemptNo,
  type Succeeded,
} from '../src/index.ts';

export const EXPIRE_AT_MS = 1_000_000;
export const BEFORE_EXPIRY = { nowMs: EXPIRE_AT_MS - 1, hasNextAttempt: false } as const;

/** The parts of a payment that settling looks at. */
export type KnownPayment = Pick<Payment, 'state' | 'kind' | 'amount' | 'attempts' | 'expireAtMs'>;

export const attemptNo = (value: number): AttemptNo => {
  const parsed = parseAttemptNo(value);
  if (parsed === undefined) throw new RangeError(`no attempt is number ${value}`);
  return parsed;
};

export const transaction = (id: string): ChannelTransactionId => id as ChannelTransactionId;

/** An attempt; where money moved under it, the channel's number of that is `T<number>`. */
export const anAttempt = (number: number, state: AttemptState): Attempt => ({
  attemptNo: attemptNo(number),
  accountId: `account-${number}` as AccountId,
  channelId: 'channel' as ChannelId,
  state,
  channelTransactionId: state === 'succeeded' || state === 'surplus' ? transaction(`T${number}`) : undefined,
  channelCode: '',
  ruleId: '',
  learnedBy: undefined,
  routeReason: '',
  startedAtMs: 0,
  settledAtMs: undefined,
});

/** A payment of 10.00 CNY by payment code with one attempt, or what is said otherwise. */
export const aPayment = (
  parts: Partial<Omit<KnownPayment, 'attempts'>> & { readonly attempts?: readonly AttemptState[] } = {},
): KnownPayment => {
  const { attempts = ['started'], ...rest } = parts;
  return {
    state: 'paying',
    kind: 'payment_code',
    amount: money('CNY', 1_000),
    expireAtMs: EXPIRE_AT_MS,
    ...rest,
    attempts: attempts.map((state, index) => anAttempt(index + 1, state)),
  };
};

export const success = (id = 'T1', paid = money('CNY', 1_000)): Succeeded => ({
  kind: 'succeeded',
  paid,
  channelTransactionId: transaction(id),
  paidAtMs: 0,
});

const EVIDENCE = { transport: 'answered', signature: 'verified', ruleId: 'a-rule' } as const;
export const refused = (): FailedDefinite => definiteFailure(EVIDENCE, 'insufficient_funds');
export const closedByChannel = (): FailedDefinite => definiteFailure(EVIDENCE, 'other', { closed: true });
