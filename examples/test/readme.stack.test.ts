import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ExampleMesh, MESH_START_MS_MAX, startExampleMesh } from './a-mesh.ts';
import { type FoundGrpcurl, findGrpcurl, INSTALL_MS_MAX } from './find-grpcurl.ts';
import { asScript, blocks } from './readme-blocks.ts';
import { type Ended, runToEnd } from './run-to-end.ts';

const BLOCK_MS_MAX = 90_000;

/** What each block prints, by its title; a block that is not here fails the test. */
const PRINTS: Readonly<Record<string, readonly (string | RegExp)[]>> = {
  'Where npm start listens.': [],
  "A payer's code from the sandbox.": [/^\d{18}$/m],
  'A sale that is paid at once.': [
    /^sale +SALE-\d+ at demo-cafe$/m,
    /^paid +12\.30 CNY: \d{25}, 1 attempt, .*answer$/m,
  ],
  'The till asks again under the same number, and nothing is taken again.': [/^paid +12\.30 CNY: \d{25}, 1 attempt/m],
  'A payer who types a password for two seconds: the till watches.': [
    /^paying +\d{25}: .*watching/m,
    /^paid +1280\.00 CNY: .*learned by query$/m,
  ],
  'A decline, and a second code for the same sale.': [
    /^declined +insufficient funds\. Scanning the next code/m,
    /^paid +25\.00 CNY: \d{25}, 2 attempts/m,
  ],
  'A QR code that a payer scans, who pays a second later.': [
    /^show +https:\/\/qr\.alipay\.com\//m,
    /^paid +56\.00 CNY: \d{25}, learned by (?:notification|query)$/m,
  ],
  'A QR code that nobody scans: closed after two seconds.': [
    /^show +weixin:\/\//m,
    /^closing +nobody has paid within 2 s$/m,
    /^not paid +\d{25}/m,
    'exit status 2',
  ],
  'A part of a sale goes back, then the rest.': [
    /^refund +REFUND-\w+ of 2\.30 CNY succeeded$/m,
    /^refund +REFUND-\w+ of 10\.00 CNY succeeded$/m,
    /^amount +12\.30 CNY, of which refunded 12\.30 CNY$/m,
  ],
  'The same without our libraries.': [/^\d{25} SUCCEEDED$/m],
  'What there is, and what it takes.': [
    /^tillmesh\.cashier\.v1\.CashierService$/m,
    /^grpc\.health\.v1\.Health$/m,
    'rpc CreatePayment ( .tillmesh.cashier.v1.CreatePaymentRequest )',
    'string merchant_order_no = 2;',
    'ERROR_REASON_REPEAT_SAME_NUMBER = 17;',
  ],
  'Does it want calls?': ['"status": "SERVING"'],
  'Take a payment by code.': [
    '"state": "PAYMENT_STATE_SUCCEEDED"',
    '"minorUnits": "1230"',
    /"merchantOrderNo": "CURL-\d+"/,
  ],
  "Read it by the merchant's number, then by its order number.": [
    /"orderNo": "\d{25}"/,
    '"state": "PAYMENT_STATE_SUCCEEDED"',
  ],
  'Give two yuan back; without an amount all that is left goes back.': [
    '"minorUnits": "200"',
    /"state": "REFUND_STATE_(?:PROCESSING|SUCCEEDED)"/,
  ],
  'See how the refund stands.': [/"refundNo": "\d{25}"/, /"state": "REFUND_STATE_(?:PROCESSING|SUCCEEDED)"/],
  'Ask for a QR code, let a payer scan it, and watch until it is paid.': [
    /"state": "PAYMENT_STATE_PAYING"[\s\S]*"state": "PAYMENT_STATE_SUCCEEDED"/,
    '"learnedBy": "LEARNED_BY_NOTIFICATION"',
  ],
  'A payment whose payer has not enough money is DECLINED ...': [
    '"state": "PAYMENT_STATE_DECLINED"',
    '"declineReason": "DECLINE_REASON_INSUFFICIENT_FUNDS"',
  ],
  '... continued with another code, it is paid.': ['"attemptNo": 2', '"state": "PAYMENT_STATE_SUCCEEDED"'],
  'Close: what is paid stays paid, and says so.': ['"state": "PAYMENT_STATE_SUCCEEDED"'],
  'The number of another sale: ALREADY_EXISTS, with the field that differs.': [
    'Code: AlreadyExists',
    '"reason": "MERCHANT_ORDER_NO_REUSED"',
    '"field": "amount"',
    'exit status 70',
  ],
  'Fields that break their rules: INVALID_ARGUMENT, each by its path.': [
    'Code: InvalidArgument',
    '"reason": "REQUEST_INVALID"',
    '"field": "merchant_id"',
    '"field": "amount.currency"',
    'exit status 67',
  ],
  'A number that was mistyped is refused by its check digit; nobody is asked.': [
    '"reason": "ORDER_NO_MALFORMED"',
    'exit status 67',
  ],
  'Three seconds are not enough for a payment: nothing is written.': [
    'Code: DeadlineExceeded',
    '"reason": "DEADLINE_TOO_SHORT"',
    '"needed_ms": "5000"',
    'exit status 68',
  ],
  "A payment that joins its caller's trace.": ['SUCCEEDED', '"traceId": "4bf92f3577b34da6a3ce929d0e0e4736"'],
};

