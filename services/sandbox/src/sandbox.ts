import { rename, writeFile } from 'node:fs/promises';
import type { Clock, Random } from '@tillmesh/clock';
import type { Log } from '@tillmesh/telemetry';
import { certSnOf } from './alipay/certificates.ts';
import { createAlipaySimulator } from './alipay/simulator.ts';
import { createBillBook } from './bills/bill-book.ts';
import { createPlants } from './bills/plants.ts';
import type { SandboxConfig } from './config.ts';
import { createControlApi } from './control-api.ts';
import { fen } from './fen.ts';
import { type HttpListener, listenHttp } from './http-server.ts';
import { createLedger } from './ledger.ts';
import { createLimits } from './limits.ts';
import { createNotifier } from './notifier.ts';
import { createPayers } from './payers.ts';
import { createRotatingCertificate } from './rotating-certificate.ts';
import { createScanner } from './scan.ts';
import { createScripts } from './scripts.ts';
import { createState } from './state.ts';
import { createStats } from './stats.ts';
import type { StripeAccount } from './stripe/account.ts';
import { createStripeSimulator } from './stripe/simulator.ts';
import { createUnionpaySimulator } from './unionpay/simulator.ts';
import type { WechatAccount } from './wechat/account.ts';
import { createPlatformKeys } from './wechat/platform-keys.ts';
import { createWechatSimulator } from './wechat/simulator.ts';

export interface Sandbox {
  readonly ports: {
    readonly control: number;
    readonly wechat: number;
    readonly alipay: number;
    readonly stripe: number;
    readonly unionpay: number;
    /** The second addresses, over the same orders. */
    readonly second: { readonly wechat: number; readonly alipay: number; readonly unionpay: number };
  };
  close(): Promise<void>;
}

const wechatAccounts = (config: SandboxConfig): readonly WechatAccount[] =>
  config.wechat.accounts.map((account) => ({
    accountId: account.accountId,
    mchid: account.mchid,
    appid: account.appid,
    merchantSerialNo: account.merchantSerialNo,
    merchantPublicKey: account.merchantPublicKeyFile,
    apiV3Key: account.apiV3KeyFile.reveal(),
    apiV2Key: account.apiV2KeyFile.reveal(),
    appSecret: account.appSecretFile?.reveal(),
    subMerchants: account.subMerchants.map(({ accountId, mchid, appid }) => ({ accountId, mchid, appid })),
    signedWith: account.signedWith,
    sub: undefined,
  }));

const stripeAccounts = (config: SandboxConfig): readonly StripeAccount[] =>
  config.stripe.accounts.map(({ secretKeyFile, webhookSecretFile, webhookUrl, ...account }) => ({
    ...account,
    secretKey: secretKeyFile.reveal(),
    webhookSecret: webhookSecretFile.reveal(),
    webhookUrl,
  }));

const alipaySigner = ({ certificates }: SandboxConfig['alipay']) =>
  certificates === undefined
    ? undefined
    : createRotatingCertificate(
        { privateKey: certificates.certificateKeyFile, certificate: certificates.certificateFile.reveal() },
        { rootFile: certificates.rootFile?.reveal(), rootKey: certificates.rootKeyFile },
      );

/** Other processes wait for this file: it must never be there half. */
const writePortFile = async (file: string, ports: Sandbox['ports']): Promise<void> => {
  await writeFile(`${file}.new`, `${JSON.stringify(ports)}\n`);
  await rename(`${file}.new`, file);
};

/**
 * Starts the simulated channels and the control API, each on its own port, with what the journal remembers.
 *
 * @throws where a port cannot be had or the journal cannot be read.
 */
