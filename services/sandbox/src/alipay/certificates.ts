import { createHash, X509Certificate } from 'node:crypto';
import { z } from '@tillmesh/config';
import type { RotatingCertificate } from '../rotating-certificate.ts';
import { failure, success } from './answer.ts';
import type { AlipayMethod } from './call.ts';

/** The number of a certificate at Alipay: MD5 of its issuer, reversed and with commas, and of its serial number, decimal. */
export const certSnOf = (pem: string): string => {
  const { issuer, serialNumber } = new X509Certificate(pem);
  const name = issuer.split('\n').toReversed().join(',');
  return createHash('md5')
    .update(`${name}${BigInt(`0x${serialNumber}`)}`)
    .digest('hex');
};

const Asked = z.looseObject({ alipay_cert_sn: z.string().regex(/^[0-9a-f]{32}$/) });

/** alipay.open.app.alipaycert.download: Alipay's certificate by its number, as its SDKs ask for one that they do not know. */
export const createCertificateDownload = (signer: RotatingCertificate): AlipayMethod => ({
  name: 'alipay.open.app.alipaycert.download',
  operation: 'query',
  read: ({ content }) => {
    const asked = Asked.safeParse(content);
    if (!asked.success) return undefined;
    return {
      outTradeNo: undefined,
      description: undefined,
      paymentCode: undefined,
      codeActs: [],
      perform: () => {
        const found = signer.all.find(({ certificate }) => certSnOf(certificate) === asked.data.alipay_cert_sn);
        return found === undefined
          ? failure('isv.invalid-parameter')
          : success({ alipay_cert_content: Buffer.from(found.certificate).toString('base64') });
      },
      decline: (code) => failure(code),
    };
  },
});
