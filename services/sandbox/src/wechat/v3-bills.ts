import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import type { Clock, Random } from '@tillmesh/clock';
import iconv from 'iconv-lite';
import type { BillBook, BillEntry } from '../bills/bill-book.ts';
import { createDownloads } from '../bills/downloads.ts';
import type { HttpAnswer, HttpRequest } from '../http-server.ts';
import type { WechatAccount } from './account.ts';
import { fundFlowBillText, tradeBillText } from './bill-text.ts';
import { answerOfError, type V3Answer, type V3Error, v3Error } from './v3-answer.ts';
import type { V3Read } from './v3-call.ts';
import { paramError } from './v3-request.ts';

export const DOWNLOAD_PATH = '/v3/billdownload/file';
/** A third party's note; WeChat Pay's own documents do not say it (research, 9). */
const DOWNLOAD_VALID_MS = 300_000;

type TextOf = (account: WechatAccount, entries: readonly BillEntry[], offFen: bigint) => string;

/** Trade and fund-flow bills, in two steps: where the bill lies, and the bill. */
export const createV3Bills = (deps: { readonly clock: Clock; readonly random: Random; readonly book: BillBook }) => {
  const { book } = deps;
  const downloads = createDownloads(deps.clock, deps.random, DOWNLOAD_VALID_MS);

  const made = (account: WechatAccount, request: HttpRequest, day: string, textOf: TextOf): V3Answer => {
    const opened = book.open({ channel: 'wechat', accountId: account.accountId, day });
    switch (opened.kind) {
      case 'no_such_day':
        return answerOfError(v3Error('INVALID_REQUEST', '请检查bill_date'));
      case 'not_ready':
        return answerOfError(v3Error('STATEMENT_CREATING'));
      case 'empty':
        return answerOfError(v3Error('NO_STATEMENT_EXIST'));
      case 'bill': {
        const { entries, faults } = opened;
        const text = textOf(account, entries, faults.has('wrong_totals') ? 1n : 0n);
        const encoded = faults.has('wrong_encoding') ? iconv.encode(text.slice(1), 'gbk') : Buffer.from(text);
        const plain = faults.has('truncated') ? encoded.subarray(0, Math.floor(encoded.length * 0.8)) : encoded;
        const body = request.query.get('tar_type') === 'GZIP' ? gzipSync(plain) : plain;
        // Behind the head of the gzip file, so that it looks like one.
        if (faults.has('bad_archive')) body.fill(0xaa, 12, Math.min(body.length, 40));
        const token = downloads.put({ owner: account.mchid, body });
        const digest = createHash('sha1').update(plain);
        if (faults.has('wrong_hash')) digest.update(' ');
        return {
          status: 200,
          body: {
            hash_type: 'SHA1',
            hash_value: digest.digest('hex'),
            download_url: `http://${request.headers.host ?? ''}${DOWNLOAD_PATH}?token=${token}`,
          },
        };
      }
    }
  };

  const read =
    (name: string, parameter: string, allowed: readonly string[], textOf: TextOf) =>
    (account: WechatAccount, request: HttpRequest): V3Read => {
      const day = request.query.get('bill_date') ?? '';
      const wrong = (field: string): V3Read => ({ kind: 'error', error: paramError(field, '格式不正确', 'query') });
      if (!/^[0-9]{4}-[0-9]{2}-[0-9]{2}$/.test(day)) return wrong('bill_date');
      if (!allowed.includes(request.query.get(parameter) ?? allowed[0] ?? '')) return wrong(parameter);
      return {
        kind: 'call',
        call: {
          name,
          operation: 'bill',
          outTradeNo: undefined,
          description: undefined,
          paymentCode: undefined,
          perform: () => made(account, request, day, textOf),
        },
      };
    };

  return {
    trade: read('tradebill', 'bill_type', ['ALL'], tradeBillText),
    fundFlow: read('fundflowbill', 'account_type', ['BASIC'], (_account, entries, offFen) =>
      fundFlowBillText(entries, offFen),
    ),
    /** The file, unsigned as in reality: its digest vouches for it. */
    download: async (account: WechatAccount, request: HttpRequest): Promise<HttpAnswer | V3Error> => {
      const body = await downloads.take(request.query.get('token') ?? '', account.mchid);
      if (body === undefined) return v3Error('INVALID_REQUEST', '请重新获取账单地址');
      return { kind: 'answer', status: 200, headers: { 'content-type': 'application/octet-stream' }, body };
    },
  };
};
