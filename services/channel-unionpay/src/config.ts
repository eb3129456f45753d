import { type AccountSettings, accountSettings, privateKeyFile, publicKeyFile } from '@tillmesh/channel-kit';
import { secretFile, z } from '@tillmesh/config';
import { DECLINE_REASONS } from '@tillmesh/domain';
import { hasRoot, readCertificate } from './certificate.ts';
import { mayBeDefinite } from './code-table.ts';

const respCode = z.string().regex(/^[0-9A-Z]{2}$/, 'is not two digits or letters');

const authorityFile = secretFile('the certificate of an authority').transform((secret, context) => {
  const certificate = readCertificate(secret.reveal());
  if (certificate?.ca === true) return certificate;
  context.addIssue({ code: 'custom', message: 'the file holds no certificate of an authority, one alone and in PEM' });
  return z.NEVER;
});

const certificateTrust = z
  .strictObject({
    authorities: z
      .array(authorityFile)
      .max(8)
      .default([])
      .refine(
        (authorities) => authorities.every((authority) => hasRoot(authority, authorities)),
        'each needs the certificate that issued it in the list, up to a root',
      )
      .describe('Certificates of the authorities, one in a file: the root, and those between it and UnionPay.'),
    signerNames: z
      .array(z.string().min(1).max(64))
      .min(1)
      .max(4)
      .default(['中国银联股份有限公司'])
      .describe("Names that UnionPay's signing certificate may have. The test gateway's is 00040000:SIGN."),
  })
  .prefault({})
  .describe(
    'Believes the certificate that an answer carries where it leads to one of these roots and names UnionPay. Without authorities, none.',
  );

/** One merchant's account at UnionPay. */
export const UnionpayAccount = z
  .strictObject({
    ...accountSettings,
    merId: z
      .string()
      .regex(/^[0-9A-Za-z]{15}$/, 'is not 15 characters')
      .describe('The merchant number (merId). An answer that names another one is not believed.'),
    certId: z
      .string()
      .regex(/^[0-9]{1,40}$/, 'is not decimal')
      .describe("Serial number of the merchant's signing certificate, decimal."),
    privateKeyFile: privateKeyFile("the merchant's private key"),
    unionpayCertificates: z
      .array(publicKeyFile("UnionPay's signing certificate"))
      .max(4)
      .default([])
      .describe("UnionPay's signing certificates. Any of them may sign, so that one can follow another."),
    certificateTrust,
    undoSameDay: z
      .boolean()
      .default(false)
      .describe(
        'True: a whole payment that goes back on its own day, of Beijing, is undone (31) instead of refunded (04), where the contract has the undo.',
      ),
    fileUrl: z
      .url({ protocol: /^https?$/ })
      .default('https://filedownload.95516.com')
      .describe('Where files of settlement are asked for.'),
    confirmedCodes: z
      .strictObject({
        notFound: z
          .array(respCode)
          .max(10)
          .default([])
          .describe(
            'Codes of a query that say that there is no such transaction. Without one, an order that never arrived goes to a person.',
          ),
        declined: z
          .record(
            respCode.refine(mayBeDefinite, 'is never definite: UnionPay asks after it, or it is a success'),
            z.enum(DECLINE_REASONS),
          )
          .default({})
          .describe(
            'Codes of a payment by code after which no money can move any more under its number, and our reason for each.',
          ),
      })
      .prefault({})
      .describe(
        'Codes that somebody has read in the official appendix of this contract. What is public names classes of codes only, and a class proves nothing.',
      ),
  })
  .refine(
    ({ unionpayCertificates, certificateTrust: { authorities } }) =>
      unionpayCertificates.length + authorities.length > 0,
    {
      path: ['unionpayCertificates'],
      message:
        "name UnionPay's signing certificate here, or its authorities in certificateTrust: else no answer counts",
    },
  )
  .describe("One merchant's account at UnionPay.");

/** One account, loaded. */
export type UnionpayAccount = z.output<typeof UnionpayAccount> & AccountSettings;
