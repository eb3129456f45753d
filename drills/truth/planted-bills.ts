import { type Timestamp, timestampMs } from '@bufbuild/protobuf/wkt';
import type { Mesh } from '@tillmesh/local-mesh';
import { type Attempt, AttemptState } from '@tillmesh/proto/tillmesh/payment/v1/attempt_pb.ts';
import { type Payment, PaymentState } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { type Refund, RefundState } from '@tillmesh/proto/tillmesh/payment/v1/refund_pb.ts';
import type { AccountBills, FoundOne } from './account-bills.ts';

/** A line that a bill has to have, or, of a payment that was not paid, must not have. */
export type BookedLine = {
  readonly kind: 'payment' | 'refund';
  readonly account: AccountBills;
  readonly channelOrderNo: string;
  readonly refundNo: string;
  readonly minorUnits: number;
  readonly atMs: number;
};

/** One discrepancy that is planted, and what the reconciler has to make of it. */
export type PlantedOne = {
  /** Such as `amount, refund, alipay`. */
  readonly name: string;
  /** Every one of these has to be found. */
  readonly expected: readonly Expected[];
  /** May be found besides. */
  readonly allowed: readonly Expected[];
};

/** Where what has to be found, or may be. */
type Expected = Pick<FoundOne, 'class' | 'accountId' | 'channelOrderNo' | 'refundNo'>;

const DAY_MS = 86_400_000;
/** More than any fee of what is paid here. */
const OTHER_FEE_FEN = 5_000;
/** Words in a refund's state of which only WeChat Pay's bill has a column. */
const REFUND_WORDS = ['PROCESSING', 'FAIL', 'TOMORROW'] as const;
const ADDED_FEN = 77;
const CALL_MS_MAX = 10_000;

/** The line of a payment's attempt, where it is the only one and has these states; undefined otherwise. */
const lineOfOnly = (
  payment: Payment,
  accounts: readonly AccountBills[],
  states: readonly AttemptState[],
  when: (attempt: Attempt) => Timestamp | undefined,
): BookedLine | undefined => {
  const [attempt] = payment.attempts;
  const account = accounts.find(({ accountId }) => accountId === attempt?.accountId);
  if (attempt === undefined || payment.attempts.length > 1 || account === undefined) return undefined;
  if (!states.includes(attempt.state)) return undefined;
  const at = when(attempt);
  return {
    kind: 'payment',
    account,
    channelOrderNo: attempt.channelOrderNo,
    refundNo: '',
    minorUnits: Number(payment.amount?.minorUnits ?? 0n),
    atMs: at === undefined ? 0 : timestampMs(at),
  };
};

/** What was paid, of whose payment one attempt alone was made. */
export const paidLines = (payments: readonly Payment[], accounts: readonly AccountBills[]): readonly BookedLine[] =>
  payments
    .filter(({ state }) => state === PaymentState.SUCCEEDED)
    .flatMap((payment) => lineOfOnly(payment, accounts, [AttemptState.SUCCEEDED], () => payment.paidAt) ?? []);

/** Attempts that came to nothing, for which the channel has never moved money. */
export const unpaidLines = (
  payments: readonly Payment[],
  accounts: readonly AccountBills[],
  hasMoved: (orderNo: string) => boolean,
): readonly BookedLine[] =>
  payments
    .filter(({ orderNo }) => !hasMoved(orderNo))
    .flatMap(
      (payment) =>
        lineOfOnly(payment, accounts, [AttemptState.FAILED, AttemptState.CLOSED], ({ startedAt }) => startedAt) ?? [],
    );

/** What was given back. */
export const refundedLines = (
  refunds: readonly Refund[],
  payments: readonly Payment[],
  accounts: readonly AccountBills[],
): readonly BookedLine[] => {
  const byNumber = new Map(payments.map((payment) => [payment.orderNo, payment]));
  return refunds.flatMap((refund) => {
    const attempt = byNumber.get(refund.orderNo)?.attempts.find(({ attemptNo }) => attemptNo === refund.attemptNo);
    const account = accounts.find(({ accountId }) => accountId === attempt?.accountId);
    if (refund.state !== RefundState.SUCCEEDED || attempt === undefined || account === undefined) return [];
    return [
      {
        kind: 'refund',
        account,
        channelOrderNo: attempt.channelOrderNo,
        refundNo: refund.refundNo,
        minorUnits: Number(refund.amount?.minorUnits ?? 0n),
        atMs: refund.settledAt === undefined ? 0 : timestampMs(refund.settledAt),
      } satisfies BookedLine,
    ];
  });
};

