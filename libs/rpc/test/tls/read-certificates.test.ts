import { mkdtempSync, rmSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@tillmesh/clock';
import { issueCertificate } from '@tillmesh/testing/issued-certificate';
import { mountSecret, tlsSecret } from '@tillmesh/testing/mounted-secret';
import { expect, onTestFinished, test } from 'vitest';
import { readCertificates } from '../../src/tls/read-certificates.ts';

const authority = issueCertificate({ commonName: 'mesh', isAuthority: true });
const stranger = issueCertificate({ commonName: 'stranger', isAuthority: true });
const own = issueCertificate({ commonName: 'cashier', issuer: authority });
const GOOD = tlsSecret(own, [authority]);

const read = async (files: Readonly<Record<string, string>>) => {
  const folder = mkdtempSync(join(tmpdir(), 'tillmesh-tls-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  mountSecret(folder, files);
  return readCertificates(folder, systemClock.nowMs());
};
const without = (file: keyof typeof GOOD): Record<string, string> =>
  Object.fromEntries(Object.entries(GOOD).filter(([name]) => name !== file));

test('what fits is read, with the moment at which it ends', async () => {
  expect(await read(GOOD)).toEqual({
    certificate: Buffer.from(GOOD['tls.crt']),
    privateKey: Buffer.from(GOOD['tls.key']),
    authorities: Buffer.from(GOOD['ca.crt']),
    endsAtMs: Date.parse('2049-01-01T00:00:00Z'),
  });
});

test('a folder that is no mounted Secret is read too', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tillmesh-tls-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  mountSecret(folder, GOOD);
  await expect(readCertificates(join(folder, '..data'), systemClock.nowMs())).resolves.toMatchObject({});
});

test('a certificate may come through others that stand beside it', async () => {
  const between = issueCertificate({ commonName: 'between', isAuthority: true, issuer: authority });
  const leaf = issueCertificate({ commonName: 'cashier', issuer: between });
  const files = tlsSecret(leaf, [stranger, authority]);
  await expect(read({ ...files, 'tls.crt': leaf.certificate + between.certificate })).resolves.toMatchObject({});
  await expect(read(files)).rejects.toThrow('tls.crt is issued by none of the authorities in ca.crt');
});

test('usages that name both sides are enough', async () => {
  const both = issueCertificate({ commonName: 'c', issuer: authority, usages: ['server auth', 'client auth'] });
  await expect(read(tlsSecret(both, [authority]))).resolves.toMatchObject({});
});

const otherKey = tlsSecret(issueCertificate({ commonName: 'other', issuer: authority }), [])['tls.key'];
const ended = issueCertificate({
  commonName: 'ended',
  issuer: authority,
  days: ['200101000000Z', '210101000000Z'],
});
const early = issueCertificate({
  commonName: 'early',
  issuer: authority,
  days: ['480101000000Z', '490101000000Z'],
});
const serverOnly = issueCertificate({ commonName: 's', issuer: authority, usages: ['server auth'] });
const clientOnly = issueCertificate({ commonName: 'c', issuer: authority, usages: ['client auth'] });
// The authority's name alone proves nothing: it signs with another key.
const forged = issueCertificate({
  commonName: 'forged',
  issuer: issueCertificate({ commonName: 'mesh', isAuthority: true }),
});

test.each<[what: string, files: Record<string, string>, says: string]>([
  ['no certificate', without('tls.crt'), 'tls.crt cannot be read: ENOENT'],
  ['no key', without('tls.key'), 'tls.key cannot be read: ENOENT'],
  ['no authorities', without('ca.crt'), 'ca.crt cannot be read: ENOENT'],
  ['an empty certificate', { ...GOOD, 'tls.crt': '' }, 'tls.crt has no certificate'],
  ['no PEM', { ...GOOD, 'ca.crt': 'once upon a time' }, 'ca.crt has no certificate'],
  [
    'a broken certificate',
    { ...GOOD, 'ca.crt': '-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n' },
    'ca.crt has a certificate that cannot be read',
  ],
  ['a key that is none', { ...GOOD, 'tls.key': 'secret' }, 'tls.key is no private key in PEM without a password'],
  ['the key of another one', { ...GOOD, 'tls.key': otherKey }, 'tls.key is not the key of tls.crt'],
  ['one that ended', tlsSecret(ended, [authority]), 'tls.crt ended at 2021-01-01T00:00:00.000Z; issue a new one'],
  ['one that has not begun', tlsSecret(early, [authority]), 'tls.crt begins only at 2048-01-01T00:00:00.000Z'],
  ['one for servers alone', tlsSecret(serverOnly, [authority]), 'is not for client auth'],
  ['one for clients alone', tlsSecret(clientOnly, [authority]), 'is not for server auth'],
  ['one of another authority', tlsSecret(own, [stranger]), 'is issued by none of the authorities in ca.crt'],
  ['one of an authority of the same name', tlsSecret(forged, [authority]), 'is issued by none of the authorities'],
])('%s is refused by name', async (_what, files, says) => {
  await expect(read(files)).rejects.toThrow(says);
});

test('a Secret that is changed while it is read is never read half', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tillmesh-tls-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const sets = [GOOD, tlsSecret(issueCertificate({ commonName: 'next', issuer: authority }), [authority])];
  mountSecret(folder, GOOD);
  let whole = 0;
  for (let round = 0; round < 200; round += 1) {
    const reading = readCertificates(folder, systemClock.nowMs());
    for (let turn = round % 4; turn > 0; turn -= 1) await new Promise(setImmediate);
    mountSecret(folder, sets[round % 2] ?? GOOD);
    try {
      const { certificate } = await reading;
      expect(sets.map((set) => set['tls.crt'])).toContain(String(certificate));
      whole += 1;
    } catch (error) {
      // The folder went away under the reader: it reads again a moment later.
      expect(String(error)).toContain('cannot be read: ENOENT');
    }
  }
  expect(whole).toBeGreaterThan(0);
  unlinkSync(join(folder, 'tls.key'));
  await expect(readCertificates(folder, systemClock.nowMs())).resolves.toMatchObject({});
});
