import { type Issued, issueCertificate } from '@tillmesh/channel-kit/contract';
import { describe, expect, test } from 'vitest';
import { readCertificate, readCertificates } from '../src/certificate.ts';
import { LearnedCertificates, nextKeyOf } from '../src/next-certificate.ts';

const NOW_MS = Date.UTC(2026, 10, 22, 4, 0, 0);
const NAME = 'Alipay';
const root = issueCertificate({ commonName: 'root', isAuthority: true });
const middle = issueCertificate({ commonName: 'middle', issuer: root, isAuthority: true });
const stranger = issueCertificate({ commonName: 'middle', isAuthority: true });
const before = issueCertificate({ commonName: NAME, issuer: middle });

const known = [before].flatMap(({ certificate }) => readCertificate(certificate) ?? []);
const roots = readCertificates(root.certificate);
const contentOf = (...certificates: readonly Issued[]): string =>
  Buffer.from(certificates.map(({ certificate }) => certificate).join('')).toString('base64');
const offered = (first: Issued, rest: readonly Issued[] = [middle], sn?: string) =>
  nextKeyOf(contentOf(first, ...rest), {
    sn: sn ?? readCertificate(first.certificate)?.sn ?? '',
    known,
    roots,
    nowMs: NOW_MS,
  });

test('a certificate follows a configured one by its name, its issuer and a configured root', () => {
  expect(offered(issueCertificate({ commonName: NAME, issuer: middle }))).toBeDefined();
});

describe('a certificate is not believed', () => {
  const next = issueCertificate({ commonName: NAME, issuer: middle });
  test.each([
    ['of another name, as every merchant has one', offered(issueCertificate({ commonName: 'shop', issuer: middle }))],
    ['by another issuer, though a root is above it', offered(issueCertificate({ commonName: NAME, issuer: root }), [])],
    [
      'by an issuer that only has the name',
      offered(issueCertificate({ commonName: NAME, issuer: stranger }), [stranger]),
    ],
    ['without what stands between it and the root', offered(next, [])],
    ['that has another number than was asked for', offered(next, [middle], 'f'.repeat(32))],
    [
      'whose days are over',
      offered(issueCertificate({ commonName: NAME, issuer: middle, days: ['200101000000Z', '260101000000Z'] })),
    ],
    [
      'that issues certificates itself',
      offered(issueCertificate({ commonName: NAME, issuer: middle, isAuthority: true })),
    ],
    ['with a key of 1,024 bits', offered(issueCertificate({ commonName: NAME, issuer: middle, rsaBits: 1_024 }))],
  ])('%s', (_what, key) => {
    expect(key).toBeUndefined();
  });

  test('that cannot be read', () => {
    const wanted = { sn: 'f'.repeat(32), known, roots, nowMs: NOW_MS };
    for (const text of ['', 'AAAA', '%%%', 'A'.repeat(40_000), contentOf(before).slice(0, 200)]) {
      expect(nextKeyOf(text, wanted)).toBeUndefined();
    }
  });
});

test('a number is asked for once a minute, and only so many numbers', () => {
  const learned = new LearnedCertificates();
  expect([learned.mayAsk('a', 0), learned.mayAsk('a', 59_999), learned.mayAsk('a', 60_000)]).toEqual([
    true,
    false,
    true,
  ]);
  const asked = Array.from({ length: 40 }, (_, index) => learned.mayAsk(`n${index}`, 60_001));
  expect(asked.filter(Boolean)).toHaveLength(15);
});

test('the oldest of the learned certificates is forgotten', () => {
  const learned = new LearnedCertificates();
  const key = known[0]?.key;
  if (key === undefined) throw new Error('there is no key');
  for (const sn of ['a', 'b', 'c', 'd', 'e']) learned.learn(sn, key);
  expect([learned.get('a'), learned.get('e'), learned.keys().length]).toEqual([undefined, key, 4]);
});
