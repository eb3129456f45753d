import {
  type AnswerTrust,
  type CallFacts,
  type ChannelCall,
  factsOf,
  toBeijingDigits,
  utf8TextOf,
} from '@tillmesh/channel-kit';
import { parseAnswer } from './acp-form.ts';
import { verifyTold } from './certificate.ts';
import type { UnionpayAccount } from './config.ts';
import { type AcpFields, sign } from './signature.ts';

/** A call to UnionPay in the name of an account. */
export type UnionpayCall = ChannelCall<UnionpayAccount>;

/** An answer; its fields are undefined where it cannot be read. */
export type Answer = {
  readonly kind: 'answered';
  readonly facts: CallFacts;
  readonly trust: AnswerTrust;
  readonly fields: AcpFields | undefined;
};

/** What came back: nothing, or an answer. */
export type Answered = { readonly kind: 'unanswered'; readonly facts: CallFacts; readonly cause: string } | Answer;

/** Names an order or a refund at UnionPay: the time is a part of the name. */
export const nameOf = (orderId: string, atMs: number): AcpFields => ({ orderId, txnTime: toBeijingDigits(atMs) });

const OPERATION_PATHS = { trade: '/backTransReq.do', query: '/queryTrans.do' } as const;

/**
 * Calls an interface of the gateway once: a signed form there, and a text that is not encoded back.
 *
 * @param options.fields what the transaction needs besides the common fields; empty ones are left out.
 */
export const callGateway = async (
  call: UnionpayCall,
  options: {
    readonly to: keyof typeof OPERATION_PATHS;
    readonly fields: AcpFields;
    /** Whether the same bytes may go to another domain after a lost answer. */
    readonly repeatable: boolean;
  },
): Promise<Answered> => {
  const { account, http, signal } = call;
  const [baseUrl = ''] = account.baseUrls;
  const { pathname } = new URL(baseUrl);
  const path = `${pathname === '/' ? '' : pathname}${OPERATION_PATHS[options.to]}`;
  const named = {
    version: '5.1.0',
    encoding: 'UTF-8',
    certId: account.certId,
    signMethod: '01',
    bizType: '000000',
    accessType: '0',
    merId: account.merId,
    ...options.fields,
  };
  const fields = Object.fromEntries(Object.entries(named).filter(([, value]) => value !== ''));
  const form = new URLSearchParams({ ...fields, signature: sign(fields, account.privateKeyFile) });
  const exchange = await http.send({
    baseUrl,
    method: 'POST',
    path,
    pathTemplate: `${path}#${fields['txnType'] ?? ''}${fields['txnSubType'] ?? ''}`,
    headers: {
      'content-type': 'application/x-www-form-urlencoded;charset=UTF-8',
      accept: 'text/html',
      'accept-encoding': 'identity',
      'user-agent': 'tillmesh-channel-unionpay/1',
    },
    body: Buffer.from(form.toString(), 'utf8'),
    repeatable: options.repeatable,
    signal,
  });
  if (exchange.kind !== 'answered') {
    return { kind: 'unanswered', facts: factsOf(exchange, undefined), cause: exchange.cause };
  }
  const read = exchange.status === 200 ? parseAnswer(utf8TextOf(exchange.body) ?? '') : undefined;
  const state = read === undefined ? 'absent' : verifyTold(read, account, call.clock.nowMs());
  const trust: AnswerTrust = {
    httpStatus: exchange.status,
    signature: state,
    // UnionPay signs every answer and gives requests no id: nothing vouches for one that nobody has signed.
    unsignedCredible: false,
  };
  return { kind: 'answered', facts: factsOf(exchange, state), trust, fields: read };
};
