import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { systemClock } from '@tillmesh/clock';
import { money } from '@tillmesh/domain';
import {
  type AttemptResultSchema,
  type ChannelService,
  type CloseResultSchema,
  type CreatePaymentRequest,
  CreatePaymentRequestSchema,
  type CreateRefundRequest,
  type RefundResultSchema,
} from '@tillmesh/proto/tillmesh/channel/v1/channel_service_pb.ts';
import { OutcomeKind, SignatureState, Transport } from '@tillmesh/proto/tillmesh/payment/v1/outcome_pb.ts';
import { DeclineReason } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { type Implementation, notYet, notYetStream } from '@tillmesh/rpc';
import { moneyToWire } from '@tillmesh/wire';

type AttemptResultInit = MessageInitShape<typeof AttemptResultSchema>;
type CloseResultInit = MessageInitShape<typeof CloseResultSchema>;
type RefundResultInit = MessageInitShape<typeof RefundResultSchema>;

/** What a channel says next: a result, an answer without one, or something that happens instead. */
export type Line<Result> = Result | 'no_result' | ((request: CreatePaymentRequest) => Promise<Result>);

/** A channel's adapter that says what the test has written, line by line, and remembers what it was asked. */
export type ScriptedChannel = {
  readonly handlers: Implementation<typeof ChannelService>;
  readonly paid: CreatePaymentRequest[];
  readonly refunded: CreateRefundRequest[];
  readonly asked: string[];
  readonly script: {
    pay: Line<AttemptResultInit>[];
    query: Line<AttemptResultInit>[];
    close: Line<CloseResultInit>[];
    refund: Line<RefundResultInit>[];
  };
};

const verified = { transport: Transport.ANSWERED, signature: SignatureState.VERIFIED } as const;

/** Verified: the money moved. */
export const succeeded = (minorUnits = 100n): AttemptResultInit => ({
  ...verified,
  outcome: OutcomeKind.SUCCEEDED,
  channelTransactionId: 'tx-1',
  paid: moneyToWire(money('CNY', minorUnits)),
  paidAt: timestampFromMs(systemClock.nowMs()),
});

/** Verified, and on the channel's whitelist. */
export const refused = (
  declineReason: DeclineReason = DeclineReason.INSUFFICIENT_FUNDS,
  channelCode = 'NOTENOUGH',
): AttemptResultInit => ({
  ...verified,
  outcome: OutcomeKind.FAILED_DEFINITE,
  ruleId: 'a-rule',
  channelCode,
  declineReason,
});

/** Verified: the channel has closed it. */
export const closedThere: AttemptResultInit = { ...refused(DeclineReason.PAYER_CANCELLED, 'CLOSED'), closed: true };

/** No byte reached the channel. */
export const notSent: AttemptResultInit = {
  outcome: OutcomeKind.FAILED_DEFINITE,
  transport: Transport.NOT_SENT,
  declineReason: DeclineReason.CHANNEL_UNREACHABLE,
  channelCode: 'ECONNREFUSED',
};

/** The payer has to scan this. */
export const showsCode = (qrCode = 'weixin://wxpay/bizpayurl?pr=1'): AttemptResultInit => ({
  ...verified,
  outcome: OutcomeKind.PENDING_PAYER,
  action: { action: { case: 'qrCode', value: qrCode } },
});

/** The payer is typing a password. */
export const payerTypes: AttemptResultInit = {
  ...verified,
  outcome: OutcomeKind.PENDING_PAYER,
  channelState: 'USERPAYING',
};

/** Nobody knows. */
export const unclear: AttemptResultInit = {
  outcome: OutcomeKind.UNKNOWN,
  transport: Transport.MAYBE_SENT,
  channelCode: 'ETIMEDOUT',
};

/** Creates a channel without a script. A question that is not in the script fails the call. */
export const createScriptedChannel = (): ScriptedChannel => {
  const paid: CreatePaymentRequest[] = [];
  const refunded: CreateRefundRequest[] = [];
  const asked: string[] = [];
  const script: ScriptedChannel['script'] = { pay: [], query: [], close: [], refund: [] };

  const nextLine = async <Result extends object>(
    lines: Line<Result>[],
    what: string,
    request?: CreatePaymentRequest,
  ): Promise<{ readonly result?: Result }> => {
    asked.push(what);
    const line = lines.shift();
    if (line === undefined) throw new Error(`the script has no line for ${what}`);
    if (line === 'no_result') return {};
    return { result: typeof line === 'function' ? await line(request ?? create(CreatePaymentRequestSchema)) : line };
  };

  return {
    paid,
    refunded,
    asked,
    script,
    handlers: {
      describeChannel: async () => ({ channelId: 'wechat' }),
      createPayment: async (request) => {
        paid.push(request);
        return nextLine(script.pay, 'pay', request);
      },
      queryPayment: () => nextLine(script.query, 'query'),
      closePayment: () => nextLine(script.close, 'close'),
      reversePayment: notYet('ReversePayment'),
      createRefund: (request) => {
        refunded.push(request);
        return nextLine(script.refund, 'refund');
      },
      queryRefund: notYet('QueryRefund'),
      parseNotification: notYet('ParseNotification'),
      buildPayerAuth: notYet('BuildPayerAuth'),
      resolvePayer: notYet('ResolvePayer'),
      refreshAccounts: notYet('RefreshAccounts'),
      fetchBill: notYetStream('FetchBill'),
    },
  };
};