export const startSandbox = async (
  config: SandboxConfig,
  deps: { readonly clock: Clock; readonly random: Random; readonly log: Log },
): Promise<Sandbox> => {
  const { clock, random, log } = deps;
  const state = createState();
  const payers = createPayers({
    state,
    clock,
    random,
    balance: fen(config.payers.balanceFen),
    paymentCodeValidMs: config.payers.paymentCodeValidMs,
  });
  const ledger = createLedger({ state, clock, payers });
  const scripts = createScripts({ state, newId: () => random.hex(8) });
  const stats = createStats(clock);
  const limits = createLimits({ clock, newId: () => random.hex(8) });
  const notifier = createNotifier({ state, clock, log, ...config.notifications });
  const plants = createPlants({ state, newId: () => random.hex(8) });
  const book = createBillBook({ clock, ledger, plants, ...config.bills });
  const shared = { clock, random, log, state, payers, ledger, scripts, stats, limits, notifier, book };

  const wechatKeys = createPlatformKeys({
    clock,
    random,
    accounts: wechatAccounts(config),
    publicKey: { id: config.wechat.publicKeyId, privateKey: config.wechat.platformPrivateKeyFile },
    certificate: {
      pem: config.wechat.certificateFile.reveal(),
      privateKey: config.wechat.certificateKeyFile,
    },
  });
  const wechat = createWechatSimulator({
    ...shared,
    settings: {
      ...config.wechat,
      accounts: wechatAccounts(config),
      platform: wechatKeys,
    },
  });
  const signers = {
    unionpay: createRotatingCertificate(
      { privateKey: config.unionpay.privateKeyFile, certificate: config.unionpay.certificateFile.reveal() },
      { rootFile: config.unionpay.rootFile?.reveal(), rootKey: config.unionpay.rootKeyFile },
    ),
    alipay: alipaySigner(config.alipay),
  };
  const alipay = createAlipaySimulator({
    ...shared,
    settings: {
      ...config.alipay,
      accounts: config.alipay.accounts.map(({ appPublicKeyFile, appCertificateFile, ...account }) => ({
        ...account,
        appPublicKey: appPublicKeyFile,
        appCertSn: appCertificateFile === undefined ? undefined : certSnOf(appCertificateFile.reveal()),
      })),
      privateKey: config.alipay.privateKeyFile,
      signer: signers.alipay,
    },
  });

  const stripe = createStripeSimulator({
    ...shared,
    settings: { ...config.stripe, accounts: stripeAccounts(config) },
  });

  const unionpay = createUnionpaySimulator({
    ...shared,
    settings: {
      ordersMax: config.unionpay.ordersMax,
      accounts: config.unionpay.accounts.map(({ merchantPublicKeyFile, ...account }) => ({
        ...account,
        merchantPublicKey: merchantPublicKeyFile,
      })),
      signer: signers.unionpay,
    },
  });

  await state.open(config.journalFile);
  const listening: HttpListener[] = [];
  type Listening = Parameters<typeof listenHttp>[0];
  const listen = async (
    port: number,
    handle: Listening['handle'],
    more: Pick<Listening, 'tls' | 'name'> = {},
  ): Promise<HttpListener> => {
    const listener = await listenHttp({ host: config.host, port, handle, clock, log, ...more });
    listening.push(listener);
    return listener;
  };
  const tls =
    config.tls === undefined
      ? undefined
      : { cert: config.tls.certificateFile.reveal(), key: config.tls.certificateKeyFile.reveal() };
  const listenTwice = async (name: 'wechat' | 'alipay' | 'unionpay', handle: Listening['handle']) => ({
    first: await listen(config.ports[name], handle, { tls }),
    second: await listen(config.ports.second[name], handle, { tls, name: 'second' }),
  });
  const close = async (): Promise<void> => {
    notifier.close();
    for (const listener of listening) await listener.close();
    await state.close();
  };
  try {
    const channels = {
      wechat: await listenTwice('wechat', wechat.handle),
      alipay: await listenTwice('alipay', alipay.handle),
      // Stripe signs no answers: what vouches for them is TLS.
      stripe: {
        first: await listen(config.ports.stripe, stripe.handle, {
          tls: {
            cert: config.stripe.certificateFile.reveal(),
            key: config.stripe.certificateKeyFile.reveal(),
          },
        }),
      },
      unionpay: await listenTwice('unionpay', unionpay.handle),
    };
    const control = await listen(
      config.ports.control,
      createControlApi({
        state,
        payers,
        ledger,
        scripts,
        stats,
        limits,
        wechatKeys,
        notifier,
        plants,
        channels,
        signers,
        scan: createScanner({
          clock,
          payers,
          wechat: wechat.orders,
          alipay: alipay.trades,
          stripe: stripe.intents,
          unionpay: unionpay.orders,
        }),
        accounts: [
          ...config.wechat.accounts.flatMap(({ accountId, mchid, appid, subMerchants }) => [
            { channel: 'wechat', accountId, mchid, appid },
            ...subMerchants.map((sub) => ({
              channel: 'wechat',
              accountId: sub.accountId,
              mchid,
              appid,
              subMchid: sub.mchid,
              subAppid: sub.appid,
            })),
          ]),
          ...config.alipay.accounts.map(({ accountId, appId, sellerId }) => ({
            channel: 'alipay',
            accountId,
            appId,
            sellerId,
          })),
          ...config.stripe.accounts.map(({ accountId, stripeAccountId }) => ({
            channel: 'stripe',
            accountId,
            stripeAccountId,
          })),
          ...config.unionpay.accounts.map(({ accountId, merId }) => ({ channel: 'unionpay', accountId, merId })),
        ],
        orderStates: (outTradeNo) => [
          ...config.wechat.accounts.flatMap(({ mchid }) => {
            const order = wechat.orders.find(mchid, outTradeNo);
            return order === undefined
              ? []
              : [{ channel: 'wechat', account: order.accountId, outTradeNo, state: order.state }];
          }),
          ...config.alipay.accounts.flatMap(({ accountId, appId }) => {
            const trade = alipay.trades.find(appId, outTradeNo);
            return trade === undefined
              ? []
              : [{ channel: 'alipay', account: accountId, outTradeNo, state: trade.state }];
          }),
          ...config.stripe.accounts.flatMap(({ accountId }) =>
            stripe.intents
              .findByOrder(accountId, outTradeNo)
              .map(({ status }) => ({ channel: 'stripe', account: accountId, outTradeNo, state: status })),
          ),
          ...config.unionpay.accounts.flatMap(({ accountId, merId }) => {
            const order = unionpay.orders.find(merId, outTradeNo);
            return order === undefined
              ? []
              : [{ channel: 'unionpay', account: accountId, outTradeNo, state: order.state }];
          }),
        ],
      }),
    );
    const ports = {
      control: control.port,
      wechat: channels.wechat.first.port,
      alipay: channels.alipay.first.port,
      stripe: channels.stripe.first.port,
      unionpay: channels.unionpay.first.port,
      second: {
        wechat: channels.wechat.second.port,
        alipay: channels.alipay.second.port,
        unionpay: channels.unionpay.second.port,
      },
    };
    wechat.resume();
    alipay.resume();
    stripe.resume();
    unionpay.resume();
    notifier.resume();
    if (config.portFile !== undefined) await writePortFile(config.portFile, ports);
    return { ports, close };
  } catch (error) {
    await close();
    throw error;
  }
};
