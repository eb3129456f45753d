import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Issued, issueCertificate } from '@tillmesh/testing/issued-certificate';
import { selfSignedFor } from '@tillmesh/testing/self-signed';

// What stands in certificates: the names that adapters look at. UnionPay's is the third part at `@`.
export const UNIONPAY_ROOT = 'Tillmesh sandbox CFCA root';
export const UNIONPAY_SIGNER = '041@Z2026-01-01@中国银联股份有限公司@00000001';
export const ALIPAY_ROOT = 'Tillmesh sandbox Ant root';
export const ALIPAY_SIGNER = 'Tillmesh sandbox Alipay';

export type WechatKeys = {
  readonly accountId: string;
  readonly mchid: string;
  readonly appid: string;
  readonly merchantSerialNo: string;
  /** Signs v3 requests; the merchant's alone. */
  readonly merchantPrivateKeyFile: string;
  readonly merchantPublicKeyFile: string;
  /** 32 characters each, known to both sides. */
  readonly apiV3KeyFile: string;
  readonly apiV2KeyFile: string;
  /** 32 characters, of the application; known to both sides. */
  readonly appSecretFile: string;
  /** Whom it may work for as a service provider: one with an application of its own, one without. */
  readonly subMerchants: readonly { readonly accountId: string; readonly mchid: string; readonly appid?: string }[];
};

export type AlipayKeys = {
  readonly accountId: string;
  readonly appId: string;
  readonly sellerId: string;
  /** Signs requests; the merchant's alone. */
  readonly appPrivateKeyFile: string;
  readonly appPublicKeyFile: string;
  /** The application's certificate, for certificate mode. */
  readonly appCertificateFile: string;
};

export type StripeKeys = {
  readonly accountId: string;
  readonly stripeAccountId: string;
  /** Stands in every request; known to both sides, as Stripe has it. */
  readonly secretKeyFile: string;
  /** What webhooks are signed with; known to both sides. */
  readonly webhookSecretFile: string;
};

export type UnionpayKeys = {
  readonly accountId: string;
  readonly merId: string;
  /** Decimal. */
  readonly certId: string;
  /** Signs requests; the merchant's alone. */
  readonly merchantPrivateKeyFile: string;
  readonly merchantPublicKeyFile: string;
};

export type TlsKeys = {
  readonly rootFile: string;
  readonly certificateFile: string;
  readonly certificateKeyFile: string;
};

/** Every file name is an absolute path. PEM files are PKCS#8 (private) and SPKI (public). */
export type GeneratedKeys = {
  readonly wechat: {
    /** What Wechatpay-Serial says; adapters find the public key by it. */
    readonly publicKeyId: string;
    readonly publicKeyFile: string;
    readonly platformPrivateKeyFile: string;
    /** The platform certificate, which /v3/certificates lists, and its key. */
    readonly certificateFile: string;
    readonly certificateKeyFile: string;
    readonly accounts: readonly WechatKeys[];
  };
  readonly alipay: {
    readonly publicKeyFile: string;
    readonly privateKeyFile: string;
    /** For applications in certificate mode: the root, its key with which the sandbox issues the next certificate, and the first one. */
    readonly rootFile: string;
    readonly rootKeyFile: string;
    readonly certificateFile: string;
    readonly certificateKeyFile: string;
    readonly accounts: readonly AlipayKeys[];
  };
  readonly stripe: {
    /** What clients have to trust: the certificate is its own authority. */
    readonly certificateFile: string;
    readonly certificateKeyFile: string;
    readonly accounts: readonly StripeKeys[];
  };
  readonly unionpay: {
    /** UnionPay's first certificate: what adapters trust that name one. */
    readonly certificateFile: string;
    readonly privateKeyFile: string;
    /** The authority above it: what adapters trust that follow from one to the next. Its key is the sandbox' alone. */
    readonly rootFile: string;
    readonly rootKeyFile: string;
    readonly accounts: readonly UnionpayKeys[];
  };
  /** What the channels but Stripe show where they speak TLS, and the authority to trust then. */
  readonly tls: TlsKeys;
  /** The `wechat`, `alipay`, `stripe` and `unionpay` sections of the sandbox' own configuration, ready to be copied into it. */
  readonly sandbox: {
    readonly wechat: object;
    readonly alipay: object;
    readonly stripe: object;
    readonly unionpay: object;
  };
};

