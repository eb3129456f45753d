import { createPublicKey, X509Certificate } from 'node:crypto';
import { type Issued, issueCertificate } from '@tillmesh/channel-kit/contract';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hasRoot, readCertificate, signerKeyOf, signerNameOf } from '../src/certificate.ts';
import { parseNotification } from '../src/notification.ts';
import { askOrder } from '../src/payment.ts';
import { account, callAnswered, type Fields, NOW_MS, order, PAID, signedBy, written } from './unionpay-peer.ts';

const NAME = '中国银联股份有限公司';
const COMMON_NAME = `041@Z12@${NAME}@00040000`;

const root = issueCertificate({ commonName: 'root', isAuthority: true });
const middle = issueCertificate({ commonName: 'middle', issuer: root, isAuthority: true });
const signer = issueCertificate({ commonName: COMMON_NAME, issuer: middle });
const x509 = ({ certificate }: Issued) => new X509Certificate(certificate);
const trusting = (...authorities: readonly Issued[]) => ({
  authorities: authorities.map(x509),
  signerNames: [NAME],
});
const trust = trusting(root, middle);
const keyOf = (one: Issued, by = trust, nowMs = NOW_MS) => signerKeyOf(one.certificate, by, nowMs);

describe('the certificate in an answer', () => {
  test('is believed where it leads to a configured root and names UnionPay', () => {
    expect(keyOf(signer)?.equals(createPublicKey(signer.privateKey))).toBe(true);
    expect(keyOf(issueCertificate({ commonName: COMMON_NAME, issuer: root }), trusting(root))).toBeDefined();
  });

  const strangers = issueCertificate({ commonName: 'root', isAuthority: true });
  const lapsed = issueCertificate({
    commonName: 'middle',
    issuer: root,
    isAuthority: true,
    days: ['200101000000Z', '260101000000Z'],
  });
  test.each<[string, Issued, typeof trust]>([
    [
      'of a root of the same name that is another',
      issueCertificate({ commonName: COMMON_NAME, issuer: strangers }),
      trusting(root),
    ],
    ['that issued itself', issueCertificate({ commonName: COMMON_NAME }), trust],
    ['whose root is missing', signer, trusting(middle)],
    ['whose issuer is missing', signer, trusting(root)],
    ['where there are no authorities', signer, trusting()],
    [
      'of somebody else whom the same authority knows',
      issueCertificate({ commonName: '041@Z12@Another Ltd@1', issuer: middle }),
      trust,
    ],
    [
      'whose name stands in another place',
      issueCertificate({ commonName: `${NAME}@Z12@Another@1`, issuer: middle }),
      trust,
    ],
    ['whose name goes on', issueCertificate({ commonName: `041@Z12@${NAME}2@1`, issuer: middle }), trust],
    ['of the test gateway', issueCertificate({ commonName: '00040000:SIGN', issuer: middle }), trust],
    [
      'that is an authority itself',
      issueCertificate({ commonName: COMMON_NAME, issuer: middle, isAuthority: true }),
      trust,
    ],
    [
      'issued by one that issues none',
      issueCertificate({ commonName: COMMON_NAME, issuer: signer }),
      trusting(root, middle, signer),
    ],
    [
      'that is not valid yet',
      issueCertificate({ commonName: COMMON_NAME, issuer: middle, days: ['270101000000Z', '490101000000Z'] }),
      trust,
    ],
    [
      'that is over',
      issueCertificate({ commonName: COMMON_NAME, issuer: middle, days: ['200101000000Z', '250731000000Z'] }),
      trust,
    ],
    [
      'of an authority that is over',
      issueCertificate({ commonName: COMMON_NAME, issuer: lapsed }),
      trusting(root, lapsed),
    ],
    ['with a short key', issueCertificate({ commonName: COMMON_NAME, issuer: middle, rsaBits: 1_024 }), trust],
  ])('%s is not', (_why, certificate, by) => {
    expect(keyOf(certificate, by)).toBeUndefined();
  });

  test('is over at its last second, and not before', () => {
    const one = issueCertificate({ commonName: COMMON_NAME, issuer: root, days: ['200101000000Z', '250731000000Z'] });
    const endMs = Date.UTC(2025, 6, 31);
    expect(keyOf(one, trusting(root), endMs)).toBeDefined();
    expect(keyOf(one, trusting(root), endMs + 1)).toBeUndefined();
  });

  test('of the test gateway is believed where its name is configured', () => {
    const one = issueCertificate({ commonName: '00040000:SIGN', issuer: root });
    expect(keyOf(one, { ...trusting(root), signerNames: ['00040000:SIGN'] })).toBeDefined();
  });

  test('that is damaged, doubled or none does not crash', () => {
    const [begin = '', ...rest] = signer.certificate.split('\n');
    const body = rest.join('\n');
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.nat(body.length - 4).map((length) => `${begin}\n${body.slice(0, length)}`),
          fc
            .nat(body.length - 40)
            .map((at) => `${begin}\n${body.slice(0, at)}A${body.slice(at + 2)}`)
            // Without the end of a line it would be the same certificate.
            .filter((pem) => pem.replaceAll('\n', '') !== signer.certificate.replaceAll('\n', '')),
          fc.constantFrom(signer.certificate + middle.certificate, 'A'.repeat(100_000)),
        ),
        (pem) => {
          expect(signerKeyOf(pem, trust, NOW_MS)).toBeUndefined();
        },
      ),
      { numRuns: 300 },
    );
  });

  test('of a chain without a root counts nothing, however long it is', () => {
    const one = issueCertificate({ commonName: 'one', issuer: middle, isAuthority: true });
    const leaf = issueCertificate({ commonName: COMMON_NAME, issuer: one });
    expect(keyOf(leaf, trusting(one, middle))).toBeUndefined();
    expect(hasRoot(x509(one), [x509(one), x509(middle)])).toBe(false);
    expect(hasRoot(x509(root), [])).toBe(false);
    expect(hasRoot(x509(one), [x509(one), x509(middle), x509(root)])).toBe(true);
  });
});

