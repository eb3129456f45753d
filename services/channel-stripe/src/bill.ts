import {
  type BillLimits,
  type BillReport,
  type BillRequest,
  type BillSpool,
  BrokenBill,
  billDayOf,
  type ChannelBills,
  isJsonObject,
  type JsonObject,
  plainBytesOf,
  textAt,
} from '@tillmesh/channel-kit';
import { readBalanceTransactions } from './balance-transactions.ts';
import { callStripe, errorIn, isVouchedSuccess, type StripeCall } from './client.ts';
import type { StripeAccount } from './config.ts';

/** A transaction with its charge has some 5 KB: a page stays within what an answer may have. */
const PAGE_SIZE = 40;
const SECOND_MS = 1_000;

type Page = { readonly data: readonly JsonObject[]; readonly hasMore: boolean };

const pageOf = (content: JsonObject): Page | undefined => {
  const { data, has_more: hasMore } = content;
  if (textAt(content, 'object') !== 'list' || !Array.isArray(data) || typeof hasMore !== 'boolean') return undefined;
  const items = data.filter(isJsonObject);
  // A page that says that there is more, and holds nothing, would be asked for for ever.
  return items.length !== data.length || (hasMore && items.length === 0) ? undefined : { data: items, hasMore };
};

const fetchBill = async (
  { day }: BillRequest,
  spool: BillSpool,
  limits: BillLimits,
  call: StripeCall,
): Promise<BillReport> => {
  const bounds = billDayOf(day, 0);
  const [from, to] = [bounds?.beginsMs ?? 0, bounds?.endsMs ?? 0].map((ms) => String(ms / SECOND_MS));
  let after = '';
  let lines = 0;
  for (;;) {
    const answer = await callStripe(call, {
      method: 'GET',
      path: '/v1/balance_transactions',
      pathTemplate: '/v1/balance_transactions',
      params: {
        created: { gte: from ?? '', lt: to ?? '' },
        limit: String(PAGE_SIZE),
        expand: ['data.source'],
        ...(after === '' ? {} : { starting_after: after }),
      },
    });
    const said = (kind: 'unknown' | 'rejected', channelMessage: string, channelCode = ''): BillReport => ({
      kind,
      facts: answer.facts,
      channelCode,
      channelMessage,
    });
    if (answer.kind === 'unanswered') return said('unknown', answer.cause);
    if (!isVouchedSuccess(answer)) {
      const error = errorIn(answer);
      const isRefusal = answer.trust.vouched === true && [400, 401, 403].includes(answer.facts.httpStatus);
      return said(isRefusal ? 'rejected' : 'unknown', error?.message ?? 'the answer cannot be read', error?.code);
    }
    const page = pageOf(answer.content);
    if (page === undefined) return said('unknown', 'a page cannot be read');
    lines += page.data.length;
    if (lines > limits.linesMax) throw new BrokenBill('too_many_lines', `there are more than ${limits.linesMax}`);
    await spool.append(Buffer.from(page.data.map((one) => `${JSON.stringify(one)}\n`).join('')));
    if (!page.hasMore) {
      return { kind: 'fetched', facts: answer.facts, digestChecked: false, channelCode: '', channelMessage: '' };
    }
    const last = textAt(page.data.at(-1), 'id') ?? '';
    if (last === '' || last === after) return said('unknown', 'a page leads nowhere');
    after = last;
  }
};

/**
 * The balance transactions of a day in UTC, from the newest to the oldest: everything that moved the account's balance. They are there at once; a page holds 40 of them, so that
 * a day of more than some 100,000 wants Stripe's reports.
 */
export const bills: ChannelBills<StripeAccount> = {
  kinds: ['trade'],
  dayAheadOfUtcMs: 0,
  readyAfterMs: 0,
  fetch: fetchBill,
  read: (_request, spool, limits) => readBalanceTransactions(plainBytesOf(spool.path, limits.plainBytesMax), limits),
};