const RSA_BITS = 2_048;

const digest = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Decimal digits that are always the same for one text, so that repeated runs name the same merchants. */
const digitsOf = (text: string, count: number): string =>
  BigInt(`0x${digest(text)}`)
    .toString()
    .slice(-count);

/** Keeps what is there: a second run must not lock adapters out that have read the first one's files. */
const keptFile = (folder: string, name: string, create: () => string): string => {
  const file = join(folder, name);
  if (!existsSync(file)) writeFileSync(file, create(), { mode: 0o600 });
  return file;
};

const keyPair = (folder: string, name: string) => {
  const privateKeyFile = keptFile(folder, `${name}-private-key.pem`, () =>
    generateKeyPairSync('rsa', { modulusLength: RSA_BITS })
      .privateKey.export({ type: 'pkcs8', format: 'pem' })
      .toString(),
  );
  const publicPem = () =>
    createPublicKey(readFileSync(privateKeyFile, 'utf8')).export({ type: 'spki', format: 'pem' }).toString();
  return { privateKeyFile, publicKeyFile: keptFile(folder, `${name}-public-key.pem`, publicPem) };
};

const secret32 = (folder: string, name: string): string =>
  keptFile(folder, name, () => `${randomBytes(16).toString('hex')}\n`);

const wechatKeys = (folder: string, accountId: string): WechatKeys => {
  const merchant = keyPair(folder, `${accountId}-merchant`);
  return {
    accountId,
    mchid: `19${digitsOf(`mchid ${accountId}`, 8)}`,
    appid: `wx${digest(`appid ${accountId}`).slice(0, 16)}`,
    merchantSerialNo: digest(`serial ${accountId}`).slice(0, 40).toUpperCase(),
    merchantPrivateKeyFile: merchant.privateKeyFile,
    merchantPublicKeyFile: merchant.publicKeyFile,
    apiV3KeyFile: secret32(folder, `${accountId}-api-v3-key`),
    apiV2KeyFile: secret32(folder, `${accountId}-api-v2-key`),
    appSecretFile: secret32(folder, `${accountId}-app-secret`),
    subMerchants: [
      {
        accountId: `${accountId}-sub-1`,
        mchid: `16${digitsOf(`mchid ${accountId}-sub-1`, 8)}`,
        appid: `wx${digest(`appid ${accountId}-sub-1`).slice(0, 16)}`,
      },
      { accountId: `${accountId}-sub-2`, mchid: `16${digitsOf(`mchid ${accountId}-sub-2`, 8)}` },
    ],
  };
};

const alipayKeys = (folder: string, accountId: string, root: Issued): AlipayKeys => {
  const app = keyPair(folder, `${accountId}-app`);
  return {
    accountId,
    appId: `2021${digitsOf(`app_id ${accountId}`, 12)}`,
    sellerId: `2088${digitsOf(`seller_id ${accountId}`, 12)}`,
    appPrivateKeyFile: app.privateKeyFile,
    appPublicKeyFile: app.publicKeyFile,
    appCertificateFile: keptFile(
      folder,
      `${accountId}-app-certificate.pem`,
      () => issueCertificate({ commonName: `${accountId} application`, issuer: root, keys: readPair(app) }).certificate,
    ),
  };
};

const stripeKeys = (folder: string, accountId: string): StripeKeys => {
  const secret = (name: string, prefix: string) =>
    keptFile(folder, `${accountId}-${name}`, () => `${prefix}_${randomBytes(24).toString('hex')}\n`);
  return {
    accountId,
    stripeAccountId: `acct_${digest(`acct ${accountId}`).slice(0, 16)}`,
    secretKeyFile: secret('secret-key', 'sk_test'),
    webhookSecretFile: secret('webhook-secret', 'whsec'),
  };
};

/** A certificate and its key, made together: a key of another run would not fit. */
const certificateOf = (folder: string, name: string, hosts: readonly string[] = []) => {
  const files = { certificateFile: join(folder, `${name}.pem`), privateKeyFile: join(folder, `${name}.key`) };
  if (existsSync(files.certificateFile) && existsSync(files.privateKeyFile)) return files;
  const { certificate, privateKey } = selfSignedFor(hosts);
  writeFileSync(files.privateKeyFile, privateKey, { mode: 0o600 });
  writeFileSync(files.certificateFile, certificate, { mode: 0o600 });
  return files;
};