/** What is planted in one bill: the acts of the simulated channel, the day where it has to be told, and what has to come of it. */
type Plan = {
  readonly class: string;
  readonly acts: (line: BookedLine, aim: object, place: string) => readonly object[];
  /** Acts in the bill of another day than the line's: with the days' distance. */
  readonly elsewhere?: { readonly days: number; readonly acts: (line: BookedLine, aim: object) => readonly object[] };
  /** Beside a discrepancy of its class under the line's own number. */
  readonly alsoFound?: (line: BookedLine, place: string) => readonly Pick<FoundOne, 'class' | 'channelOrderNo'>[];
  readonly allowed?: readonly string[];
  /** Undefined: any line. */
  readonly fits?: (line: BookedLine) => boolean;
};

const nobody = (place: string): string => `NOBODY${place.padStart(16, '0')}`;

/** Plants on lines that a bill has. */
const PLANS: readonly (readonly [name: string, plan: Plan])[] = [
  ['long', { class: 'long', acts: (_, aim) => [{ do: 'leave_out', ...aim }] }],
  [
    'amount',
    { class: 'amount', acts: (line, aim) => [{ do: 'other_amount', ...aim, amountFen: line.minorUnits + 1 }] },
  ],
  [
    'fee',
    {
      class: 'fee',
      acts: ({ kind }, aim) => [
        { do: 'other_fee', ...aim, feeFen: kind === 'payment' ? OTHER_FEE_FEN : -OTHER_FEE_FEN },
      ],
      // Stripe gives no fee back: there is none that could be another one.
      fits: ({ kind, account }) => kind === 'payment' || account.channelId !== 'stripe',
    },
  ],
  ['duplicate', { class: 'duplicate', acts: (_, aim) => [{ do: 'twice', ...aim }] }],
  [
    'unknown order, under another number',
    {
      class: 'long',
      acts: (_, aim, place) => [{ do: 'other_order_no', ...aim, to: nobody(place) }],
      alsoFound: (_, place) => [{ class: 'unknown_order', channelOrderNo: nobody(place) }],
    },
  ],
  [
    'cross-day',
    {
      class: 'cross_day',
      acts: (_, aim) => [{ do: 'leave_out', ...aim }],
      elsewhere: {
        days: -1,
        acts: (line, aim) => [{ do: 'add_line', ...aim, amountFen: line.minorUnits }],
      },
      // The added line has the channel's fee of the day before, and until that day's bill is due it is looked for there in vain.
      allowed: ['long'],
    },
  ],
  ...REFUND_WORDS.map(
    (state) =>
      [
        `state ${state}`,
        {
          class: 'state',
          acts: (_: BookedLine, aim: object) => [{ do: 'other_state', ...aim, state }],
          fits: ({ kind, account }: BookedLine) => kind === 'refund' && account.channelId === 'wechat',
        },
      ] as const,
  ),
];

const aimOf = ({ channelOrderNo, refundNo }: BookedLine): object => ({
  outTradeNo: channelOrderNo,
  ...(refundNo === '' ? {} : { refundNo }),
});

const expect = ({ account, channelOrderNo, refundNo }: BookedLine, name: string): Expected => ({
  class: name,
  accountId: account.accountId,
  channelOrderNo,
  refundNo,
});