test.each([
  [COMMON_NAME, NAME],
  ['00040000:SIGN', '00040000:SIGN'],
  ['a@b', 'a@b'],
])('a CN of %s names %s', (commonName, name) => {
  expect(signerNameOf(x509(issueCertificate({ commonName })))).toBe(name);
});

describe('an account with authorities alone', () => {
  const byCertificate = { ...account, unionpayCertificates: [], certificateTrust: trust };
  const answer = (fields: Fields) => ({ ...callAnswered(written(fields)), account: byCertificate });
  const told: Fields = { ...PAID, txnType: '01', signPubKeyCert: signer.certificate };

  test('learns of a payment by an answer and by a notification', async () => {
    const { outcome } = await askOrder(order(), answer(signedBy(told, signer.privateKey)));
    expect(outcome).toMatchObject({ kind: 'succeeded', paid: { minorUnits: 888n } });
    const form = new URLSearchParams(signedBy(told, signer.privateKey)).toString();
    const news = parseNotification({ headers: {}, body: Buffer.from(form) }, answer({}));
    expect(news).toMatchObject({ kind: 'news', payments: [{ report: { outcome: { kind: 'succeeded' } } }] });
  });

  test('learns nothing from whoever signs by a certificate of their own, or by UnionPay’s and another key', async () => {
    const own = issueCertificate({ commonName: COMMON_NAME });
    for (const fields of [
      signedBy({ ...told, signPubKeyCert: own.certificate }, own.privateKey),
      signedBy(told, own.privateKey),
      { ...signedBy(told, signer.privateKey), txnAmt: '1' },
      signedBy({ ...told, signPubKeyCert: '' }, signer.privateKey),
      told,
    ]) {
      expect((await askOrder(order(), answer(fields))).outcome.kind).toBe('unknown');
      const form = new URLSearchParams(fields).toString();
      expect(parseNotification({ headers: {}, body: Buffer.from(form) }, answer({})).kind).toBe('refused');
    }
  });
});

test('without authorities the certificate in an answer proves nothing, whoever issued it', async () => {
  const told = signedBy({ ...PAID, signPubKeyCert: signer.certificate }, signer.privateKey);
  expect((await askOrder(order(), callAnswered(written(told)))).outcome.kind).toBe('unknown');
});

test('one certificate is read, with any ends of lines', () => {
  expect(readCertificate(root.certificate.replaceAll('\n', '\r\n'))?.ca).toBe(true);
  expect(readCertificate(root.certificate + middle.certificate)).toBeUndefined();
});
