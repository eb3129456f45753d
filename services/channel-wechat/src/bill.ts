import {
  type BillLimits,
  type BillReport,
  type BillRequest,
  type BillSpool,
  BrokenBill,
  type ChannelBills,
  factsOf,
  type HttpExchange,
  parseJsonObject,
  plainBytesOf,
  sha1Of,
  textAt,
  utf8TextOf,
} from '@tillmesh/channel-kit';
import { rpcErrors } from '@tillmesh/rpc';
import { callV3 } from './client.ts';
import type { WechatAccount } from './config.ts';
import { subMerchantNumber } from './merchant-ids.ts';
import { readFundFlowBill, readTradeBill } from './trade-bill.ts';
import { signV3 } from './v3-signature.ts';
import { placeOf, stampOf, USER_AGENT, type WechatCall } from './wechat-call.ts';

const HOUR_MS = 3_600_000;
const DOWNLOAD_PATH = '/v3/billdownload/file';
const DIGEST = /^[0-9a-f]{40}$/i;

/**
 * What the two steps answer when there is no bill (WeChat Pay's pages of tradebill and fundflowbill, table of error codes). What is not listed says
 * nothing.
 */
const BILL_CODES: ReadonlyMap<string, Exclude<BillReport['kind'], 'fetched'>> = new Map([
  ['STATEMENT_CREATING', 'not_ready'],
  ['NO_STATEMENT_EXIST', 'no_bill'],
  ['NO_AUTH', 'rejected'],
  ['PARAM_ERROR', 'rejected'],
  ['INVALID_REQUEST', 'rejected'],
  ['SIGN_ERROR', 'rejected'],
]);

const askPathOf = (
  { kind, day }: BillRequest,
  account: WechatAccount,
): { readonly path: string; readonly pathTemplate: string } => {
  const isTrade = kind === 'trade';
  if (!isTrade && account.subMerchant !== undefined) {
    // /v3/bill/sub-merchant-fundflowbill gives several files, each sealed with the merchant's certificate.
    throw rpcErrors.operationNotSupported("the fund-flow bill of a service provider's merchant is not read", {
      metadata: { channel_id: 'wechat', operation: 'FetchBill' },
    });
  }
  const path = isTrade ? '/v3/bill/tradebill' : '/v3/bill/fundflowbill';
  const query = new URLSearchParams({
    bill_date: day,
    ...(isTrade ? { bill_type: 'ALL' } : { account_type: 'BASIC' }),
    tar_type: 'GZIP',
    ...subMerchantNumber(account),
  });
  return { path: `${path}?${query.toString()}`, pathTemplate: path };
};

type Told =
  | { readonly kind: 'address'; readonly pathAndQuery: string; readonly sha1: string }
  | { readonly kind: 'report'; readonly report: BillReport };

/** Where the bill lies, and its digest: only a verified answer can say so. */
const askForBill = async (request: BillRequest, call: WechatCall): Promise<Told> => {
  const answer = await callV3(call, { method: 'GET', ...askPathOf(request, call.account) });
  const silent = (channelMessage: string): Told => ({
    kind: 'report',
    report: { kind: 'unknown', facts: answer.facts, channelCode: '', channelMessage },
  });
  if (answer.kind === 'unanswered') return silent(answer.cause);
  const { content, facts, trust } = answer;
  const isBelieved = trust.signature === 'verified' || (trust.signature === 'absent' && trust.unsignedCredible);
  if (!isBelieved) return silent('the answer is not signed as it should be');
  if (facts.httpStatus !== 200 || trust.signature !== 'verified') {
    const channelCode = textAt(content, 'code') ?? '';
    const channelMessage = textAt(content, 'message') ?? '';
    const kind = facts.httpStatus < 500 ? (BILL_CODES.get(channelCode) ?? 'unknown') : 'unknown';
    return { kind: 'report', report: { kind, facts, channelCode, channelMessage } };
  }
  const address = textAt(content, 'download_url') ?? '';
  const sha1 = textAt(content, 'hash_value') ?? '';
  if (textAt(content, 'hash_type') !== 'SHA1' || !DIGEST.test(sha1) || !URL.canParse(address)) {
    return silent('the answer names no bill, or none with a SHA1');
  }
  const { pathname, search } = new URL(address);
  // The request is signed in the merchant's name: it goes nowhere but to the account's own host, for nothing but a bill.
  if (!pathname.endsWith(DOWNLOAD_PATH)) return silent('the address of the bill is of another kind');
  return { kind: 'address', pathAndQuery: `${pathname}${search}`, sha1: sha1.toLowerCase() };
};

const download = (pathAndQuery: string, spool: BillSpool, call: WechatCall): Promise<HttpExchange> => {
  const { account, http, signal } = call;
  const signer = { mchId: account.mchId, serialNo: account.merchantSerialNo, privateKey: account.privateKeyFile };
  return http.send({
    baseUrl: placeOf(account).baseUrl,
    method: 'GET',
    path: pathAndQuery,
    pathTemplate: DOWNLOAD_PATH,
    headers: {
      accept: '*/*',
      'accept-encoding': 'identity',
      'user-agent': USER_AGENT,
      authorization: signV3(signer, { method: 'GET', pathAndQuery, body: '' }, stampOf(call)),
    },
    sink: spool.sink,
    signal,
  });
};

const fetchBill = async (
  request: BillRequest,
  spool: BillSpool,
  limits: BillLimits,
  call: WechatCall,
): Promise<BillReport> => {
  const told = await askForBill(request, call);
  if (told.kind === 'report') return told.report;
  const exchange = await download(told.pathAndQuery, spool, call);
  if (exchange.kind !== 'answered') {
    if (exchange.cause === 'answer_too_large') {
      throw new BrokenBill('too_large', `the bill has more than ${limits.rawBytesMax} bytes`);
    }
    return { kind: 'unknown', facts: factsOf(exchange, undefined), channelCode: '', channelMessage: exchange.cause };
  }
  // A bill is not signed: its digest, told in a signed answer, vouches for it.
  const facts = factsOf(exchange, undefined);
  if (exchange.status !== 200) {
    const content = parseJsonObject(utf8TextOf(exchange.body) ?? '');
    const channelCode = textAt(content, 'code') ?? '';
    return { kind: 'unknown', facts, channelCode, channelMessage: textAt(content, 'message') ?? '' };
  }
  await spool.complete();
  // The digest is of what the gzip file unpacks to.
  if ((await sha1Of(plainBytesOf(spool.path, limits.plainBytesMax))) !== told.sha1) {
    throw new BrokenBill('wrong_hash', 'the SHA-1 of the bill is not the one that was told');
  }
  return { kind: 'fetched', facts, digestChecked: true, channelCode: '', channelMessage: '' };
};

/** WeChat Pay makes yesterday's bills until 10:00 in Beijing, and keeps them for three months. */
export const bills: ChannelBills<WechatAccount> = {
  kinds: ['trade', 'fund_flow'],
  dayAheadOfUtcMs: 8 * HOUR_MS,
  readyAfterMs: 10 * HOUR_MS,
  fetch: fetchBill,
  read: ({ kind }, spool, limits, account) => {
    const bytes = plainBytesOf(spool.path, limits.plainBytesMax);
    return kind === 'trade'
      ? readTradeBill(bytes, limits, account.mchId, account.subMerchant?.mchId)
      : readFundFlowBill(bytes, limits);
  },
};