/** An authority of our own and a certificate of it for 127.0.0.1, made together. */
const tlsKeys = (folder: string): TlsKeys => {
  const files = {
    rootFile: join(folder, 'tls-root.pem'),
    certificateFile: join(folder, 'tls.pem'),
    certificateKeyFile: join(folder, 'tls.key'),
  };
  if (Object.values(files).every((file) => existsSync(file))) return files;
  const root = issueCertificate({ commonName: 'Tillmesh sandbox root', isAuthority: true });
  const host = issueCertificate({ commonName: 'Tillmesh sandbox', issuer: root, addresses: ['127.0.0.1'] });
  const key = host.privateKey.export({ type: 'pkcs8', format: 'pem' });
  writeFileSync(files.certificateKeyFile, key, { mode: 0o600 });
  writeFileSync(files.certificateFile, host.certificate, { mode: 0o600 });
  writeFileSync(files.rootFile, root.certificate, { mode: 0o600 });
  return files;
};

const readPair = ({ privateKeyFile, publicKeyFile }: ReturnType<typeof keyPair>) => ({
  privateKey: createPrivateKey(readFileSync(privateKeyFile, 'utf8')),
  publicKey: createPublicKey(readFileSync(publicKeyFile, 'utf8')),
});

/** An authority, and the first certificate that it has issued; made together. */
const chainOf = (folder: string, name: string, rootName: string, signerName: string) => {
  const files = {
    rootFile: join(folder, `${name}-root.pem`),
    rootKeyFile: join(folder, `${name}-root.key`),
    certificateFile: join(folder, `${name}.pem`),
    privateKeyFile: join(folder, `${name}.key`),
  };
  const read = (file: string) => readFileSync(file, 'utf8');
  if (Object.values(files).every((file) => existsSync(file))) {
    const privateKey = createPrivateKey(read(files.rootKeyFile));
    return { files, root: { commonName: rootName, certificate: read(files.rootFile), privateKey } };
  }
  const root = issueCertificate({ commonName: rootName, isAuthority: true });
  const signer = issueCertificate({ commonName: signerName, issuer: root });
  const pem = (key: KeyObject) => key.export({ type: 'pkcs8', format: 'pem' });
  for (const [file, text] of [
    [files.rootFile, root.certificate],
    [files.rootKeyFile, pem(root.privateKey)],
    [files.certificateFile, signer.certificate],
    [files.privateKeyFile, pem(signer.privateKey)],
  ] as const) {
    writeFileSync(file, text, { mode: 0o600 });
  }
  return { files, root };
};

const unionpayKeys = (folder: string, accountId: string): UnionpayKeys => {
  const merchant = keyPair(folder, `${accountId}-merchant`);
  return {
    accountId,
    merId: `7772${digitsOf(`merId ${accountId}`, 11)}`,
    certId: digitsOf(`certId ${accountId}`, 11),
    merchantPrivateKeyFile: merchant.privateKeyFile,
    merchantPublicKeyFile: merchant.publicKeyFile,
  };
};

/** Without the merchants' private keys: the channel's side never has them. */
const sandboxSections = (keys: Omit<GeneratedKeys, 'sandbox'>): GeneratedKeys['sandbox'] => ({
  wechat: {
    platformPrivateKeyFile: keys.wechat.platformPrivateKeyFile,
    publicKeyId: keys.wechat.publicKeyId,
    certificateFile: keys.wechat.certificateFile,
    certificateKeyFile: keys.wechat.certificateKeyFile,
    accounts: keys.wechat.accounts.map(({ merchantPrivateKeyFile: _private, ...account }) => account),
  },
  alipay: {
    privateKeyFile: keys.alipay.privateKeyFile,
    certificates: {
      rootFile: keys.alipay.rootFile,
      rootKeyFile: keys.alipay.rootKeyFile,
      certificateFile: keys.alipay.certificateFile,
      certificateKeyFile: keys.alipay.certificateKeyFile,
    },
    accounts: keys.alipay.accounts.map(({ appPrivateKeyFile: _private, ...account }) => account),
  },
  stripe: keys.stripe,
  unionpay: {
    ...keys.unionpay,
    accounts: keys.unionpay.accounts.map(({ merchantPrivateKeyFile: _private, ...account }) => account),
  },
});