let mesh: ExampleMesh;
let grpcurl: FoundGrpcurl;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tillmesh-readme-'));
  grpcurl = await findGrpcurl(process.env);
  mesh = await startExampleMesh();
}, MESH_START_MS_MAX + INSTALL_MS_MAX);

afterAll(async () => {
  await mesh?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Types a block into the readers' shell, at the addresses of this test's mesh. */
const type = (script: string): Promise<Ended> => {
  const block = {
    title: '',
    script: script
      .replace(/^CASHIER=.*$/m, `CASHIER=${mesh.cashier}`)
      .replace(/^SANDBOX=.*$/m, `SANDBOX=${mesh.sandboxUrl}`),
  };
  const tools = grpcurl.kind === 'found' ? [grpcurl.folder] : [];
  const env = {
    ...process.env,
    PATH: [dirname(process.execPath), process.env['PATH'], ...tools].join(delimiter),
    TILLMESH_ADDRESS: mesh.cashier,
    OTEL_EXPORTER_OTLP_ENDPOINT: '',
  };
  return runToEnd('bash', ['-c', asScript(block, join(folder, 'variables'))], { env, withinMs: BLOCK_MS_MAX });
};

describe('typed as it stands in README.md', () => {
  test.for(blocks)('«$title» does what it says', { timeout: BLOCK_MS_MAX + 5_000 }, async (block, { skip }) => {
    const prints = PRINTS[block.title];
    if (prints === undefined) throw new Error('say in this test what the block prints');
    if (block.script.includes('grpcurl ') && grpcurl.kind === 'missing') skip(grpcurl.why);
    const { status, stdout, stderr } = await type(block.script);
    const printed = `${stdout}\n${stderr}`;
    expect({ status, printed }).toMatchObject({ status: 0 });
    for (const text of prints) expect(printed).toMatch(text);
  });

  test('nothing is expected of blocks that are not there', () => {
    expect(Object.keys(PRINTS)).toEqual(blocks.map(({ title }) => title));
  });

  test('after all of it nobody was charged twice, and the channels hold what was sold less what went back', async () => {
    // 12.30 - 12.30 + 1280 + 25 + 56 + 12.30, and with grpcurl 12.30 - 2 + 56 + 9 + 3.
    const byHand = grpcurl.kind === 'found' ? 1_030 + 5_600 + 900 + 300 : 0;
    const netFen = 128_000 + 2_500 + 5_600 + 1_230 + byHand;
    // A channel takes a moment to give money back.
    await expect.poll(() => mesh.sandbox.check(''), { timeout: 20_000 }).toMatchObject({ chargedTwice: 0, netFen });
  });
});

test('a till that traces begins the trace of its sale, and the syncer’s later question is in it', async () => {
  const code = await mesh.sandbox.paymentCode('wechat', [{ do: 'answer_lost_after_commit', how: 'cut' }]);
  const { receiver } = mesh;
  const env = { ...process.env, TILLMESH_ADDRESS: mesh.cashier, OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url };
  const till = ['examples/src/pay-at-the-till.ts', '--code', code, '--amount', '3.00'];
  const { status, stdout } = await runToEnd(process.execPath, till, { env, withinMs: BLOCK_MS_MAX });
  expect({ status, stdout }).toMatchObject({ status: 0 });
  const saleTrace = () => {
    const spans = receiver.spans();
    const traceId = spans.find(({ name }) => name === 'sale')?.traceId ?? '';
    const services = new Set(spans.filter((span) => span.traceId === traceId).map(({ service }) => service));
    const { roots, orphans } = receiver.tree(traceId);
    return {
      roots: roots.map(({ span }) => `${span.service} ${span.name}`),
      orphans: orphans.length,
      syncerToo: services.has('syncer'),
    };
  };
  await expect
    .poll(saleTrace, { timeout: 20_000 })
    .toEqual({ roots: ['example-till sale'], orphans: 0, syncerToo: true });
});
