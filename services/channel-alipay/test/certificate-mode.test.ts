import { createPrivateKey } from 'node:crypto';
import { selfSigned } from '@tillmesh/channel-kit/contract';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readCertificate, rootCertSn } from '../src/certificate.ts';
import { LearnedCertificates } from '../src/next-certificate.ts';
import { askOrder } from '../src/payment.ts';
import { type AlipayPeer, account, callOf, httpFor, ok, order, signText, startPeer } from './alipay-peer.ts';

// An application in certificate mode: requests name its certificate and the roots, answers name Alipay's.

const [application, alipay, next, stranger] = [1, 2, 3, 4].map(selfSigned).map(({ certificate, privateKey }) => ({
  ...readCertificate(certificate),
  pem: certificate,
  privateKey: createPrivateKey(privateKey),
}));

let peer: AlipayPeer;
let http: ReturnType<typeof httpFor>;
beforeAll(async () => {
  peer = await startPeer();
  http = httpFor(peer.baseUrl);
});
afterAll(async () => {
  await http.close();
  await peer.close();
});

const own = () =>
  account(peer.baseUrl, {
    alipayPublicKeys: [],
    certificates: {
      applicationFile: application as never,
      alipayFiles: [alipay, next] as never,
      rootFile: { sn: rootCertSn(`${alipay?.pem}\n${next?.pem}`) ?? '', certificates: [] },
      learned: new LearnedCertificates(),
    },
  });
const CONTENT = ok({
  trade_no: '2026112222001004680073956707',
  out_trade_no: order().channelOrderNo,
  trade_status: 'TRADE_SUCCESS',
  total_amount: '88.80',
  send_pay_date: '2026-11-22 11:59:59',
});

/** An answer signed by one certificate that names another one, or none. */
const asked = async (by: typeof alipay, named: string | undefined) => {
  peer.answer = () => {
    const raw = JSON.stringify(CONTENT);
    const sn = named === undefined ? '' : `,"alipay_cert_sn":"${named}"`;
    const body = `{"alipay_trade_query_response":${raw}${sn},"sign":"${signText(raw, by?.privateKey)}"}`;
    return { status: 200, headers: { 'content-type': 'text/html;charset=utf-8', trace_id: 'a' }, body };
  };
  return (await askOrder(order(), callOf(own(), http))).outcome.kind;
};

test('a request names the certificates, and an answer counts by the one that it names', async () => {
  expect(await asked(alipay, alipay?.sn)).toBe('succeeded');
  const { params } = peer.seen.at(-1) ?? {};
  expect(params).toMatchObject({ app_cert_sn: application?.sn, alipay_root_cert_sn: `${alipay?.sn}_${next?.sn}` });
  // One follows another.
  expect(await asked(next, next?.sn)).toBe('succeeded');
});

test('an answer that names another certificate than signed it, an unknown one, or none, proves nothing', async () => {
  expect(await asked(alipay, next?.sn)).toBe('unknown');
  expect(await asked(stranger, stranger?.sn)).toBe('unknown');
  expect(await asked(alipay, undefined)).toBe('unknown');
});

test('a text that is no certificate is none', () => {
  for (const text of ['', 'x', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----']) {
    expect(readCertificate(text)).toBeUndefined();
    expect(rootCertSn(text)).toBeUndefined();
  }
});
