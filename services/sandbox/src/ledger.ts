import type { Clock } from '@tillmesh/clock';
import { assert } from '@tillmesh/domain';
import { addFen, type Fen, subtractFen, ZERO_FEN } from './fen.ts';
import type { Payers } from './payers.ts';
import type { ChannelName } from './script.ts';
import type { State } from './state.ts';

/** Money that moved between a payer and a merchant. A charge takes it, a refund or a reversal gives it back. */
export type Movement = {
  /** 1, 2, 3 in the order in which money moved. */
  readonly sequence: number;
  readonly kind: 'charge' | 'refund' | 'reversal';
  readonly channel: ChannelName;
  readonly accountId: string;
  /** WeChat's mchid, Alipay's app_id. */
  readonly merchantId: string;
  readonly outTradeNo: string;
  readonly transactionId: string;
  /** WeChat's out_refund_no, Alipay's out_request_no; of refunds alone. */
  readonly refundNo: string | undefined;
  readonly payerId: string;
  readonly amount: Fen;
  readonly atMs: number;
};

export type NewMovement = Omit<Movement, 'sequence' | 'kind' | 'atMs'>;

/** What one order number has taken from its payer. */
export type OrderSum = {
  readonly channel: ChannelName;
  readonly accountId: string;
  readonly merchantId: string;
  readonly outTradeNo: string;
  readonly charges: number;
  readonly charged: Fen;
  readonly returned: Fen;
  readonly net: Fen;
};

/** The customers' money: the oracle for "nobody pays twice". It only grows. */
export interface Ledger {
  charge(movement: NewMovement): void;
  refund(movement: NewMovement): void;
  reverse(movement: NewMovement): void;
  movements(): IterableIterator<Movement>;
  sums(): IterableIterator<OrderSum>;
}

const orderKeyOf = (movement: NewMovement): string =>
  `${movement.channel}/${movement.merchantId}/${movement.outTradeNo}`;

const sumAfter = (before: OrderSum | undefined, movement: Movement): OrderSum => {
  const { channel, accountId, merchantId, outTradeNo, amount } = movement;
  const isCharge = movement.kind === 'charge';
  const sum = before ?? {
    channel,
    accountId,
    merchantId,
    outTradeNo,
    charges: 0,
    charged: ZERO_FEN,
    returned: ZERO_FEN,
    net: ZERO_FEN,
  };
  const charged = isCharge ? addFen(sum.charged, amount) : sum.charged;
  const returned = isCharge ? sum.returned : addFen(sum.returned, amount);
  // Throws where more was given back than was taken: the oracle itself would be wrong.
  const net = subtractFen(charged, returned);
  return { ...sum, charges: sum.charges + (isCharge ? 1 : 0), charged, returned, net };
};

export const createLedger = (deps: {
  readonly state: State;
  readonly clock: Clock;
  readonly payers: Payers;
}): Ledger => {
  const table = deps.state.table<Movement>('movement', (movement) => String(movement.sequence));
  const sums = new Map<string, OrderSum>();
  table.watch((movement) => {
    const key = orderKeyOf(movement);
    sums.set(key, sumAfter(sums.get(key), movement));
  });
  const add = (kind: Movement['kind'], movement: NewMovement): void => {
    assert(movement.amount > 0n, 'money moves by one fen at least');
    table.put({ ...movement, kind, sequence: table.size + 1, atMs: deps.clock.nowMs() });
  };
  return {
    charge: (movement) => {
      // A channel takes an order's money once; a second charge would be the sandbox' own fault, not the mesh's.
      assert(sums.get(orderKeyOf(movement)) === undefined, `${movement.outTradeNo} was charged before`);
      deps.payers.take(movement.payerId, movement.amount);
      add('charge', movement);
    },
    refund: (movement) => {
      add('refund', movement);
      deps.payers.give(movement.payerId, movement.amount);
    },
    reverse: (movement) => {
      add('reversal', movement);
      deps.payers.give(movement.payerId, movement.amount);
    },
    movements: () => table.values(),
    sums: () => sums.values(),
  };
};
