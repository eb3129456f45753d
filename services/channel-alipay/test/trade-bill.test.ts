import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BILL_LIMITS, type BillLine, type BillRead, BrokenBill } from '@tillmesh/channel-kit';
import { gbkOf, zipOf } from '@tillmesh/channel-kit/contract';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bills } from '../src/bill.ts';
import { readTradeBill } from '../src/protocol.ts';
import { account } from './alipay-peer.ts';

const LIMITS = { lineBytesMax: 4_096, linesMax: 1_000 };
const SELLER = '2088000000000001';

// The form of bills as merchants have published them (github, several repositories; columns of 2019 and later).
const HEADER =
  '支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,对方账户,订单金额（元）,商家实收（元）,支付宝红包（元）,集分宝（元）,支付宝优惠（元）,商家优惠（元）,券核销金额（元）,券名称,商家红包消费金额（元）,卡消费金额（元）,退款批次号/请求号,服务费（元）,分润（元）,备注';
const row = (no: string, type: string, yuan: string, refundNo = '', name = '下单测试', fee = '0.00') =>
  `2019091622001458860515315453\t,${no}\t,${type}\t,${name},2019-09-16 10:55:16,2019-09-16 10:56:48,alipay_store\t,\t,\t,\t,*津水(602***@qq.com)\t,${yuan},${yuan},0.00,0.00,0.00,0.00,0.00,,0.00\t,0.00,${refundNo}\t,${fee},0.00,下单测试`;
const head = [
  '#支付宝业务明细查询',
  `#账号：[${SELLER}0156]`,
  '#起始日期：[2019年09月16日 00:00:00]   终止日期：[2019年09月17日 00:00:00]',
  '#----业务明细列表----',
  HEADER,
];
const foot = (count: number, sum: string, backCount: number, back: string) => [
  '#-----------------------------------------业务明细列表结束------------------------------------',
  `#交易合计：${count}笔，商家实收共${sum}元，商家优惠共0.00元`,
  `#退款合计：${backCount}笔，商家实收退款共${back}元，商家优惠退款共0.00元`,
  '#导出时间：[2019年09月17日 08:00:00]',
];
const RIGHT = [
  ...head,
  row('A', '交易', '12.34', '', '下单测试', '-0.07'),
  row('A', '退款', '-2.34', 'R1', '下单测试', '0.01'),
  ...foot(1, '12.34', 1, '-2.34'),
];
const bill = (...lines: readonly string[]) => gbkOf(`${lines.join('\r\n')}\r\n`);

const readAll = async (reader: AsyncGenerator<readonly BillLine[], BillRead>) => {
  const lines: BillLine[] = [];
  for (;;) {
    const step = await reader.next();
    if (step.done === true) return { lines, read: step.value };
    lines.push(...step.value);
  }
};
const partsOf = async function* (bytes: Buffer, size: number) {
  for (let from = 0; from < bytes.length; from += size) yield bytes.subarray(from, from + size);
};
const read = (bytes: Buffer, size = 11) => readAll(readTradeBill(partsOf(bytes, size), LIMITS, SELLER));
const flawOf = (work: Promise<unknown>) =>
  work.then(
    () => undefined,
    (error: unknown) => (error instanceof BrokenBill ? error.flaw : error),
  );

