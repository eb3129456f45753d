import type { Random } from '@tillmesh/clock';
import { PaymentKind, Wallet } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';

type Act = Readonly<Record<string, unknown>>;

/** How a payer pays, at which channel. */
export type Way = {
  readonly name: string;
  readonly channel: 'wechat' | 'alipay' | 'stripe' | 'unionpay';
  readonly kind: PaymentKind;
  readonly wallet: Wallet;
};

/** A channel's ways: what its payer shows, and what its payer scans. */
export const WAYS: readonly Way[] = [
  { name: 'wechat code', channel: 'wechat', kind: PaymentKind.PAYMENT_CODE, wallet: Wallet.WECHAT },
  { name: 'wechat qr', channel: 'wechat', kind: PaymentKind.MERCHANT_QR, wallet: Wallet.WECHAT },
  { name: 'alipay code', channel: 'alipay', kind: PaymentKind.PAYMENT_CODE, wallet: Wallet.ALIPAY },
  { name: 'alipay qr', channel: 'alipay', kind: PaymentKind.MERCHANT_QR, wallet: Wallet.ALIPAY },
  // A code to scan that nobody pays ends by time alone at UnionPay: that is not ambiguous, and takes longer than a drill.
  { name: 'unionpay code', channel: 'unionpay', kind: PaymentKind.PAYMENT_CODE, wallet: Wallet.UNIONPAY },
  { name: 'stripe card', channel: 'stripe', kind: PaymentKind.CARD, wallet: Wallet.CARD },
];

/** What goes wrong with one exchange. */
export type Fault = { readonly name: string; readonly act: Act };

const fault = (name: string, act: Act): Fault => ({ name, act });

/** The points of an exchange at which it can break, and answers that are not what they seem. */
export const EXCHANGE_FAULTS: readonly Fault[] = [
  fault('cut before', { do: 'answer_lost_before_commit', how: 'cut' }),
  fault('silent before', { do: 'answer_lost_before_commit', how: 'hang' }),
  fault('cut after', { do: 'answer_lost_after_commit', how: 'cut' }),
  fault('silent after', { do: 'answer_lost_after_commit', how: 'hang' }),
  fault('late', { do: 'delay', ms: 4_000, when: 'after_commit' }),
  fault('late start', { do: 'delay', ms: 4_000, when: 'before_commit' }),
  fault('error after', { do: 'error_after_commit', code: 'SYSTEMERROR' }),
  fault('new code after', { do: 'error_after_commit', code: 'NOVEL_CODE_OF_TOMORROW' }),
  fault('500 after', { do: 'http_error', status: 500, commit: true }),
  fault('502 before', { do: 'http_error', status: 502, commit: false }),
  fault('web page after', { do: 'garbage', form: 'html', commit: true }),
  fault('half an answer', { do: 'garbage', form: 'truncated', commit: true }),
  fault('wrong signature', { do: 'bad_signature' }),
  fault('no signature', { do: 'unsigned' }),
  fault('state of tomorrow', { do: 'novel_state' }),
];

/** What goes wrong with telling us. */
export const NOTIFICATION_FAULTS: readonly Fault[] = [
  fault('never', { do: 'never_notify' }),
  fault('twice', { do: 'notify_twice' }),
  fault('wrong signature', { do: 'bad_signature' }),
  fault('no signature', { do: 'unsigned' }),
  fault('late', { do: 'delay', ms: 3_000 }),
];

/** What a payer does. */
export type Payer = { readonly name: string; readonly share: number; readonly acts: readonly Act[] };

const PAYERS: readonly Payer[] = [
  { name: 'pays', share: 0.72, acts: [] },
  { name: 'types', share: 0.16, acts: [{ do: 'payer_types_password', seconds: 2, then: 'pays' }] },
  { name: 'gives up', share: 0.07, acts: [{ do: 'payer_types_password', seconds: 2, then: 'gives_up' }] },
  { name: 'has no money', share: 0.05, acts: [] },
];
/** A listed decline of each channel. */
const DECLINES: Readonly<Record<Way['channel'], string>> = {
  wechat: 'NOTENOUGH',
  alipay: 'ACQ.BUYER_BALANCE_NOT_ENOUGH',
  stripe: 'insufficient_funds',
  unionpay: '51',
};

const FAULTY_SHARE = { pay: 0.7, query: 0.4, end: 0.3, notification: 0.4 };

/** One payment, and everything that is to go wrong with it. */
export type Plan = {
  readonly way: Way;
  readonly payer: string;
  /** Acts of the exchange that asks for the money, the payer's own among them. */
  readonly pay: readonly Act[];
  /** What the payer does who scans. */
  readonly scan: readonly Act[];
  /** Whether a payer who scans leaves without having paid. */
  readonly walksAway: boolean;
  /** Of the first query, close or reverse, and notification; undefined where nothing is wrong. */
  readonly query: Fault | undefined;
  readonly end: Fault | undefined;
  readonly notification: Fault | undefined;
  readonly payFault: Fault | undefined;
  /** No question about it is ever answered, and nobody tells: it has to reach a person. */
  readonly isEndless: boolean;
};

/** One of some values. */
export const pick = <Value>(values: readonly Value[], random: Random): Value => {
  const value = values[random.below(values.length)];
  if (value === undefined) throw new RangeError('nothing to choose from');
  return value;
};

const pickPayer = (random: Random): Payer => {
  let left = random.fraction();
  for (const payer of PAYERS) {
    left -= payer.share;
    if (left < 0) return payer;
  }
  return PAYERS[0] as Payer;
};

/** @param isEndless whether nobody ever learns how it ended. */
export const planPayment = (random: Random, isEndless: boolean): Plan => {
  const way = pick(isEndless ? WAYS.filter(({ kind }) => kind === PaymentKind.PAYMENT_CODE) : WAYS, random);
  const some = (share: number, faults: readonly Fault[]) =>
    random.fraction() < share ? pick(faults, random) : undefined;
  if (isEndless) {
    const lost = fault('cut after', { do: 'answer_lost_after_commit', how: 'cut' });
    return {
      way,
      payer: 'pays',
      pay: [lost.act],
      scan: [],
      walksAway: false,
      payFault: lost,
      query: undefined,
      end: undefined,
      notification: undefined,
      isEndless,
    };
  }
  const payer = pickPayer(random);
  const payFault = some(FAULTY_SHARE.pay, EXCHANGE_FAULTS);
  const own = payer.name === 'has no money' ? [{ do: 'decline', code: DECLINES[way.channel] }] : payer.acts;
  const shows = way.kind !== PaymentKind.MERCHANT_QR;
  return {
    way,
    payer: payer.name,
    pay: [...(shows ? own : []), ...(payFault === undefined ? [] : [payFault.act])],
    scan: shows ? [] : own,
    walksAway: !shows && (payer.name === 'gives up' || payer.name === 'has no money'),
    payFault,
    query: some(FAULTY_SHARE.query, EXCHANGE_FAULTS),
    end: some(FAULTY_SHARE.end, EXCHANGE_FAULTS),
    notification: some(FAULTY_SHARE.notification, NOTIFICATION_FAULTS),
    isEndless,
  };
};