/**
 * Makes the keys of both sides for the named accounts, all in one folder with mode 600, and writes `accounts.json`,
 * which holds what is returned. Keys that are there already are kept; numbers of merchants and of their keys follow from the account ids.
 */
export const generateKeys = (options: {
  readonly folder: string;
  readonly wechat: readonly string[];
  readonly alipay: readonly string[];
  readonly stripe: readonly string[];
  readonly unionpay: readonly string[];
  /** Names of the simulated Stripe beside 127.0.0.1. */
  readonly hosts?: readonly string[];
}): GeneratedKeys => {
  const folder = resolve(options.folder);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const wechatPlatform = keyPair(folder, 'wechat-platform');
  const alipayPlatform = keyPair(folder, 'alipay-platform');
  const unionpay = chainOf(folder, 'unionpay', UNIONPAY_ROOT, UNIONPAY_SIGNER);
  const alipay = chainOf(folder, 'alipay', ALIPAY_ROOT, ALIPAY_SIGNER);
  const stripeTls = certificateOf(folder, 'stripe-tls', options.hosts);
  const wechatCertificate = certificateOf(folder, 'wechat-certificate');
  const keys = {
    wechat: {
      publicKeyId: `PUB_KEY_ID_01${digitsOf('public key id', 30)}`,
      publicKeyFile: wechatPlatform.publicKeyFile,
      platformPrivateKeyFile: wechatPlatform.privateKeyFile,
      certificateFile: wechatCertificate.certificateFile,
      certificateKeyFile: wechatCertificate.privateKeyFile,
      accounts: options.wechat.map((accountId) => wechatKeys(folder, accountId)),
    },
    alipay: {
      publicKeyFile: alipayPlatform.publicKeyFile,
      privateKeyFile: alipayPlatform.privateKeyFile,
      rootFile: alipay.files.rootFile,
      rootKeyFile: alipay.files.rootKeyFile,
      certificateFile: alipay.files.certificateFile,
      certificateKeyFile: alipay.files.privateKeyFile,
      accounts: options.alipay.map((accountId) => alipayKeys(folder, accountId, alipay.root)),
    },
    stripe: {
      certificateFile: stripeTls.certificateFile,
      certificateKeyFile: stripeTls.privateKeyFile,
      accounts: options.stripe.map((accountId) => stripeKeys(folder, accountId)),
    },
    unionpay: {
      ...unionpay.files,
      accounts: options.unionpay.map((accountId) => unionpayKeys(folder, accountId)),
    },
    tls: tlsKeys(folder),
  };
  const generated = { ...keys, sandbox: sandboxSections(keys) };
  writeFileSync(join(folder, 'accounts.json'), `${JSON.stringify(generated, undefined, 2)}\n`, { mode: 0o600 });
  return generated;
};

const listOf = (text: string): readonly string[] => {
  const ids = text.split(',').filter((id) => id !== '');
  const wrong = ids.find((id) => !/^[0-9A-Za-z][0-9A-Za-z._-]{0,63}$/.test(id));
  if (wrong !== undefined) throw new Error(`${wrong} cannot be an account's id: letters, digits, ".", "_" and "-" can`);
  return ids;
};

const runAsCommand = (): void => {
  const { values } = parseArgs({
    options: {
      out: { type: 'string' },
      wechat: { type: 'string', default: 'wechat-a' },
      alipay: { type: 'string', default: 'alipay-a' },
      stripe: { type: 'string', default: 'stripe-a' },
      unionpay: { type: 'string', default: 'unionpay-a' },
    },
  });
  if (values.out === undefined) throw new Error('--out <folder> is missing');
  generateKeys({
    folder: values.out,
    wechat: listOf(values.wechat),
    alipay: listOf(values.alipay),
    stripe: listOf(values.stripe),
    unionpay: listOf(values.unionpay),
  });
  process.stdout.write(`${join(resolve(values.out), 'accounts.json')}\n`);
};

const command = process.argv[1];
if (
  command !== undefined &&
  existsSync(command) &&
  realpathSync(command) === realpathSync(fileURLToPath(import.meta.url))
) {
  try {
    runAsCommand();
  } catch (error) {
    process.stderr.write(`generate-keys: ${error instanceof Error ? error.message : String(error)}\n`);
    process.stderr.write(
      'usage: generate-keys.ts --out <folder> [--wechat a,b] [--alipay c] [--stripe d] [--unionpay e]\n',
    );
    process.exit(1);
  }
}
