import { createHmac, timingSafeEqual } from 'node:crypto';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { systemRandom } from '@tillmesh/clock';
import {
  type ChannelService,
  NotificationRefusal,
  type ParseNotificationRequest,
  type ParseNotificationResponseSchema,
} from '@tillmesh/proto/tillmesh/channel/v1/channel_service_pb.ts';
import { OutcomeKind, SignatureState, Transport } from '@tillmesh/proto/tillmesh/payment/v1/outcome_pb.ts';
import { RefundState } from '@tillmesh/proto/tillmesh/payment/v1/refund_pb.ts';
import { type Implementation, notYet, notYetStream, rpcErrors } from '@tillmesh/rpc';

/** What a channel tells: the numbers of what was paid and of what was given back. */
export type News = { readonly paid?: readonly string[]; readonly refunded?: readonly string[] };

type Parsed = MessageInitShape<typeof ParseNotificationResponseSchema>;

const verified = { transport: Transport.ANSWERED, signature: SignatureState.VERIFIED } as const;
const SIGNATURE = 'x-signature';

/** A channel that signs what it sends, and the adapter that verifies it: one changed byte of the body and it is refused. */
export type SigningChannel = {
  readonly handlers: Implementation<typeof ChannelService>;
  /** What the adapter was given, in order. */
  readonly parsed: ParseNotificationRequest[];
  readonly accountIds: string[];
  /** The answers as the channel wants to read them. */
  readonly answers: { readonly ok: string; readonly retry: string };
  /** A notification, ready to be sent. */
  notification(news: News): { readonly body: string; readonly headers: Record<string, string> };
  /** The adapter answers this instead, whatever it is given. */
  answerWith(answer: () => Promise<Parsed>): void;
};

/** Creates the channel; its answers name it. */
export const createSigningChannel = (channelId: string, accountIds: string[]): SigningChannel => {
  const key = systemRandom.hex(16);
  const parsed: ParseNotificationRequest[] = [];
  const answers = { ok: `{"code":"SUCCESS","from":"${channelId}"}`, retry: `{"code":"FAIL","from":"${channelId}"}` };
  let instead: (() => Promise<Parsed>) | undefined;
  const signatureOf = (body: Uint8Array | string) => createHmac('sha256', key).update(body).digest('hex');
  const answer = (status: number, body: string) => ({
    status,
    contentType: 'application/json',
    body: Buffer.from(body),
  });
  const refused = (refusal: NotificationRefusal, status: number): Parsed => ({
    refusal,
    answerRetry: answer(status, answers.retry),
  });

  const parse = ({ accountId, headers, body }: ParseNotificationRequest): Parsed => {
    if (!accountIds.includes(accountId)) {
      throw rpcErrors.accountUnknown(`no account ${accountId}`, { metadata: { account_id: accountId } });
    }
    const signature = headers.find(({ name }) => name === SIGNATURE)?.value ?? '';
    if (signature === '') return refused(NotificationRefusal.NO_SIGNATURE, 401);
    const [given, right] = [Buffer.from(signature), Buffer.from(signatureOf(body))];
    if (given.length !== right.length || !timingSafeEqual(given, right)) {
      return refused(NotificationRefusal.BAD_SIGNATURE, 401);
    }
    let news: News;
    try {
      news = JSON.parse(Buffer.from(body).toString()) as News;
    } catch {
      return refused(NotificationRefusal.UNREADABLE, 400);
    }
    const result = { ...verified, outcome: OutcomeKind.SUCCEEDED, paidAt: timestampFromMs(0) };
    return {
      dedupeKey: signature,
      payments: (news.paid ?? []).map((channelOrderNo) => ({ channelOrderNo, result })),
      refunds: (news.refunded ?? []).map((refundNo) => ({
        refundNo,
        result: { ...verified, state: RefundState.SUCCEEDED },
      })),
      answerOk: answer(200, answers.ok),
      answerRetry: answer(500, answers.retry),
    };
  };

  return {
    parsed,
    accountIds,
    answers,
    notification: (news) => {
      const body = JSON.stringify(news);
      return { body, headers: { [SIGNATURE]: signatureOf(body), 'content-type': 'application/json' } };
    },
    answerWith: (next) => {
      instead = next;
    },
    handlers: {
      parseNotification: async (request) => {
        parsed.push(request);
        return instead === undefined ? parse(request) : instead();
      },
      describeChannel: notYet('DescribeChannel'),
      createPayment: notYet('CreatePayment'),
      queryPayment: notYet('QueryPayment'),
      closePayment: notYet('ClosePayment'),
      reversePayment: notYet('ReversePayment'),
      createRefund: notYet('CreateRefund'),
      queryRefund: notYet('QueryRefund'),
      buildPayerAuth: notYet('BuildPayerAuth'),
      resolvePayer: notYet('ResolvePayer'),
      refreshAccounts: notYet('RefreshAccounts'),
      fetchBill: notYetStream('FetchBill'),
    },
  };
};
