import pino from 'pino';

// The names are those of our messages, of the channels' and of HTTP, without case, hyphens and underscores: openid, openId
// and OPEN_ID are one.
const SECRET_FIELDS: ReadonlySet<string> = new Set([
  'paymentcode',
  'authcode',
  'authorisationcode',
  'payerid',
  'payeropenid',
  'openid',
  'subopenid',
  'buyerid',
  'buyeropenid',
  'buyeruserid',
  'buyerlogonid',
  'clientip',
  'payerclientip',
  'spbillcreateip',
  'password',
  'privatekey',
  'apikey',
  'apiv3key',
  'key',
  'sign',
  'paysign',
  'signature',
  'wechatpaysignature',
  'authorization',
  'cookie',
  'setcookie',
]);

const CENSORED = '[secret]';

// Deeper than anything that is worth a line of a log; also what ends a walk in a circle.
const DEPTH_MAX = 8;

const isSecret = (name: string): boolean => SECRET_FIELDS.has(name.replaceAll(/[-_]/g, '').toLowerCase());

// These write themselves: a Secret as [secret], a date as text, bytes as numbers.
const writesItself = (value: object): boolean =>
  ArrayBuffer.isView(value) || typeof (value as { toJSON?: unknown }).toJSON === 'function';

const censorValue = (value: unknown, depth: number): unknown => {
  if (typeof value !== 'object' || value === null || writesItself(value)) return value;
  if (depth >= DEPTH_MAX) return '[too deep]';
  // Errors of HTTP clients carry their request with all its headers.
  if (value instanceof Error) return censorFields(pino.stdSerializers.err(value), depth);
  if (Array.isArray(value)) return value.map((item) => censorValue(item, depth + 1));
  return censorFields(value, depth);
};

const censorFields = (fields: object, depth: number): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, isSecret(name) ? CENSORED : censorValue(value, depth + 1)]),
  );

/** A copy of what is about to be logged, in which every field that may hold a secret says `[secret]`, however deep it lies. */
export const censor = (fields: object): Record<string, unknown> => censorFields(fields, 0);
