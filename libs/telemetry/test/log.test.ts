import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';

type Line = Readonly<Record<string, unknown>>;

/** Runs statements with a `log` in a process of its own, because a log writes to standard output; the answer is its lines. */
const linesOf = async (statements: string): Promise<{ readonly lines: readonly Line[]; readonly text: string }> => {
  const program = `import { createLog } from '@tillmesh/telemetry'; const log = createLog('cashier', 'debug'); ${statements}`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], {
    cwd: import.meta.dirname,
    timeout: 20_000,
  });
  const lines = stdout.split('\n').filter((line) => line !== '');
  return { lines: lines.map((line) => JSON.parse(line) as Line), text: stdout };
};

describe('a line of the log', () => {
  test('is one JSON object with level, time, service and process', async () => {
    const { lines } = await linesOf(
      "log.info({ orderNo: '1', list: [1, { a: true }], nothing: null }, 'took %s', 'it');",
    );
    expect(lines).toEqual([
      {
        level: 'info',
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
        service: 'cashier',
        pid: expect.any(Number),
        orderNo: '1',
        list: [1, { a: true }],
        nothing: null,
        msg: 'took it',
      },
    ]);
  });

  test('is left out below the level', async () => {
    const { lines } = await linesOf(
      "log.trace('a'); log.debug('b'); log.level = 'error'; log.warn('c'); log.error('d');",
    );
    expect(lines.map(({ msg }) => msg)).toEqual(['b', 'd']);
  });

  test('writes an error with type, text, stack, code and causes', async () => {
    const { lines } = await linesOf(
      "log.error({ err: Object.assign(new RangeError('outer', { cause: new TypeError('inner') }), { code: 'E_X' }) }, 'failed');",
    );
    expect(lines).toMatchObject([
      {
        msg: 'failed',
        err: {
          type: 'RangeError',
          code: 'E_X',
          message: 'outer: inner',
          stack: expect.stringContaining('TypeError: inner'),
        },
      },
    ]);
  });

  test('is written although it holds itself', async () => {
    const { lines, text } = await linesOf("const self = { name: 'x' }; self.self = self; log.info(self, 'circle');");
    expect(lines).toMatchObject([{ msg: 'circle', name: 'x' }]);
    expect(text).toContain('[too deep]');
    expect(text.length).toBeLessThan(1_000);
  });
});

const SECRET_NAMES = [
  'paymentCode',
  'payment_code',
  'PAYMENT-CODE',
  'authCode',
  'auth_code',
  'payerId',
  'payer_id',
  'openid',
  'openId',
  'sub_openid',
  'buyer_id',
  'buyer_open_id',
  'buyer_logon_id',
  'clientIp',
  'client_ip',
  'payer_client_ip',
  'spbill_create_ip',
  'password',
  'privateKey',
  'apiKey',
  'key',
  'sign',
  'paySign',
  'Authorization',
  'Cookie',
  'Wechatpay-Signature',
];

describe('a secret field', () => {
  for (const [where, statement] of [
    ['at the top', "log.info({ [name]: SECRET }, 'm')"],
    ['one level down', "log.info({ a: { [name]: SECRET } }, 'm')"],
    ['six levels down', "log.info({ a: { b: { c: { d: { e: { f: { [name]: SECRET } } } } } } }, 'm')"],
    ['in a list', "log.info({ a: [[{ [name]: SECRET }]] }, 'm')"],
    ['with an object as its value', "log.info({ [name]: { text: SECRET } }, 'm')"],
    [
      'on an error',
      "log.error({ err: Object.assign(new Error('x'), { config: { headers: { [name]: SECRET } } }) }, 'm')",
    ],
    [
      'on an error under another name',
      "log.error({ failure: Object.assign(new Error('x'), { [name]: SECRET }) }, 'm')",
    ],
    ['on an error alone', "log.error(Object.assign(new Error('x'), { request: { [name]: SECRET } }))"],
    [
      'on an error among errors',
      "log.error({ err: new AggregateError([Object.assign(new Error('x'), { [name]: SECRET })], 'y') })",
    ],
    ['of a class', "log.info({ a: new (class { constructor() { this[name] = SECRET; } })() }, 'm')"],
    ['of an object without prototype', "log.info({ a: Object.assign(Object.create(null), { [name]: SECRET }) }, 'm')"],
    ['of a child log', "log.child({ a: { [name]: SECRET } }).info('m')"],
    ["of a child's child", "log.child({ b: 1 }).child({ [name]: SECRET }).info('m')"],
    ["of a child's line", "log.child({ b: 1 }).info({ a: { b: { [name]: SECRET } } }, 'm')"],
  ] as const) {
    test(`is not written ${where}, whatever its name`, async () => {
      const { lines, text } = await linesOf(
        `const SECRET = 'do-' + 'not-print-me'; for (const name of ${JSON.stringify(SECRET_NAMES)}) { ${statement}; }`,
      );
      expect(lines).toHaveLength(SECRET_NAMES.length);
      expect(text).not.toContain('do-not-print-me');
      expect(text.split('[secret]')).toHaveLength(SECRET_NAMES.length + 1);
    });
  }

  test('is a matter of the whole name: what only sounds like one is written', async () => {
    const { lines } = await linesOf("log.info({ signal: 'SIGTERM', keyCount: 2, monkey: 'm', openidCount: 1 }, 'm');");
    expect(lines).toMatchObject([{ signal: 'SIGTERM', keyCount: 2, monkey: 'm', openidCount: 1 }]);
  });

  test('does not change the object that was logged', async () => {
    const { lines } = await linesOf(
      "const order = { payer: { openid: 'x' } }; log.info(order); log.info(order.payer.openid);",
    );
    expect(lines[1]?.['msg']).toBe('x');
  });
});