describe("Alipay's trade bill", () => {
  test('becomes our lines', async () => {
    const { lines, read: end } = await read(bill(...RIGHT));
    expect(end).toEqual({ totalsChecked: true });
    expect(lines).toMatchObject([
      {
        lineNumber: 6,
        kind: 'payment',
        channelOrderNo: 'A',
        refundNo: '',
        amount: 1_234n,
        fee: 7n,
        currency: 'CNY',
        happenedAtMs: Date.UTC(2019, 8, 16, 2, 56, 48),
        channelTransactionId: '2019091622001458860515315453',
      },
      {
        lineNumber: 7,
        kind: 'refund',
        channelOrderNo: 'A',
        refundNo: 'R1',
        amount: -234n,
        fee: -1n,
        state: 'succeeded',
      },
    ]);
  });

  test('may have a comma in quotes, and totals of refunds without a sign', async () => {
    const lines = [
      ...head,
      row('A', '交易', '1.00', '', '"a, ""b"""'),
      row('A', '退款', '-1.00', 'R'),
      ...foot(1, '1.00', 1, '1.00'),
    ];
    expect((await read(bill(...lines))).lines.map(({ amount }) => amount)).toEqual([100n, -100n]);
  });

  for (const [what, bytes, flaw] of [
    ['without its totals', bill(...RIGHT.slice(0, 7)), 'truncated'],
    ['cut in a line', bill(...RIGHT).subarray(0, 600), 'truncated'],
    ['of nothing', Buffer.alloc(0), 'truncated'],
    ['in UTF-8', Buffer.from(RIGHT.join('\r\n')), 'wrong_encoding'],
    ['of another seller', bill(...RIGHT.map((line) => line.replace(SELLER, '2088999999999999'))), 'foreign_account'],
    ['that does not say whose it is', bill(...RIGHT.filter((line) => !line.startsWith('#账号'))), 'foreign_account'],
    ['of other columns', bill(...RIGHT.map((line) => line.replace('商户订单号', '订单号'))), 'unknown_header'],
    ['with a cell too much', bill(...head, `${row('A', '交易', '1.00')},x`, ...foot(1, '1.00', 0, '0.00')), 'bad_line'],
    ['with a wrong amount', bill(...head, row('A', '交易', '1,00'), ...foot(1, '1.00', 0, '0.00')), 'bad_line'],
    ['whose totals differ', bill(...RIGHT.slice(0, 7), ...foot(1, '12.35', 1, '-2.34')), 'totals_differ'],
    ['whose count differs', bill(...RIGHT.slice(0, 7), ...foot(2, '12.34', 1, '-2.34')), 'totals_differ'],
    [
      'that counts a repeated line once',
      bill(...head, row('A', '交易', '1.00'), row('A', '交易', '1.00'), ...foot(1, '1.00', 0, '0.00')),
      'line_twice',
    ],
    ['with a line behind the list', bill(...RIGHT, row('B', '交易', '1.00')), 'bad_line'],
  ] as const) {
    test(`${what} is ${flaw}`, async () => {
      expect(await flawOf(read(bytes))).toBe(flaw);
    });
  }

  test('damaged anywhere is the bill that was, or broken', async () => {
    const good = bill(...RIGHT);
    const sums = ({ lines }: Awaited<ReturnType<typeof read>>) => lines.map(({ amount }) => amount);
    const known = sums(await read(good));
    await fc.assert(
      fc.asyncProperty(fc.nat(good.length), fc.nat(20), fc.uint8Array({ maxLength: 8 }), async (at, gone, added) => {
        const damaged = Buffer.concat([good.subarray(0, at), added, good.subarray(at + gone)]);
        await read(damaged, 50).then(
          (whole) => expect(sums(whole)).toEqual(known),
          (error: unknown) => expect(error).toBeInstanceOf(BrokenBill),
        );
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('its archive', () => {
  const readZip = async (bytes: Buffer, plainBytesMax = 1_000_000) => {
    const folder = mkdtempSync(join(tmpdir(), 'tillmesh-zip-'));
    const path = join(folder, 'bill.zip');
    writeFileSync(path, bytes);
    const owner = { ...account('http://127.0.0.1:1'), sellerId: SELLER };
    const limits = { ...BILL_LIMITS, plainBytesMax };
    const reader = bills.read(
      { kind: 'trade', day: '2019-09-16' },
      { path, read: () => partsOf(bytes, 100) },
      limits,
      owner,
    );
    return readAll(reader).finally(() => rmSync(folder, { recursive: true }));
  };
  const name = '20880000000000010156_20190916_业务明细';

  test('holds one file of lines beside its sums', async () => {
    const { lines } = await readZip(
      await zipOf([
        [`${name}.csv`, bill(...RIGHT)],
        [`${name}(汇总).csv`, bill('#支付宝业务汇总查询')],
      ]),
    );
    expect(lines).toHaveLength(2);
  });
  test('that is no archive, damaged, empty, or larger than it may be is named so', async () => {
    const good = await zipOf([[`${name}.csv`, bill(...RIGHT)]]);
    expect(await flawOf(readZip(Buffer.from('<html>')))).toBe('bad_archive');
    expect(await flawOf(readZip(good.subarray(0, -30)))).toBe('bad_archive');
    expect(await flawOf(readZip(await zipOf([['readme.txt', Buffer.from('x')]])))).toBe('bad_archive');
    expect(await flawOf(readZip(good, 100))).toBe('too_large');
    await fc.assert(
      fc.asyncProperty(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), async (at, bits) => {
        const damaged = Buffer.from(good);
        damaged[at] = (damaged[at] ?? 0) ^ bits;
        await readZip(damaged).then(
          ({ lines }) => expect(lines.map(({ amount }) => amount)).toEqual([1_234n, -234n]),
          (error: unknown) => expect(error).toBeInstanceOf(BrokenBill),
        );
      }),
      { numRuns: 200 },
    );
  });
});
