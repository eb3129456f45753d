import { buffer } from 'node:stream/consumers';
import type { Clock, Random } from '@tillmesh/clock';
import { z } from '@tillmesh/config';
import iconv from 'iconv-lite';
import { ZipFile } from 'yazl';
import { msOfSpaced } from '../beijing-time.ts';
import type { BillBook, OpenedBill } from '../bills/bill-book.ts';
import { createDownloads } from '../bills/downloads.ts';
import type { HttpAnswer, HttpRequest } from '../http-server.ts';
import type { AlipayAccount } from './account.ts';
import { type AlipayAnswer, failure, success } from './answer.ts';
import { tradeBillText } from './bill-text.ts';
import type { AlipayMethod } from './call.ts';

const PATH = '/downloadBillFile.resource';
/** An address is good for half a minute (opendocs.alipay.com, bill.downloadurl.query). */
const DOWNLOAD_VALID_MS = 30_000;

const BillContent = z.looseObject({
  bill_type: z.literal('trade'),
  bill_date: z.string().regex(/^[0-9]{4}-[0-9]{2}-[0-9]{2}$/),
});

const zipped = async (
  files: readonly (readonly [name: string, bytes: Buffer])[],
  damaged: boolean,
): Promise<Buffer> => {
  const zip = new ZipFile();
  for (const [name, bytes] of files) zip.addBuffer(bytes, name);
  zip.end();
  const bytes = await buffer(zip.outputStream);
  if (damaged) bytes.fill(0xaa, Math.floor(bytes.length / 4), Math.floor(bytes.length / 2));
  return bytes;
};

/** alipay.data.dataservice.bill.downloadurl.query, and the file that its address leads to. */
export const createAlipayBills = (deps: {
  readonly clock: Clock;
  readonly random: Random;
  readonly book: BillBook;
}) => {
  const downloads = createDownloads(deps.clock, deps.random, DOWNLOAD_VALID_MS);

  const fileOf = (
    account: AlipayAccount,
    day: string,
    bill: OpenedBill & { readonly kind: 'bill' },
  ): Promise<Buffer> => {
    const { entries, faults } = bill;
    const beginsMs = msOfSpaced(`${day} 00:00:00`) ?? 0;
    const text = tradeBillText(account, entries, beginsMs, faults.has('wrong_totals') ? 1n : 0n);
    const encoded = faults.has('wrong_encoding') ? Buffer.from(text) : iconv.encode(text, 'gbk');
    const detail = faults.has('truncated') ? encoded.subarray(0, Math.floor(encoded.length * 0.8)) : encoded;
    const name = `${account.sellerId}0156_${day.replaceAll('-', '')}_业务明细`;
    return zipped(
      [
        [`${name}.csv`, detail],
        [`${name}(汇总).csv`, iconv.encode('#支付宝业务汇总查询\r\n', 'gbk')],
      ],
      faults.has('bad_archive'),
    );
  };

  const answer = (account: AlipayAccount, day: string, host: string): AlipayAnswer => {
    const opened = deps.book.open({ channel: 'alipay', accountId: account.accountId, day });
    switch (opened.kind) {
      case 'no_such_day':
        return failure('isv.invalid_arguments', '参数不合法');
      case 'not_ready':
      case 'empty':
        return failure('isp.bill_not_exist', '账单不存在');
      case 'bill': {
        const token = downloads.put({ owner: 'anybody', body: fileOf(account, day, opened) });
        return success({
          bill_download_url: `http://${host}${PATH}?fileType=csv.zip&bizType=trade&downloadFileName=${token}`,
        });
      }
    }
  };

  const method: AlipayMethod = {
    name: 'alipay.data.dataservice.bill.downloadurl.query',
    operation: 'bill',
    read: (request) => {
      const content = BillContent.safeParse(request.content);
      if (!content.success) return undefined;
      return {
        outTradeNo: undefined,
        description: undefined,
        paymentCode: undefined,
        codeActs: [],
        perform: () => answer(request.account, content.data.bill_date, request.authority),
        decline: (code) => failure(code),
      };
    },
  };

  return {
    method,
    /** Undefined for what is no bill's address. */
    download: async ({ method: verb, path, query }: HttpRequest): Promise<HttpAnswer | undefined> => {
      if (path !== PATH || verb !== 'GET') return undefined;
      const body = await downloads.take(query.get('downloadFileName') ?? '', 'anybody');
      return body === undefined
        ? { kind: 'answer', status: 404, headers: {}, body: Buffer.alloc(0) }
        : { kind: 'answer', status: 200, headers: { 'content-type': 'application/octet-stream' }, body };
    },
  };
};
