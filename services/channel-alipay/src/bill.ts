import {
  type BillLimits,
  type BillReport,
  type BillRequest,
  type BillSpool,
  BrokenBill,
  billDayOf,
  type ChannelBills,
  factsOf,
  textAt,
  withZip,
} from '@tillmesh/channel-kit';
import { type AlipayCall, callGateway } from './client.ts';
import type { AlipayAccount } from './config.ts';
import { readTradeBill } from './trade-bill.ts';

const HOUR_MS = 3_600_000;
const AHEAD_MS = 8 * HOUR_MS;
const METHOD = 'alipay.data.dataservice.bill.downloadurl.query';

/** The document spells the first ones in capitals, the gateway does not (opendocs.alipay.com, bill.downloadurl.query; seen by third parties). */
const NO_BILL: ReadonlySet<string> = new Set(['isp.bill_not_exist', 'BILL_NOT_EXIST', 'BILL_DATE_BEFORE_REGISTRATION']);
const WRONG_DAY: ReadonlySet<string> = new Set(['isv.invalid_arguments', 'invalid_arguments', 'isv.invalid-arguments']);
/** The gateway's codes of what it will not do for this application. */
const REJECTED: ReadonlySet<string> = new Set(['20001', '40001', '40002', '40006']);

const kindOf = (code: string, subCode: string, isDayOver: boolean): Exclude<BillReport['kind'], 'fetched'> => {
  if (NO_BILL.has(subCode)) return 'no_bill';
  // A day that is not over is a wrong argument to Alipay.
  if (WRONG_DAY.has(subCode)) return isDayOver ? 'rejected' : 'not_ready';
  return REJECTED.has(code) ? 'rejected' : 'unknown';
};

const fetchBill = async (
  { day }: BillRequest,
  spool: BillSpool,
  limits: BillLimits,
  call: AlipayCall,
): Promise<BillReport> => {
  const { account, http, clock, signal } = call;
  const answer = await callGateway(call, { method: METHOD, content: { bill_type: 'trade', bill_date: day } });
  const silent = (channelMessage: string): BillReport => ({
    kind: 'unknown',
    facts: answer.facts,
    channelCode: '',
    channelMessage,
  });
  if (answer.kind === 'unanswered') return silent(answer.cause);
  const { content, trust, facts } = answer;
  if (trust.signature !== 'verified' && !(trust.signature === 'absent' && trust.unsignedCredible)) {
    return silent('the answer is not signed as it should be');
  }
  const code = textAt(content, 'code') ?? '';
  if (code !== '10000') {
    const subCode = textAt(content, 'sub_code') ?? '';
    const isDayOver = clock.nowMs() >= (billDayOf(day, AHEAD_MS)?.endsMs ?? 0);
    const channelMessage = textAt(content, 'sub_msg') ?? '';
    return { kind: kindOf(code, subCode, isDayOver), facts, channelCode: subCode || code, channelMessage };
  }
  const address = textAt(content, 'bill_download_url') ?? '';
  if (trust.signature !== 'verified' || !URL.canParse(address)) return silent('the answer names no bill');
  const { origin, pathname, search } = new URL(address);
  if (origin !== new URL(account.billUrl).origin) return silent('the bill lies at a host that is not configured');
  const exchange = await http.send({
    baseUrl: account.billUrl,
    method: 'GET',
    path: `${pathname}${search}`,
    pathTemplate: pathname,
    headers: { accept: '*/*', 'accept-encoding': 'identity', 'user-agent': 'tillmesh-channel-alipay/1' },
    sink: spool.sink,
    signal,
  });
  if (exchange.kind !== 'answered') {
    if (exchange.cause === 'answer_too_large') {
      throw new BrokenBill('too_large', `the bill has more than ${limits.rawBytesMax} bytes`);
    }
    return { kind: 'unknown', facts: factsOf(exchange, undefined), channelCode: '', channelMessage: exchange.cause };
  }
  // Alipay tells no digest: the address comes signed, and TLS and the archive's own sums vouch for the file.
  const downloaded = factsOf(exchange, undefined);
  const channelMessage = exchange.status === 200 ? '' : `status ${exchange.status}`;
  if (exchange.status !== 200) return { kind: 'unknown', facts: downloaded, channelCode: '', channelMessage };
  return { kind: 'fetched', facts: downloaded, digestChecked: false, channelCode: '', channelMessage };
};

/** Alipay makes yesterday's bill until 9:00 in Beijing: a zip file with one file of lines and one of sums. */
export const bills: ChannelBills<AlipayAccount> = {
  kinds: ['trade'],
  dayAheadOfUtcMs: AHEAD_MS,
  readyAfterMs: 9 * HOUR_MS,
  fetch: fetchBill,
  read: (_request, spool, limits, account) =>
    withZip(spool.path, limits, (entries) => {
      const details = entries.filter(({ name }) => name.includes('业务明细') && !name.includes('汇总'));
      const [detail] = details;
      if (detail === undefined || details.length > 1) {
        throw new BrokenBill('bad_archive', `${details.length} files of lines are in the archive`);
      }
      return readTradeBill(detail.read(), limits, account.sellerId);
    }),
};
