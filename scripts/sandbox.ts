// npm run sandbox: the simulated channels alone, for whoever has a client of WeChat Pay, Alipay, Stripe or UnionPay to test.

import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { systemClock } from '@tillmesh/clock';
import { root } from './run-program.ts';

const PORTS = {
  control: 7_400,
  wechat: 7_401,
  alipay: 7_402,
  stripe: 7_403,
  unionpay: 7_404,
  second: { wechat: 7_411, alipay: 7_412, unionpay: 7_414 },
};
const READY_WITHIN_MS = 30_000;
const LOOK_EVERY_MS = 50;

const HELP = `npm run sandbox [-- options]

  --folder <path>        keys, journal and configuration (default .local/sandbox); an earlier start's are used again
  --wechat <a,b>         account names at the simulated WeChat Pay (default wechat-a)
  --alipay <a,b>         account names at the simulated Alipay (default alipay-a)
  --stripe <a,b>         account names at the simulated Stripe (default stripe-a)
  --unionpay <a,b>       account names at the simulated UnionPay (default unionpay-a)
  --stripe-webhook <url> where every Stripe account's events go; without it nothing is told
  --tls                  WeChat Pay, Alipay and UnionPay speak TLS, with a certificate of an authority of its own
  --free-ports           take free ports instead of 7400 to 7404, 7411, 7412 and 7414
  --time-scale <factor>  on the waits between notifications (default 1; 0.01 makes seconds of minutes)`;

const { values: options } = parseArgs({
  options: {
    folder: { type: 'string', default: join(root, '.local', 'sandbox') },
    wechat: { type: 'string', default: 'wechat-a' },
    alipay: { type: 'string', default: 'alipay-a' },
    stripe: { type: 'string', default: 'stripe-a' },
    unionpay: { type: 'string', default: 'unionpay-a' },
    'stripe-webhook': { type: 'string' },
    tls: { type: 'boolean', default: false },
    'free-ports': { type: 'boolean', default: false },
    'time-scale': { type: 'string', default: '1' },
    help: { type: 'boolean', default: false },
  },
});

const say = (line = ''): void => {
  process.stdout.write(`${line}\n`);
};

type Ports = typeof PORTS;

const portsIn = async (file: string): Promise<Ports> => {
  const endMs = systemClock.monotonicMs() + READY_WITHIN_MS;
  while (systemClock.monotonicMs() < endMs) {
    if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as Ports;
    await systemClock.sleep(LOOK_EVERY_MS);
  }
  throw new Error(`the sandbox does not listen within ${READY_WITHIN_MS / 1_000} s; its own words stand above`);
};

const main = async (): Promise<number> => {
  const folder = resolve(options.folder);
  const keys = join(folder, 'keys');
  mkdirSync(keys, { recursive: true, mode: 0o700 });
  const generate = join(root, 'services', 'sandbox', 'src', 'generate-keys.ts');
  const names = (['wechat', 'alipay', 'stripe', 'unionpay'] as const).flatMap((channel) => [
    `--${channel}`,
    options[channel],
  ]);
  const words = [generate, '--out', keys, ...names];
  await promisify(execFile)(process.execPath, words);
  const accountsFile = join(keys, 'accounts.json');
  const { sandbox, stripe, tls } = JSON.parse(readFileSync(accountsFile, 'utf8')) as {
    sandbox: { stripe: { accounts: readonly object[] } };
    stripe: { certificateFile: string };
    tls: { rootFile: string; certificateFile: string; certificateKeyFile: string };
  };
  const portFile = join(folder, 'ports.json');
  rmSync(portFile, { force: true });
  const config = {
    ...sandbox,
    tls: options.tls ? { certificateFile: tls.certificateFile, certificateKeyFile: tls.certificateKeyFile } : undefined,
    stripe: {
      ...sandbox.stripe,
      accounts: sandbox.stripe.accounts.map((account) => ({ ...account, webhookUrl: options['stripe-webhook'] })),
    },
    logLevel: 'warn',
    ports: options['free-ports'] ? {} : PORTS,
    portFile,
    journalFile: join(folder, 'journal.ndjson'),
    notifications: { timeScale: Number(options['time-scale']) },
  };
  const configFile = join(folder, 'sandbox.json');
  writeFileSync(configFile, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600 });
  const child = spawn(process.execPath, [join(root, 'services', 'sandbox', 'src', 'main.ts')], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, TILLMESH_CONFIG: configFile },
  });
  const ended = new Promise<number>((done) => child.once('close', (status) => done(status ?? 0)));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill('SIGTERM'));
  const ports = await Promise.race([portsIn(portFile), ended]);
  if (typeof ports === 'number') return ports === 0 ? 1 : ports;
  say();
  const scheme = options.tls ? 'https' : 'http';
  say(`WeChat Pay   ${scheme}://127.0.0.1:${ports.wechat}   second ${ports.second.wechat}`);
  say(`Alipay       ${scheme}://127.0.0.1:${ports.alipay}/gateway.do   second ${ports.second.alipay}`);
  say(`Stripe       https://127.0.0.1:${ports.stripe}`);
  say(`to trust     ${[stripe.certificateFile, ...(options.tls ? [tls.rootFile] : [])].join('   ')}`);
  say(`UnionPay     ${scheme}://127.0.0.1:${ports.unionpay}   second ${ports.second.unionpay}`);
  say(`control      http://127.0.0.1:${ports.control}/control/health`);
  say(`keys         ${accountsFile}`);
  say();
  say('The control API and everything that is simulated: docs/sandbox.md. Ctrl-C ends it.');
  return ended;
};

if (options.help) say(HELP);
else {
  process.exitCode = await main().catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  });
}
