import type { ChannelService } from '@tillmesh/proto/tillmesh/channel/v1/channel_service_pb.ts';
import type { PaymentKind } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import type { RpcClient } from '@tillmesh/rpc';

/** How a payer behaves who shows a payment code, or a card. */
export type Payer =
  /** With a coupon of the merchant, where the world knows discounts. */
  | { readonly kind: 'pays'; readonly merchantDiscountFen?: number | undefined }
  | { readonly kind: 'types_password'; readonly seconds: number }
  /** The channel declines with this code. */
  | { readonly kind: 'declined'; readonly code: string };

/** What goes wrong with an exchange. */
export type Fault =
  /** Nothing is done; the connection is cut. */
  | 'lost_before_commit'
  /** It is done; the connection is cut. */
  | 'lost_after_commit'
  /** It is done; nothing is ever answered. */
  | 'silent_after_commit'
  /** It is done; the channel says that something is wrong with it. */
  | 'error_after_commit'
  /** It is done; the state that is told is one that nobody has listed. */
  | 'novel_state'
  /** It is done, and told with fields that nobody has listed; nothing is wrong with it. */
  | 'extra_fields'
  | 'bad_signature'
  | 'unsigned'
  /** A web page in the place of the answer. */
  | 'web_page'
  /** The first half of the answer. */
  | 'truncated'
  | 'http_500';

/** The exchange that a fault meets. */
export type FaultyOperation = 'pay' | 'query' | 'end' | 'refund' | 'refund_query';

/** What goes wrong with a bill. */
export type BillFault = 'truncated' | 'wrong_hash' | 'wrong_encoding' | 'wrong_totals' | 'bad_archive' | 'not_ready';

/** What the simulator took for an order number, and what it gave back. */
export type Balance = { readonly charges: number; readonly chargedFen: number; readonly returnedFen: number };

/** A notification as the channel sent it. */
export type SentNotification = {
  readonly headers: readonly { readonly name: string; readonly value: string }[];
  readonly body: Uint8Array;
};

/** A channel beside a simulator of it that can be told how to behave. Everything is asked over gRPC, as the mesh does. */
export type ChannelWorld = {
  readonly client: RpcClient<typeof ChannelService>;
  /** The same channel, with nobody at its address. */
  readonly unreachable: RpcClient<typeof ChannelService>;
  /** The same channel, whose clock is two days ahead. */
  readonly ahead: RpcClient<typeof ChannelService>;
  readonly accountId: string;
  /** Another account at the same channel, which has nothing to do with the first one's orders. */
  readonly otherAccountId: string;
  /** How a payer pays who is asked for nothing more than a secret: a payment code, or what stands for a card. */
  readonly instantKind: PaymentKind;
  /** Whether the channel signs its answers, or the connection vouches for them. */
  readonly signsAnswers: boolean;
  /** Whether the channel can take a code back that is shown; otherwise time alone ends it. */
  readonly canWithdraw: boolean;
  /** Whether payers can have coupons here. */
  readonly knowsDiscounts: boolean;
  /** A listed decline for want of money. */
  readonly declineCode: string;
  readonly notifyUrl: string;
  /** What must not stand in any result. */
  readonly secrets: readonly string[];
  /** The secret that such a payer shows. */
  readonly paymentCode: (payer: Payer) => Promise<string>;
  /** The next exchange of this kind about the order goes wrong, and only that one. */
  readonly disturb: (channelOrderNo: string, operation: FaultyOperation, fault: Fault) => Promise<void>;
  /** A payer scans and pays, perhaps with a coupon of the merchant; false where the code can no longer be paid. */
  readonly scanAndPay: (qrCode: string, merchantDiscountFen?: number) => Promise<boolean>;
  /** What can be wrong with a bill of this channel, and the flaw that has to be named; without one it is not ready. */
  readonly billFaults: readonly (readonly [BillFault, string | undefined])[];
  /** The next bill of this day is broken. */
  readonly breakBill: (day: string, fault: BillFault) => Promise<void>;
  readonly balanceOf: (channelOrderNo: string) => Promise<Balance>;
  /** The first notification that the channel sends about the order. */
  readonly notificationOf: (channelOrderNo: string) => Promise<SentNotification>;
  /** One byte of what the signature covers changed. */
  readonly forged: (notification: SentNotification) => SentNotification;
  /** The signature left out. */
  readonly unsigned: (notification: SentNotification) => SentNotification;
  readonly close: () => Promise<void>;
};
