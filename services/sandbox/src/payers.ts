import type { Clock, Random } from '@tillmesh/clock';
import { assert, assertNever } from '@tillmesh/domain';
import { addFen, type Fen, subtractFen } from './fen.ts';
import type { Act, ChannelName } from './script.ts';
import type { State } from './state.ts';

/** A simulated person with money in a wallet. */
export type Payer = {
  /** WeChat's openid, Alipay's buyer_user_id. */
  readonly payerId: string;
  readonly wallet: ChannelName;
  readonly balance: Fen;
};

/** The bar code that a payer's wallet shows. */
export type PaymentCode = {
  readonly code: string;
  readonly payerId: string;
  readonly wallet: ChannelName;
  readonly validUntilMs: number;
  /** The order that it was used for. A code is for one order (research sheet, section 6). */
  readonly usedFor: string | undefined;
  /** How the order goes that is paid by this code. */
  readonly acts: readonly Act[];
};

// WeChat: 18 digits, 10 to 14, and 15 for Hong Kong. Alipay: 16 to 24 digits, 25 to 30. Written down here once more
// and not taken from libs/domain: the sandbox judges what the mesh believes.
const CODE_FORMS: Readonly<Record<ChannelName, RegExp>> = {
  wechat: /^1[0-5][0-9]{16}$/,
  alipay: /^(?:2[5-9]|30)[0-9]{14,22}$/,
  // No code to scan, but what stands for a card: Stripe's id of a payment method.
  stripe: /^pm_[0-9A-Za-z_]{1,64}$/,
  unionpay: /^62[0-9]{17}$/,
};

/** Whether a wallet shows codes of this form. */
export const hasFormOf = (wallet: ChannelName, text: string): boolean => CODE_FORMS[wallet].test(text);

export type CodeTaken =
  | { readonly kind: 'taken'; readonly payer: Payer; readonly acts: readonly Act[] }
  /** Not digits of a right length. */
  | { readonly kind: 'malformed' }
  /** Another wallet's, or one that no wallet has issued. */
  | { readonly kind: 'foreign' }
  | { readonly kind: 'expired' }
  | { readonly kind: 'used' };

export interface Payers {
  issueCode(wish: {
    readonly wallet: ChannelName;
    readonly payerId?: string | undefined;
    readonly balance?: Fen | undefined;
    readonly validForMs?: number | undefined;
    readonly acts: readonly Act[];
  }): PaymentCode;
  /** What a code would do for an order; changes nothing. */
  lookAtCode(wallet: ChannelName, code: string, orderKey: string): CodeTaken;
  /** Binds a code to the order that it was taken for. */
  useCode(code: string, orderKey: string): void;
  /** The payer of this id, made with the usual balance where there is none yet; a new one without an id. */
  meet(wallet: ChannelName, payerId?: string): Payer;
  take(payerId: string, amount: Fen): void;
  give(payerId: string, amount: Fen): void;
  canPay(payerId: string, amount: Fen): boolean;
}

export const createPayers = (deps: {
  readonly state: State;
  readonly clock: Clock;
  readonly random: Random;
  readonly balance: Fen;
  readonly paymentCodeValidMs: number;
}): Payers => {
  const { clock, random } = deps;
  const payers = deps.state.table<Payer>('payer', (payer) => payer.payerId);
  const codes = deps.state.table<PaymentCode>('payment_code', (code) => code.code);

  const digits = (count: number) => Array.from({ length: count }, () => random.below(10)).join('');
  const freshId = (wallet: ChannelName): string => {
    switch (wallet) {
      case 'wechat':
        return `oSbx${random.hex(12)}`;
      case 'alipay':
        return `2088${digits(12)}`;
      case 'stripe':
        return `cus_${random.hex(7)}`;
      case 'unionpay':
        return `up${digits(14)}`;
      default:
        return assertNever(wallet);
    }
  };
  const freshCode = (wallet: ChannelName): string => {
    switch (wallet) {
      case 'wechat':
        return `1${random.below(5)}${digits(16)}`;
      case 'alipay':
        return `2${5 + random.below(5)}${digits(16)}`;
      case 'stripe':
        return `pm_1${random.hex(12)}`;
      case 'unionpay':
        return `62${digits(17)}`;
      default:
        return assertNever(wallet);
    }
  };
  const unused = (draw: () => string, isUsed: (text: string) => boolean): string => {
    for (let tries = 0; tries < 100; tries += 1) {
      const text = draw();
      if (!isUsed(text)) return text;
    }
    throw new Error('no unused number was found in 100 draws');
  };
  const known = (payerId: string): Payer => {
    const payer = payers.get(payerId);
    assert(payer !== undefined, `there is no payer ${payerId}`);
    return payer;
  };
  const meet = (wallet: ChannelName, payerId?: string, balance: Fen = deps.balance): Payer => {
    const id =
      payerId ??
      unused(
        () => freshId(wallet),
        (text) => payers.get(text) !== undefined,
      );
    const payer = payers.get(id) ?? { payerId: id, wallet, balance };
    if (payers.get(id) === undefined) payers.put(payer);
    return payer;
  };

  return {
    meet: (wallet, payerId) => meet(wallet, payerId),
    issueCode: ({ wallet, payerId, balance, validForMs, acts }) => {
      const code: PaymentCode = {
        code: unused(
          () => freshCode(wallet),
          (text) => codes.get(text) !== undefined,
        ),
        payerId: meet(wallet, payerId, balance).payerId,
        wallet,
        validUntilMs: clock.nowMs() + (validForMs ?? deps.paymentCodeValidMs),
        usedFor: undefined,
        acts,
      };
      codes.put(code);
      return code;
    },
    lookAtCode: (wallet, text, orderKey) => {
      if (wallet !== 'stripe' && !/^[0-9]{16,24}$/.test(text)) return { kind: 'malformed' };
      const code = codes.get(text);
      if (!hasFormOf(wallet, text) || code === undefined || code.wallet !== wallet) return { kind: 'foreign' };
      if (code.usedFor !== undefined && code.usedFor !== orderKey) return { kind: 'used' };
      if (code.usedFor === undefined && code.validUntilMs <= clock.nowMs()) return { kind: 'expired' };
      return { kind: 'taken', payer: known(code.payerId), acts: code.acts };
    },
    useCode: (text, orderKey) => {
      const code = codes.get(text);
      assert(code !== undefined, 'a payment code is used that was never issued');
      codes.put({ ...code, usedFor: orderKey });
    },
    take: (payerId, amount) => {
      const payer = known(payerId);
      payers.put({ ...payer, balance: subtractFen(payer.balance, amount) });
    },
    give: (payerId, amount) => {
      const payer = known(payerId);
      payers.put({ ...payer, balance: addFen(payer.balance, amount) });
    },
    canPay: (payerId, amount) => known(payerId).balance >= amount,
  };
};