/** What is to be planted: for each channel and kind one of each plan for which there is a line, every line once. */
export const planPlants = (options: {
  readonly channelIds: readonly string[];
  readonly paid: readonly BookedLine[];
  readonly refunded: readonly BookedLine[];
  readonly unpaid: readonly BookedLine[];
  readonly nowMs: number;
}): readonly {
  readonly planted: PlantedOne;
  readonly account: AccountBills;
  readonly requests: readonly { readonly day?: string; readonly acts: readonly object[] }[];
}[] => {
  const { channelIds, paid, refunded, unpaid, nowMs } = options;
  let places = 0;
  return channelIds.flatMap((channelId) => {
    const ofChannel = (lines: readonly BookedLine[]) =>
      lines.filter(({ account }) => account.channelId === channelId).toSorted((a, b) => b.atMs - a.atMs);
    const onLines = [ofChannel(paid), ofChannel(refunded)].flatMap((lines) => {
      const left = [...lines];
      return PLANS.flatMap(([name, plan]) => {
        const at = left.findIndex((line) => plan.fits === undefined || plan.fits(line));
        const [line] = at < 0 ? [] : left.splice(at, 1);
        if (line === undefined) return [];
        places += 1;
        const place = String(places);
        const { account, kind } = line;
        const day = account.dayOf(line.atMs);
        const otherDay = account.dayOf(line.atMs + (plan.elsewhere?.days ?? 0) * DAY_MS);
        const also = (plan.alsoFound?.(line, place) ?? []).map((one) => ({ ...expect(line, one.class), ...one }));
        return [
          {
            planted: {
              name: `${name}, ${kind}, ${channelId}`,
              expected: [expect(line, plan.class), ...also],
              allowed: (plan.allowed ?? []).map((other) => expect(line, other)),
            },
            account,
            requests: [
              { day, acts: plan.acts(line, aimOf(line), place) },
              ...(plan.elsewhere === undefined
                ? []
                : [{ day: otherDay, acts: plan.elsewhere.acts(line, aimOf(line)) }]),
            ],
          },
        ];
      });
    });
    // Lines that nobody paid: of a number that there never was, and of a payment that came to nothing.
    const [some] = ofChannel(paid);
    const added = (['payment', 'refund'] as const).flatMap((kind) => {
      if (some === undefined) return [];
      places += 1;
      const channelOrderNo = nobody(String(places));
      const line = { ...some, kind, channelOrderNo, refundNo: kind === 'payment' ? '' : `R${channelOrderNo}` };
      return [addedLine('unknown order', 'unknown_order', { ...line, minorUnits: ADDED_FEN }, nowMs)];
    });
    const short = ofChannel(unpaid)
      .slice(0, 1)
      .map((line) => addedLine('short', 'short', line, nowMs));
    return [...onLines, ...added, ...short];
  });
};

const addedLine = (name: string, of: string, line: BookedLine, nowMs: number) => {
  const { account, kind, minorUnits } = line;
  return {
    planted: { name: `${name}, ${kind}, ${account.channelId}`, expected: [expect(line, of)], allowed: [] },
    account,
    requests: [
      { day: account.dayOf(nowMs), acts: [{ do: 'add_line', ...aimOf(line), amountFen: minorUnits }] as const },
    ],
  };
};

/** Plants discrepancies, or a fault of a whole bill, in a bill of the simulated channels. */
export const plant = async (
  mesh: Mesh,
  { channelId, accountId }: AccountBills,
  request: { readonly day?: string; readonly acts: readonly object[]; readonly uses?: number },
): Promise<void> => {
  const { acts, ...more } = request;
  const response = await fetch(`http://${mesh.address('sandbox-control')}/control/bills/plants`, {
    method: 'POST',
    signal: AbortSignal.timeout(CALL_MS_MAX),
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ channel: channelId, account: accountId, discrepancies: acts, ...more }),
  });
  if (!response.ok) throw new Error(`the sandbox answers ${response.status}: ${await response.text()}`);
};

const keyOf = (one: Expected): string => `${one.class} ${one.accountId} ${one.channelOrderNo} ${one.refundNo}`;

/**
 * Holds what was found against what was planted.
 *
 * @param known what is there besides, and may be found: discrepancies of which the drill itself is the cause.
 * @returns what was planted and not found in its class, and what was found and never planted.
 */
export const judgePlants = (
  planted: readonly PlantedOne[],
  found: readonly FoundOne[],
  known: readonly Expected[],
): { readonly missed: readonly string[]; readonly wrong: readonly FoundOne[] } => {
  const seen = new Set(found.map(keyOf));
  const meant = new Set([...planted.flatMap((one) => [...one.expected, ...one.allowed]), ...known].map(keyOf));
  return {
    missed: planted.filter(({ expected }) => !expected.every((one) => seen.has(keyOf(one)))).map(({ name }) => name),
    wrong: found.filter((one) => !meant.has(keyOf(one))),
  };
};
