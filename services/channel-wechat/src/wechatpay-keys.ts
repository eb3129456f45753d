import { parseJsonObject } from '@tillmesh/channel-kit';
import { counter } from '@tillmesh/telemetry';
import type { WechatAccount } from './config.ts';
import { type PlatformCertificate, readPlatformCertificates } from './platform-certificates.ts';
import { exchangeV3, signatureStateOf, signedOf } from './v3-exchange.ts';
import type { WechatpayKeys } from './v3-signature.ts';
import type { WechatCall } from './wechat-call.ts';

// What an account accepts signatures of: the keys of its settings, and, where it wants them, the platform's certificates, which are
// fetched. Notifications move from one to the other in steps over days, so all of them count at the same time.

const downloads = counter(
  'tillmesh_wechat_certificate_downloads_total',
  'Downloads of WeChat Pay platform certificates, by what came of them.',
  ['account', 'end'],
);

const PATH = '/v3/certificates';
const DOWNLOAD_MS_MAX = 5_000;
/** Without any key nothing can be paid: it is tried again soon. */
const FIRST_GAP_MS = 1_000;
/** Those that the platform no longer lists are kept until they expire, up to so many. */
const KEPT_MAX = 32;

type Kept = {
  readonly configured: WechatpayKeys;
  certificates: ReadonlyMap<string, PlatformCertificate>;
  triedAtMs: number;
  fetchedAtMs: number;
  /** An unknown serial was seen by somebody who cannot ask. */
  wanted: boolean;
  underWay: Promise<void> | undefined;
};

// The certificates belong to the account's settings as they were loaded: other settings begin anew.
const keptByAccount = new WeakMap<WechatAccount, Kept>();
const keptOf = (account: WechatAccount): Kept => {
  const known = keptByAccount.get(account);
  if (known !== undefined) return known;
  const kept: Kept = {
    configured: new Map(account.wechatpayKeys.map(({ id, keyFile }) => [id, keyFile])),
    certificates: new Map(),
    triedAtMs: Number.NEGATIVE_INFINITY,
    fetchedAtMs: Number.NEGATIVE_INFINITY,
    wanted: false,
    underWay: undefined,
  };
  keptByAccount.set(account, kept);
  return kept;
};

const isValid = ({ fromMs, untilMs }: PlatformCertificate, nowMs: number): boolean =>
  fromMs <= nowMs && nowMs < untilMs;

/** The keys that an account accepts now, by id. */
export const wechatpayKeysOf = (account: WechatAccount, nowMs: number): WechatpayKeys => {
  const { configured, certificates } = keptOf(account);
  if (certificates.size === 0) return configured;
  const valid = [...certificates.values()].filter((certificate) => isValid(certificate, nowMs));
  // A configured key is the account's own word and counts before one that was fetched.
  return new Map([...valid.map(({ serial, key }) => [serial, key] as const), ...configured]);
};

/** The key that requests ask for: the first one configured, otherwise the certificate that begins last; empty where there is none. */
export const askedKeyOf = (account: WechatAccount, nowMs: number): string => {
  const { certificates } = keptOf(account);
  const [first] = account.wechatpayKeys;
  if (first !== undefined) return first.id;
  const valid = [...certificates.values()].filter((certificate) => isValid(certificate, nowMs));
  return valid.toSorted((a, b) => b.fromMs - a.fromMs)[0]?.serial ?? '';
};

const apiV3KeyOf = (account: WechatAccount): Buffer => Buffer.from(account.apiV3KeyFile.reveal(), 'utf8');

