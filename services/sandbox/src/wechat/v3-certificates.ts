import type { Random } from '@tillmesh/clock';
import { rfc3339InBeijing } from '../beijing-time.ts';
import type { WechatAccount } from './account.ts';
import type { PlatformKeys } from './platform-keys.ts';
import { encryptResource } from './sealed-resource.ts';
import { answerOfError, v3Error } from './v3-answer.ts';
import type { V3Read } from './v3-call.ts';

const ASSOCIATED_DATA = 'certificate';

/** GET /v3/certificates: every platform certificate, sealed with the merchant's APIv3 key. */
export const createV3Certificates =
  (deps: { readonly random: Random; readonly platform: PlatformKeys }) =>
  (account: WechatAccount): V3Read => {
    const sealed = (plaintext: string) => {
      const nonce = deps.random.hex(6);
      const { apiV3Key } = account;
      return {
        algorithm: 'AEAD_AES_256_GCM',
        nonce,
        associated_data: ASSOCIATED_DATA,
        ciphertext: encryptResource({ plaintext, apiV3Key, nonce, associatedData: ASSOCIATED_DATA }),
      };
    };
    return {
      kind: 'call',
      call: {
        name: 'v3.certificates',
        operation: 'certificates',
        outTradeNo: undefined,
        description: undefined,
        paymentCode: undefined,
        perform: () => {
          const data = deps.platform.certificates().map((certificate) => ({
            serial_no: certificate.id,
            effective_time: rfc3339InBeijing(certificate.effectiveAtMs),
            expire_time: rfc3339InBeijing(certificate.expiresAtMs),
            encrypt_certificate: sealed(certificate.pem),
          }));
          return data.length === 0
            ? answerOfError(
                v3Error('RESOURCE_NOT_EXISTS', '无可用的平台证书，请在商户平台-API安全申请使用微信支付公钥'),
              )
            : { status: 200, body: { data } };
        },
      },
    };
  };
