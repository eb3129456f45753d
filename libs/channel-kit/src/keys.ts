import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { type Secret, secretFile, z } from '@tillmesh/config';
import { signRsaSha256, verifyRsaSha256 } from './signing.ts';

const RSA_BITS_MIN = 2_048;

// Alipay's tools give keys as bare base64, without the PEM lines around.
const isBareBase64 = (text: string): boolean => /^[0-9A-Za-z+/=\s]+$/.test(text);

const readKey = <Key>(text: string, ways: readonly ((text: string) => Key)[]): Key | undefined => {
  for (const way of ways) {
    try {
      return way(text);
    } catch {
      // Another way may read it; the caller says so where none does.
    }
  }
  return undefined;
};

/** An RSA private key from PEM (PKCS#1 or PKCS#8) or from bare base64 of either; undefined where it is none. */
export const parsePrivateKey = (text: string): KeyObject | undefined => {
  const der = Buffer.from(text, 'base64');
  return isBareBase64(text)
    ? readKey(text, [
        () => createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }),
        () => createPrivateKey({ key: der, format: 'der', type: 'pkcs1' }),
      ])
    : readKey(text, [createPrivateKey]);
};

/** An RSA public key from PEM, from a certificate in PEM, or from bare base64; undefined where it is none. */
export const parsePublicKey = (text: string): KeyObject | undefined => {
  if (text.includes('PRIVATE KEY')) return undefined;
  return isBareBase64(text)
    ? readKey(text, [() => createPublicKey({ key: Buffer.from(text, 'base64'), format: 'der', type: 'spki' })])
    : readKey(text, [createPublicKey]);
};

const rsaProblem = (key: KeyObject): string | undefined => {
  if (key.asymmetricKeyType !== 'rsa') return `is a key of type ${key.asymmetricKeyType}, not RSA`;
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  return bits < RSA_BITS_MIN ? `has ${bits} bits; at least ${RSA_BITS_MIN} are needed` : undefined;
};

const privateKeyProblem = (key: KeyObject): string | undefined => {
  const problem = rsaProblem(key);
  if (problem !== undefined) return problem;
  try {
    const text = 'does it sign?';
    return verifyRsaSha256(text, signRsaSha256(text, key), createPublicKey(key)) ? undefined : 'does not sign';
  } catch {
    return 'does not sign';
  }
};

const keyFile = (
  what: string,
  parse: (text: string) => KeyObject | undefined,
  problemOf: (key: KeyObject) => string | undefined,
) =>
  secretFile(what)
    .transform((secret: Secret, context): KeyObject => {
      const key = parse(secret.reveal());
      const problem = key === undefined ? `is not ${what}` : problemOf(key);
      if (problem !== undefined) context.addIssue({ code: 'custom', message: `the key file ${problem}` });
      return key ?? z.NEVER;
    })
    .describe(`Path of a file that holds ${what}, relative to the configuration file.`);

/** A setting that names the file of an RSA private key. It has signed once before the service starts, or is a problem. */
export const privateKeyFile = (what: string) => keyFile(what, parsePrivateKey, privateKeyProblem);

/** A setting that names the file of an RSA public key or of a certificate. */
export const publicKeyFile = (what: string) => keyFile(what, parsePublicKey, rsaProblem);
