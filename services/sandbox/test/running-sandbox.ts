import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, type Random, systemClock, systemRandom } from '@tillmesh/clock';
import { parseConfig } from '@tillmesh/config';
import { createLog } from '@tillmesh/telemetry';
import { SandboxConfig } from '../src/config.ts';
import { type GeneratedKeys, generateKeys } from '../src/generate-keys.ts';
import { startSandbox } from '../src/sandbox.ts';

/** A folder of keys for two accounts at each channel; made once per test file, as RSA takes time. */
export const makeKeys = (): { readonly folder: string; readonly keys: GeneratedKeys; readonly remove: () => void } => {
  const folder = mkdtempSync(join(tmpdir(), 'tillmesh-sandbox-'));
  const keys = generateKeys({
    folder,
    wechat: ['wechat-a', 'wechat-b'],
    alipay: ['alipay-a', 'alipay-b'],
    stripe: ['stripe-a', 'stripe-b'],
    unionpay: ['unionpay-a', 'unionpay-b'],
  });
  return { folder, keys, remove: () => rmSync(folder, { recursive: true, force: true }) };
};

export const readKey = (file: string): string => readFileSync(file, 'utf8').trim();

/** The first of a list that a test knows to have one. */
export const firstOf = <Item>(items: readonly Item[]): Item => {
  const [first] = items;
  if (first === undefined) throw new Error('the list is empty');
  return first;
};

type JsonObject = Readonly<Record<string, unknown>>;

export type Answer<Body> = { readonly status: number; readonly body: Body };

export interface ControlClient {
  post<Body = JsonObject>(path: string, body: object): Promise<Answer<Body>>;
  get<Body = JsonObject>(path: string): Promise<Answer<Body>>;
  remove<Body = JsonObject>(path: string): Promise<Answer<Body>>;
}

export const controlClient = (port: number): ControlClient => {
  const call = async <Body>(method: string, path: string, body?: object): Promise<Answer<Body>> => {
    const response = await fetch(`http://127.0.0.1:${port}/control${path}`, {
      method,
      headers: { connection: 'close' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: (await response.json()) as Body };
  };
  return {
    post: (path, body) => call('POST', path, body),
    get: (path) => call('GET', path),
    remove: (path) => call('DELETE', path),
  };
};

export type RunningSandbox = {
  readonly keys: GeneratedKeys;
  readonly clock: Clock;
  readonly control: ControlClient;
  readonly wechatUrl: string;
  readonly alipayUrl: string;
  /** TLS, with the certificate of the keys. */
  readonly stripePort: number;
  readonly unionpayUrl: string;
  /** The channels' second addresses. */
  readonly second: { readonly wechatUrl: string; readonly alipayUrl: string; readonly unionpayUrl: string };
  readonly close: () => Promise<void>;
};

/** Starts a sandbox in this process on free ports. */
export const runSandbox = async (options: {
  readonly keys: GeneratedKeys;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly settings?: object;
  readonly wechat?: object;
  readonly alipay?: object;
  readonly stripe?: object;
  readonly unionpay?: object;
}): Promise<RunningSandbox> => {
  const { keys, clock = systemClock, random = systemRandom } = options;
  const config = parseConfig(
    SandboxConfig,
    {
      ...options.settings,
      logLevel: 'silent',
      wechat: { ...keys.sandbox.wechat, ...options.wechat },
      alipay: { ...keys.sandbox.alipay, ...options.alipay },
      stripe: { ...keys.sandbox.stripe, ...options.stripe },
      unionpay: { ...keys.sandbox.unionpay, ...options.unionpay },
    },
    'the test',
  );
  const sandbox = await startSandbox(config, { clock, random, log: createLog('sandbox', 'silent') });
  return {
    keys,
    clock,
    control: controlClient(sandbox.ports.control),
    wechatUrl: `http://127.0.0.1:${sandbox.ports.wechat}`,
    alipayUrl: `http://127.0.0.1:${sandbox.ports.alipay}/gateway.do`,
    stripePort: sandbox.ports.stripe,
    unionpayUrl: `http://127.0.0.1:${sandbox.ports.unionpay}`,
    second: {
      wechatUrl: `http://127.0.0.1:${sandbox.ports.second.wechat}`,
      alipayUrl: `http://127.0.0.1:${sandbox.ports.second.alipay}/gateway.do`,
      unionpayUrl: `http://127.0.0.1:${sandbox.ports.second.unionpay}`,
    },
    close: sandbox.close,
  };
};

/** A payment code of a new payer. */
export const freshCode = async (sandbox: RunningSandbox, wallet: string, wish: object = {}): Promise<string> => {
  const { body } = await sandbox.control.post<{ paymentCode: string }>('/payment-codes', { wallet, ...wish });
  return body.paymentCode;
};

/** What the customers' ledger says about one order number. */
export const ledgerOf = async (sandbox: RunningSandbox, outTradeNo: string) => {
  const { body } = await sandbox.control.get<{
    orders: { charges: number; chargedFen: number; returnedFen: number; netFen: number }[];
  }>(`/ledger/orders?outTradeNo=${outTradeNo}`);
  return body.orders[0] ?? { charges: 0, chargedFen: 0, returnedFen: 0, netFen: 0 };
};
