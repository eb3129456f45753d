import { type BillLine, type BillRead, BrokenBill } from '@tillmesh/channel-kit';
import { vectorsOf } from '@tillmesh/channel-kit/contract';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readFundFlowBill, readTradeBill } from '../src/protocol.ts';

const LIMITS = { lineBytesMax: 4_096, linesMax: 1_000 };
const MCH_ID = '1900000109';

const TRADE_HEADER =
  '交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注';
const TOTALS_HEADER = '总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额';

const cells = (...texts: readonly string[]): string => texts.map((text) => `\`${text}`).join(',');
const payment = (no: string, yuan: string, name = 'tea', mchId = MCH_ID): string =>
  cells(
    '2026-11-22 12:00:01',
    'wx8',
    mchId,
    '0',
    '',
    `42${no}`,
    no,
    'o1',
    'NATIVE',
    'SUCCESS',
    'OTHERS',
    'CNY',
    yuan,
    '0.00',
    '0',
    '0',
    '0.00',
    '0.00',
    '',
    '',
    name,
    '',
    '0.01234',
    '0.60%',
    yuan,
    '0.00',
    '',
  );
const refund = (no: string, yuan: string, state = 'SUCCESS'): string =>
  cells(
    '2026-11-22 23:59:59',
    'wx8',
    MCH_ID,
    '0',
    '',
    `42${no}`,
    no,
    'o1',
    'NATIVE',
    'REFUND',
    'OTHERS',
    'CNY',
    '0.00',
    '0.00',
    `50${no}`,
    `R${no}`,
    yuan,
    '0.00',
    'ORIGINAL',
    state,
    'tea',
    '',
    '-0.01000',
    '0.60%',
    '0.00',
    yuan,
    '',
  );
const totals = (count: number, paid: string, back: string, fee: string): string =>
  cells(`${count}.0`, paid, back, '0.00', fee, paid, back);

const bill = (...lines: readonly string[]): Buffer => Buffer.from(`\uFEFF${lines.join('\r\n')}\r\n`);
const RIGHT = [
  TRADE_HEADER,
  payment('A', '12.34', 'cake, with, commas'),
  refund('A', '2.34'),
  TOTALS_HEADER,
  totals(2, '12.34', '2.34', '0.00234'),
];

const partsOf = async function* (bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let from = 0; from < bytes.length; from += size) yield bytes.subarray(from, from + size);
};
const readAll = async (reader: AsyncGenerator<readonly BillLine[], BillRead>) => {
  const lines: BillLine[] = [];
  for (;;) {
    const step = await reader.next();
    if (step.done === true) return { lines, read: step.value };
    lines.push(...step.value);
  }
};
const read = (bytes: Buffer, size = 7, limits = LIMITS) => readAll(readTradeBill(partsOf(bytes, size), limits, MCH_ID));
const flaw = async (bytes: Buffer, limits = LIMITS) => {
  const error = await read(bytes, 64, limits).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return error instanceof BrokenBill ? { flaw: error.flaw, line: error.line } : error;
};

