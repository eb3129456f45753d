import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@tillmesh/clock';

const sources = join(import.meta.dirname, '../../../services/sandbox/src');
const READY_MS_MAX = 30_000;
const POLL_MS = 25;

/** What generate-keys.ts writes, as far as adapters need it. */
export type SandboxKeys = {
  readonly wechat: {
    readonly publicKeyId: string;
    readonly publicKeyFile: string;
    readonly accounts: readonly {
      readonly accountId: string;
      readonly mchid: string;
      readonly appid: string;
      readonly merchantSerialNo: string;
      readonly merchantPrivateKeyFile: string;
      readonly apiV3KeyFile: string;
      readonly apiV2KeyFile: string;
      readonly subMerchants: readonly { readonly accountId: string; readonly mchid: string; readonly appid?: string }[];
    }[];
  };
  readonly alipay: {
    readonly publicKeyFile: string;
    readonly rootFile: string;
    readonly certificateFile: string;
    readonly accounts: readonly {
      readonly accountId: string;
      readonly appId: string;
      readonly sellerId: string;
      readonly appPrivateKeyFile: string;
      readonly appCertificateFile: string;
    }[];
  };
  readonly stripe: {
    readonly certificateFile: string;
    readonly accounts: readonly {
      readonly accountId: string;
      readonly secretKeyFile: string;
      readonly webhookSecretFile: string;
    }[];
  };
  readonly unionpay: {
    readonly certificateFile: string;
    readonly rootFile: string;
    readonly accounts: readonly {
      readonly accountId: string;
      readonly merId: string;
      readonly certId: string;
      readonly merchantPrivateKeyFile: string;
    }[];
  };
  readonly tls: { readonly rootFile: string; readonly certificateFile: string; readonly certificateKeyFile: string };
  readonly sandbox: {
    readonly wechat: object;
    readonly alipay: object;
    readonly stripe: object;
    readonly unionpay: object;
  };
};

export type SandboxProcess = {
  readonly keys: SandboxKeys;
  readonly urls: {
    readonly wechat: string;
    readonly alipay: string;
    readonly stripe: string;
    readonly unionpay: string;
  };
  /** Asks the control API; rejects with its text where it does not answer 2xx, unless `accepts` takes the status. */
  readonly control: <Answer>(
    method: 'GET' | 'POST',
    path: string,
    body?: object,
  ) => Promise<{ status: number; answer: Answer }>;
  readonly close: () => Promise<void>;
};

const run = async (script: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<void> => {
  const child = spawn(process.execPath, [join(sources, script), ...args], {
    env,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`${script} ended with ${code}`);
};

/**
 * Starts the simulated channels as a process of their own, with fresh keys.
 *
 * @param options.tls every channel speaks TLS.
 * @param webhookUrl where the simulated Stripe sends its events: it has an address for an account, not for an order.
 */
export const startSandboxProcess = async (
  webhookUrl?: string,
  options: { readonly tls?: boolean } = {},
): Promise<SandboxProcess> => {
  const folder = mkdtempSync(join(tmpdir(), 'tillmesh-world-'));
  await run(
    'generate-keys.ts',
    [
      '--out',
      folder,
      '--wechat',
      'wechat-a,wechat-b',
      '--alipay',
      'alipay-a,alipay-b',
      '--stripe',
      'stripe-a,stripe-b',
      '--unionpay',
      'unionpay-a,unionpay-b',
    ],
    process.env,
  );
  const keys = JSON.parse(readFileSync(join(folder, 'accounts.json'), 'utf8')) as SandboxKeys;
  const portFile = join(folder, 'ports.json');
  const config = join(folder, 'sandbox.json');
  writeFileSync(
    config,
    JSON.stringify({
      ...keys.sandbox,
      tls:
        options.tls === true
          ? { certificateFile: keys.tls.certificateFile, certificateKeyFile: keys.tls.certificateKeyFile }
          : undefined,
      portFile,
      logLevel: 'warn',
      notifications: { timeScale: 0.01 },
      // Today's bill is made at once.
      bills: { timeScale: 0 },
      wechat: { ...keys.sandbox.wechat, refundTakesMs: 200 },
      stripe: {
        ...keys.sandbox.stripe,
        refundTakesMs: 200,
        accounts: keys.stripe.accounts.map((account) => ({
          ...account,
          ...(webhookUrl === undefined ? {} : { webhookUrl }),
        })),
      },
    }),
  );
  const child = spawn(process.execPath, [join(sources, 'main.ts')], {
    env: { ...process.env, TILLMESH_CONFIG: config },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const exited = once(child, 'exit');
  const close = async (): Promise<void> => {
    child.kill('SIGTERM');
    await exited;
    rmSync(folder, { recursive: true, force: true });
  };
  for (let waitedMs = 0; !existsSync(portFile); waitedMs += POLL_MS) {
    if (waitedMs > READY_MS_MAX || child.exitCode !== null) {
      await close();
      throw new Error('the sandbox did not start');
    }
    await systemClock.sleep(POLL_MS);
  }
  const ports = JSON.parse(readFileSync(portFile, 'utf8')) as {
    control: number;
    wechat: number;
    alipay: number;
    stripe: number;
    unionpay: number;
  };
  const scheme = options.tls === true ? 'https' : 'http';
  return {
    keys,
    urls: {
      wechat: `${scheme}://127.0.0.1:${ports.wechat}`,
      alipay: `${scheme}://127.0.0.1:${ports.alipay}`,
      stripe: `https://127.0.0.1:${ports.stripe}`,
      unionpay: `${scheme}://127.0.0.1:${ports.unionpay}`,
    },
    control: async <Answer>(method: 'GET' | 'POST', path: string, body?: object) => {
      const response = await fetch(`http://127.0.0.1:${ports.control}/control${path}`, {
        method,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return { status: response.status, answer: (await response.json()) as Answer };
    },
    close,
  };
};
