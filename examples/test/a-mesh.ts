import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@tillmesh/clock';
import { type Mesh, startMesh } from '@tillmesh/local-mesh';
import { type OtlpReceiver, startOtlpReceiver } from '@tillmesh/testing';

/** Starting databases and nine processes on a busy machine. */
export const MESH_START_MS_MAX = 180_000;

export type ExampleMesh = {
  /** host:port of the cashier. */
  readonly cashier: string;
  /** Root of the sandbox' control API. */
  readonly sandboxUrl: string;
  readonly sandbox: SandboxControl;
  readonly receiver: OtlpReceiver;
  stop(): Promise<void>;
};

/** A mesh on free ports with its data in a folder of its own, traced as `npm start` traces. */
export const startExampleMesh = async (): Promise<ExampleMesh> => {
  const folder = mkdtempSync(join(tmpdir(), 'tillmesh-examples-'));
  const receiver = await startOtlpReceiver();
  let mesh: Mesh;
  try {
    mesh = await startMesh({ folder, otlpEndpoint: receiver.url, env: process.env, clock: systemClock });
  } catch (error) {
    await receiver.close();
    throw error;
  }
  const sandboxUrl = `http://${mesh.address('sandbox-control')}`;
  return {
    cashier: mesh.address('cashier'),
    sandboxUrl,
    sandbox: sandboxControl(sandboxUrl),
    receiver,
    stop: async () => {
      await mesh.stop();
      await receiver.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
};

/** What a test asks the simulated channels. */
export type SandboxControl = {
  /** A code of a new payer with money; the payment goes as the acts say. */
  paymentCode(wallet: 'wechat' | 'alipay', script?: readonly object[]): Promise<string>;
  /** A payer scans a QR code and pays. */
  scan(code: string): Promise<void>;
  /** What the channels' books say of the order numbers that begin with this. */
  check(prefix: string): Promise<{
    readonly charges: number;
    readonly netFen: number;
    readonly chargedTwice: number;
  }>;
  /** How many requests that move money, or ask for it, ever reached the channels. */
  requestsThatMoveMoney(): Promise<number>;
};

const CALL_MS_MAX = 5_000;
// What only asks how something stands, fetches a bill or a key, or closes it; everything else that reaches a channel is about money.
const ASKS_ONLY = /query|close|cancel|reverse|bill|download|file|balance|certificate/i;

const sandboxControl = (url: string): SandboxControl => {
  const call = async (path: string, body?: object): Promise<unknown> => {
    const response = await fetch(`${url}/control/${path}`, {
      signal: AbortSignal.timeout(CALL_MS_MAX),
      ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`the sandbox answers ${response.status} to ${path}: ${text}`);
    return text === '' ? undefined : JSON.parse(text);
  };
  return {
    paymentCode: async (wallet, script) => {
      const answer = await call('payment-codes', { wallet, ...(script === undefined ? {} : { script }) });
      return (answer as { paymentCode: string }).paymentCode;
    },
    scan: async (code) => {
      await call('scan', { code });
    },
    check: async (prefix) =>
      (await call(`ledger/check?prefix=${prefix}`)) as Awaited<ReturnType<SandboxControl['check']>>,
    requestsThatMoveMoney: async () => {
      const { requests } = (await call('stats')) as {
        requests: Readonly<Record<string, Readonly<Record<string, number>>>>;
      };
      return Object.values(requests)
        .flatMap((operations) => Object.entries(operations))
        .filter(([operation]) => !ASKS_ONLY.test(operation))
        .reduce((sum, [, count]) => sum + count, 0);
    },
  };
};