describe('a trade bill', () => {
  test('becomes our lines: cents, UTC, and what goes back below zero', async () => {
    const { lines, read: end } = await read(bill(...RIGHT));
    expect(end).toEqual({ totalsChecked: true });
    expect(lines).toEqual([
      {
        lineNumber: 2,
        kind: 'payment',
        channelOrderNo: 'A',
        refundNo: '',
        channelTransactionId: '42A',
        channelRefundId: '',
        amount: 1_234n,
        currency: 'CNY',
        fee: 1n,
        feeCurrency: 'CNY',
        happenedAtMs: Date.UTC(2026, 10, 22, 4, 0, 1),
        state: 'succeeded',
        channelState: 'SUCCESS',
        repeated: false,
      },
      {
        lineNumber: 3,
        kind: 'refund',
        channelOrderNo: 'A',
        refundNo: 'RA',
        channelTransactionId: '42A',
        channelRefundId: '50A',
        amount: -234n,
        currency: 'CNY',
        fee: -1n,
        feeCurrency: 'CNY',
        happenedAtMs: Date.UTC(2026, 10, 22, 15, 59, 59),
        state: 'succeeded',
        channelState: 'REFUND SUCCESS',
        repeated: false,
      },
    ]);
  });

  test('is the same however its bytes are cut', async () => {
    const whole = await read(bill(...RIGHT), 1_000_000);
    for (const size of [1, 2, 3, 5, 31]) expect(await read(bill(...RIGHT), size)).toEqual(whole);
  });

  test('of a day without trade has totals of nothing', async () => {
    expect(await read(bill(TRADE_HEADER, TOTALS_HEADER, totals(0, '0.00', '0.00', '0.00')))).toMatchObject({
      lines: [],
    });
  });

  const twice = [TRADE_HEADER, payment('A', '1.00'), payment('A', '1.00'), TOTALS_HEADER];
  test('that counts a repeated line is whole, and the line is marked', async () => {
    const { lines } = await read(bill(...twice, totals(2, '2.00', '0.00', '0.02468')));
    expect(lines.map(({ repeated }) => repeated)).toEqual([false, true]);
  });

  const broken: readonly (readonly [string, Buffer, { flaw: string; line?: number | undefined }])[] = [
    ['without totals', bill(...RIGHT.slice(0, 3)), { flaw: 'truncated', line: 3 }],
    ['cut in a line', bill(...RIGHT).subarray(0, -330), { flaw: 'truncated', line: 3 }],
    ['cut in its totals', bill(...RIGHT).subarray(0, -12), { flaw: 'truncated', line: 5 }],
    ['of nothing', Buffer.alloc(0), { flaw: 'truncated', line: undefined }],
    [
      'that counts a repeated line once',
      bill(...twice, totals(1, '1.00', '0.00', '0.01234')),
      { flaw: 'line_twice', line: 5 },
    ],
    [
      'whose totals are a cent off',
      bill(...RIGHT.slice(0, 4), totals(2, '12.35', '2.34', '0.00234')),
      { flaw: 'totals_differ', line: 5 },
    ],
    [
      'whose fees are a hundredth of a cent off',
      bill(...RIGHT.slice(0, 4), totals(2, '12.34', '2.34', '0.00233')),
      { flaw: 'totals_differ', line: 5 },
    ],
    [
      'whose totals count another line',
      bill(...RIGHT.slice(0, 4), totals(3, '12.34', '2.34', '0.00234')),
      { flaw: 'totals_differ', line: 5 },
    ],
    [
      'in another encoding',
      Buffer.concat([bill(TRADE_HEADER), Buffer.from([0xd6, 0xd0, 0x0a])]),
      { flaw: 'wrong_encoding', line: 2 },
    ],
    ['in UTF-16', Buffer.from(RIGHT.join('\r\n'), 'utf16le'), { flaw: 'wrong_encoding', line: 1 }],
    [
      'of other columns',
      bill(TRADE_HEADER.replace('商户订单号', '商户单号'), ...RIGHT.slice(1)),
      { flaw: 'unknown_header', line: 1 },
    ],
    [
      'of another merchant',
      bill(TRADE_HEADER, payment('A', '1.00', 'tea', '1900000110'), ...RIGHT.slice(3)),
      { flaw: 'foreign_account', line: 2 },
    ],
    [
      'with a cell too much',
      bill(TRADE_HEADER, `${payment('A', '1.00')},\`x`, ...RIGHT.slice(3)),
      { flaw: 'bad_line', line: 2 },
    ],
    [
      'with an amount that is none',
      bill(TRADE_HEADER, payment('A', '1e2'), ...RIGHT.slice(3)),
      { flaw: 'bad_line', line: 2 },
    ],
    [
      'with a third decimal',
      bill(TRADE_HEADER, payment('A', '1.005'), ...RIGHT.slice(3)),
      { flaw: 'bad_line', line: 2 },
    ],
    [
      'with a day that there is not',
      bill(TRADE_HEADER, payment('A', '1.00').replace('11-22', '02-30'), ...RIGHT.slice(3)),
      { flaw: 'bad_line', line: 2 },
    ],
    ['with something behind its totals', bill(...RIGHT, payment('B', '1.00')), { flaw: 'bad_line', line: 6 }],
    [
      'with a line that never ends',
      bill(TRADE_HEADER, payment('A', '1.00', 'x'.repeat(5_000))),
      { flaw: 'line_too_long', line: 2 },
    ],
  ];
  for (const [what, bytes, expected] of broken) {
    test(`${what} is ${expected.flaw}`, async () => {
      expect(await flaw(bytes)).toEqual({ line: undefined, ...expected });
    });
  }

  test('of more lines than are taken is too_many_lines', async () => {
    expect(await flaw(bill(...RIGHT), { ...LIMITS, linesMax: 3 })).toEqual({ flaw: 'too_many_lines', line: 4 });
  });

  test('damaged anywhere is the bill that was, or broken: never a crash, never other money', async () => {
    const good = bill(...RIGHT);
    const sums = ({ lines }: Awaited<ReturnType<typeof read>>) => lines.map(({ amount, fee }) => [amount, fee]);
    const known = sums(await read(good));
    await fc.assert(
      fc.asyncProperty(fc.nat(good.length), fc.nat(20), fc.uint8Array({ maxLength: 8 }), async (at, gone, added) => {
        const damaged = Buffer.concat([good.subarray(0, at), added, good.subarray(at + gone)]);
        await read(damaged, 50).then(
          (whole) => expect(sums(whole)).toEqual(known),
          (error: unknown) => expect(error).toBeInstanceOf(BrokenBill),
        );
      }),
      { numRuns: 2_000 },
    );
  });

  test('of chance bytes is broken', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.uint8Array({ maxLength: 300 }),
          fc.string().map((text) => Buffer.from(text)),
        ),
        async (bytes) => {
          expect(await flaw(Buffer.from(bytes))).toMatchObject({ flaw: expect.any(String) });
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('a fund-flow bill', () => {
  const header =
    '记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额（元）,账户结余（元）,资金变更提交申请人,备注,业务凭证号';
  const line = (type: string, direction: string, yuan: string, voucher: string) =>
    cells(
      '2018-02-01 04:21:23',
      '50000305742018020103387128253',
      '1900009231201802015884652186',
      type,
      type,
      direction,
      yuan,
      '0.17',
      'system',
      '缺货',
      voucher,
    );
  const lines = [
    header,
    line('交易', '收入', '5.00', 'A'),
    line('扣除交易手续费', '支出', '0.03', 'A'),
    line('退款', '支出', '0.02', 'REF4200000068201801293084726067'),
    line('提现', '支出', '4.00', ''),
    '资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额',
    cells('4.0', '1.0', '5.00', '3.0', '4.05'),
  ];

  test('tells every movement with its sign', async () => {
    const flow = await readAll(readFundFlowBill(partsOf(bill(...lines), 100), LIMITS));
    expect(
      flow.lines.map(({ kind, amount, channelOrderNo, refundNo }) => [kind, amount, channelOrderNo, refundNo]),
    ).toEqual([
      ['payment', 500n, 'A', ''],
      ['fee', -3n, 'A', ''],
      ['refund', -2n, '', 'REF4200000068201801293084726067'],
      ['other', -400n, '', ''],
    ]);
  });

  test('whose totals differ is broken', async () => {
    const changed = [...lines.slice(0, -1), cells('4.0', '1.0', '5.00', '3.0', '4.06')];
    await expect(readAll(readFundFlowBill(partsOf(bill(...changed), 100), LIMITS))).rejects.toMatchObject({
      flaw: 'totals_differ',
    });
  });
});

type Fixture = {
  readonly bill_all_csv: {
    readonly sha1: string;
    readonly raw_base64: string;
    readonly expected: { readonly data_rows: number; readonly first_row: Readonly<Record<string, string>> };
  };
};
const fixture = vectorsOf<Fixture>('wechat-bill-and-xml-fixtures.json')?.bill_all_csv;

test.skipIf(fixture === undefined)("WeChat Pay's own sample bill is read to the cent", async () => {
  const bytes = Buffer.from(fixture?.raw_base64 ?? '', 'base64');
  const { lines } = await readAll(
    readTradeBill(partsOf(bytes, 1_000), LIMITS, fixture?.expected.first_row['商户号'] ?? ''),
  );
  const sum = (kind: BillLine['kind']) =>
    lines.filter((line) => line.kind === kind).reduce((all, { amount }) => all + amount, 0n);
  expect(lines).toHaveLength(fixture?.expected.data_rows ?? 0);
  expect([sum('payment'), sum('refund'), lines.reduce((all, { fee }) => all + fee, 0n)]).toEqual([47n, -14n, 8n]);
  expect(lines[0]).toMatchObject({
    refundNo: 'REF4200000263201902167700963919',
    channelRefundId: '50000709672019011908420787722',
    amount: -1n,
    happenedAtMs: Date.UTC(2019, 1, 18, 21, 1, 46),
  });
});
