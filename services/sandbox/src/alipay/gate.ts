import type { Clock } from '@tillmesh/clock';
import { msOfSpaced } from '../beijing-time.ts';
import type { HttpRequest } from '../http-server.ts';
import type { AlipayAccount } from './account.ts';
import { type AlipayAnswer, failure } from './answer.ts';
import { type FormFields, parseForm } from './form.ts';
import { isSignedRsa2, requestBytesToSign } from './signature.ts';

export type AlipayRequest = {
  readonly account: AlipayAccount;
  readonly method: string;
  /** Host and port that were asked for. */
  readonly authority: string;
  readonly notifyUrl: string | undefined;
  /** The request names the application's certificate: so does its answer Alipay's. */
  readonly byCertificate: boolean;
  /** `biz_content`, parsed. */
  readonly content: unknown;
  /** Any parameter; empty where there is none. */
  readonly text: (name: string) => string;
};

export type AlipayGateResult =
  | { readonly kind: 'passed'; readonly request: AlipayRequest }
  | {
      readonly kind: 'refused';
      readonly reason: string;
      readonly isAboutSignature: boolean;
      /** Whose key the client would verify with is not known: such answers are not signed. */
      readonly isAnonymous: boolean;
      readonly method: string | undefined;
      readonly answer: AlipayAnswer;
    };

const NOTIFY_URL = /^https?:\/\/\S{1,248}$/;

/** Checks of the common parameters after the signature, in the order of the real gateway's documentation. */
const commonProblem = (text: (name: string) => string, nowMs: number, toleranceMs: number): string | undefined => {
  if (!/^utf-?8$/i.test(text('charset'))) return 'isv.invalid-charset';
  if (text('timestamp') === '') return 'isv.missing-timestamp';
  const sentAtMs = msOfSpaced(text('timestamp'));
  if (sentAtMs === undefined || Math.abs(nowMs - sentAtMs) > toleranceMs) return 'isv.invalid-timestamp';
  if (text('version') === '') return 'isv.missing-version';
  if (text('version') !== '1.0') return 'isv.invalid-parameter';
  if (!['', 'json'].includes(text('format').toLowerCase())) return 'isv.invalid-format';
  const notifyUrl = text('notify_url');
  if (notifyUrl !== '' && !(NOTIFY_URL.test(notifyUrl) && URL.canParse(notifyUrl))) return 'isv.invalid-parameter';
  return undefined;
};

const parsedContent = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

/**
 * Proves who sent a request and reads its common parameters.
 *
 * @param deps.timestampToleranceMs how far a time stamp may be off. Alipay documents no number; its own Node SDK sends
 *   the local time of its host as if it were Beijing's, so a day is tolerated unless configured otherwise.
 */
export const createAlipayGate = (deps: {
  readonly clock: Clock;
  readonly accounts: readonly AlipayAccount[];
  readonly methods: ReadonlySet<string>;
  readonly timestampToleranceMs: number;
}): ((request: HttpRequest) => AlipayGateResult) => {
  const accounts = new Map(deps.accounts.map((account) => [account.appId, account]));

  const signatureProblem = (fields: FormFields, account: AlipayAccount): string | undefined => {
    const text = (name: string) => fields.get(name)?.toString('latin1') ?? '';
    if (text('sign_type') === '') return 'isv.missing-signature-type';
    if (text('sign_type') !== 'RSA2') return 'isv.invalid-signature-type';
    // Its certificate has the key of the signature, or it is another one's.
    if (text('app_cert_sn') !== '' && text('app_cert_sn') !== account.appCertSn) return 'isv.invalid-app-cert-sn';
    if (text('sign') === '') return 'isv.missing-signature';
    const isGood = isSignedRsa2(requestBytesToSign(fields), text('sign'), account.appPublicKey);
    return isGood ? undefined : 'isv.invalid-signature';
  };

  return ({ target, body, headers }) => {
    const queryStart = target.indexOf('?');
    const fields = parseForm(queryStart === -1 ? '' : target.slice(queryStart + 1), body.toString('latin1'));
    const text = (name: string) => fields?.get(name)?.toString('utf8') ?? '';
    const method = deps.methods.has(text('method')) ? text('method') : undefined;
    const refused = (code: string, isAboutSignature: boolean, isAnonymous = false): AlipayGateResult => ({
      kind: 'refused',
      reason: code,
      isAboutSignature,
      isAnonymous,
      method,
      answer: failure(code),
    });
    if (fields === undefined) return refused('isv.invalid-parameter', false, true);
    if (text('app_id') === '') return refused('isv.missing-app-id', true, true);
    const account = accounts.get(text('app_id'));
    if (account === undefined) return refused('isv.invalid-app-id', true, true);
    const signature = signatureProblem(fields, account);
    if (signature !== undefined) return refused(signature, true);
    if (text('method') === '') return refused('isv.missing-method', false);
    if (method === undefined) return refused('isv.invalid-method', false);
    const common = commonProblem(text, deps.clock.nowMs(), deps.timestampToleranceMs);
    if (common !== undefined) return refused(common, false);
    const content = parsedContent(text('biz_content'));
    return {
      kind: 'passed',
      request: {
        account,
        method,
        byCertificate: text('app_cert_sn') !== '',
        authority: headers.host ?? '',
        notifyUrl: text('notify_url') || undefined,
        content,
        text,
      },
    };
  };
};