/** The certificates that an answer holds, where one of them, or a key that was accepted before, has signed it. */
const fetched = async (call: WechatCall): Promise<readonly PlatformCertificate[] | 'unanswered' | 'refused'> => {
  const { account, clock } = call;
  const request = { method: 'GET', path: PATH, pathTemplate: PATH } as const;
  const exchange = await exchangeV3(call, request, askedKeyOf(account, clock.nowMs()));
  if (exchange.kind !== 'answered') return 'unanswered';
  const signed = signedOf(exchange);
  const content = exchange.status === 200 ? parseJsonObject(signed.text ?? '') : undefined;
  if (content === undefined) return 'refused';
  const certificates = readPlatformCertificates(content, apiV3KeyOf(account));
  const nowMs = clock.nowMs();
  const valid = certificates.filter((certificate) => isValid(certificate, nowMs));
  // The first answer can be verified by nothing but what it holds: only who has the APIv3 key could seal that.
  const keys = new Map([...valid.map(({ serial, key }) => [serial, key] as const), ...wechatpayKeysOf(account, nowMs)]);
  const isAuthentic = valid.length > 0 && signatureStateOf(signed, keys, nowMs) === 'verified';
  return isAuthentic ? certificates : 'refused';
};

const download = async (kept: Kept, call: WechatCall): Promise<void> => {
  const { account, clock } = call;
  // Several wait for it: it does not end with the first one's call.
  const controller = new AbortController();
  const cancel = clock.after(DOWNLOAD_MS_MAX, () => controller.abort());
  const result = await fetched({ ...call, signal: controller.signal }).finally(cancel);
  if (typeof result === 'string') {
    downloads.add({ account: account.accountId, end: result });
    return;
  }
  downloads.add({ account: account.accountId, end: 'fetched' });
  const nowMs = clock.nowMs();
  const before = [...kept.certificates.values()].filter(({ untilMs }) => nowMs < untilMs);
  const all = [...before, ...result].map((certificate) => [certificate.serial, certificate] as const);
  kept.certificates = new Map(all.slice(-KEPT_MAX));
  kept.fetchedAtMs = nowMs;
};

/** Fetches the certificates, unless that was tried a short time ago; whoever comes meanwhile waits for the same answer. */
const refresh = async (kept: Kept, call: WechatCall): Promise<void> => {
  const { account, clock, signal } = call;
  const { platformCertificates } = account;
  if (platformCertificates === undefined) return;
  const hasKeys = wechatpayKeysOf(account, clock.nowMs()).size > 0;
  const gapMs = hasKeys ? platformCertificates.unknownSerialGapMs : FIRST_GAP_MS;
  if (kept.underWay === undefined) {
    if (clock.nowMs() - kept.triedAtMs < gapMs) return;
    kept.triedAtMs = clock.nowMs();
    kept.wanted = false;
    kept.underWay = download(kept, call).finally(() => {
      kept.underWay = undefined;
    });
  }
  await orAborted(kept.underWay, signal);
};

const orAborted = (work: Promise<void>, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const leave = () => resolve();
    signal.addEventListener('abort', leave, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave));
  });

const isDue = (kept: Kept, account: WechatAccount, nowMs: number): boolean =>
  account.platformCertificates !== undefined &&
  (kept.wanted || nowMs - kept.fetchedAtMs >= account.platformCertificates.refreshMs);

/** True where the account has a key to verify an answer with; it is fetched first where it has none yet. */
export const hasKeysFor = async (call: WechatCall): Promise<boolean> => {
  const { account, clock } = call;
  if (wechatpayKeysOf(account, clock.nowMs()).size > 0) return true;
  await refresh(keptOf(account), call);
  return wechatpayKeysOf(account, clock.nowMs()).size > 0;
};

/** Looks for a key that an answer names and nobody knows: the platform may have changed over. */
export const seekKey = async (serial: string, call: WechatCall): Promise<void> => {
  const { account, clock } = call;
  if (serial === '' || wechatpayKeysOf(account, clock.nowMs()).has(serial)) return;
  await refresh(keptOf(account), call);
};

/** Notes that somebody named a key that nobody knows; the next upkeep or call looks for it. */
export const noteUnknownKey = (serial: string, account: WechatAccount, nowMs: number): void => {
  if (!wechatpayKeysOf(account, nowMs).has(serial)) keptOf(account).wanted = true;
};

/** Fetches an account's certificates where that is due: on schedule, or because an unknown one was named. */
export const keepKeys = async (call: WechatCall): Promise<void> => {
  const kept = keptOf(call.account);
  if (isDue(kept, call.account, call.clock.nowMs())) await refresh(kept, call);
};
