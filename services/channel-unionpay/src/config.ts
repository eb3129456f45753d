import { type AccountSettings, accountSettings, privateKeyFile, publicKeyFile } from '@tillmesh/channel-kit';
import { z } from '@tillmesh/config';
import { DECLINE_REASONS } from '@tillmesh/domain';

const respCode = z.string().regex(/^[0-9A-Z]{2}$/, 'is not two digits or letters');

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
      .min(1)
      .max(4)
      .describe(
        "UnionPay's signing certificates. Any of them may sign, so that one can follow another. The certificate that an answer itself carries is not believed.",
      ),
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
          .record(respCode, z.enum(DECLINE_REASONS))
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
  .describe("One merchant's account at UnionPay.");

/** One account, loaded. */
export type UnionpayAccount = z.output<typeof UnionpayAccount> & AccountSettings;
