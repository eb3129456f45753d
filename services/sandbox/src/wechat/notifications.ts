import type { Clock, Random } from '@tillmesh/clock';
import { assert } from '@tillmesh/domain';
import { compactInBeijing, rfc3339InBeijing } from '../beijing-time.ts';
import type { Notification, Notifier, NotifyingChannel } from '../notifier.ts';
import { type Act, notificationPlanOf } from '../script.ts';
import type { Scripts } from '../scripts.ts';
import type { WechatAccount } from './account.ts';
import type { Paid, WechatOrder } from './order.ts';
import { notifiedView } from './order-view.ts';
import type { PlatformKeys } from './platform-keys.ts';
import { encryptResource } from './sealed-resource.ts';
import { platformMessage, signMessage } from './v3-signature.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

// 15s/15s/30s/3m/10m/20m/30m/30m/30m/60m/3h/3h/3h/6h/6h (official wechatpay-skills, 回调通知处理.md).
const RETRY_MS = [
  15 * SECOND,
  15 * SECOND,
  30 * SECOND,
  3 * MINUTE,
  10 * MINUTE,
  20 * MINUTE,
  30 * MINUTE,
  30 * MINUTE,
  30 * MINUTE,
  60 * MINUTE,
  3 * HOUR,
  3 * HOUR,
  3 * HOUR,
  6 * HOUR,
  6 * HOUR,
];

/** How the signature of a probe begins, which a merchant has to refuse (official wechatpay-skills, signature probes). */
const PROBE = 'WECHATPAY/SIGNTEST/';

const SUMMARIES: Readonly<Record<string, string>> = {
  'TRANSACTION.SUCCESS': '支付成功',
  'REFUND.SUCCESS': '退款成功',
  'REFUND.ABNORMAL': '退款异常',
  'REFUND.CLOSED': '退款关闭',
};

/** How WeChat Pay notifies: signed headers, an encrypted resource, and the HTTP status alone decides. */
export const wechatNotifying = (deps: {
  readonly clock: Clock;
  readonly random: Random;
  readonly platform: PlatformKeys;
  readonly accounts: readonly WechatAccount[];
}): NotifyingChannel => {
  const { clock, random, platform } = deps;
  const accounts = new Map(deps.accounts.map((account) => [account.mchid, account]));
  const bodyOf = (notification: Notification): string => {
    const account = accounts.get(notification.merchantId);
    assert(account !== undefined, 'a notification is for a merchant that is not configured any more');
    const originalType = notification.event.startsWith('REFUND') ? 'refund' : 'transaction';
    const nonce = random.hex(6);
    return JSON.stringify({
      id: notification.notificationId,
      create_time: rfc3339InBeijing(notification.createdAtMs),
      resource_type: 'encrypt-resource',
      event_type: notification.event,
      summary: SUMMARIES[notification.event] ?? '',
      resource: {
        original_type: originalType,
        algorithm: 'AEAD_AES_256_GCM',
        ciphertext: encryptResource({
          plaintext: notification.content,
          apiV3Key: account.apiV3Key,
          nonce,
          associatedData: originalType,
        }),
        associated_data: originalType,
        nonce,
      },
    });
  };
  return {
    retryMs: RETRY_MS,
    accepts: (status) => status === 200 || status === 204,
    request: (notification) => {
      const body = bodyOf(notification);
      const timestamp = String(Math.floor(clock.nowMs() / SECOND));
      const nonceStr = random.hex(16);
      const signer = platform.signerFor('', accounts.get(notification.merchantId));
      const isProbe = notification.signature === 'probe' && notification.tries === 0;
      const signed = Buffer.from(notification.signature === 'wrong' ? `${body} ` : body);
      return {
        body,
        headers: {
          'Content-Type': 'application/json',
          Accept: '*/*',
          'User-Agent': 'Mozilla/4.0',
          'Request-ID': `08${random.hex(16).toUpperCase()}-0`,
          ...(notification.signature === 'none'
            ? {}
            : {
                'Wechatpay-Nonce': nonceStr,
                'Wechatpay-Signature': isProbe
                  ? `${PROBE}${Buffer.from(random.hex(32), 'hex').toString('base64')}`
                  : signMessage(platformMessage(timestamp, nonceStr, signed), signer.privateKey),
                'Wechatpay-Signature-Type': 'WECHATPAY2-SHA256-RSA2048',
                'Wechatpay-Timestamp': timestamp,
                'Wechatpay-Serial': signer.id,
              }),
        },
      };
    },
  };
};

/** Sends WeChat Pay's news about an order, if the order has an address for it and no script forbids. */
export interface WechatNews {
  paid(order: Paid): void;
  refundEnded(news: {
    readonly order: WechatOrder;
    readonly url: string | undefined;
    readonly status: 'SUCCESS' | 'ABNORMAL' | 'CLOSED';
    readonly content: object;
  }): void;
}

export const createWechatNews = (deps: {
  readonly clock: Clock;
  readonly random: Random;
  readonly notifier: Notifier;
  readonly scripts: Scripts;
}): WechatNews => {
  const { clock, random, notifier, scripts } = deps;
  const send = (
    order: WechatOrder,
    url: string | undefined,
    event: string,
    content: object,
    orderActs: readonly Act[],
  ) => {
    if (url === undefined) return;
    const notificationActs = scripts.take({
      channel: 'wechat',
      operation: 'notification',
      accountId: order.accountId,
      merchantId: order.mchid,
      outTradeNo: order.outTradeNo,
      description: order.description,
      paymentCode: order.paymentCode,
    });
    notifier.send(
      {
        notificationId: `EV-${compactInBeijing(clock.nowMs())}${random.hex(8)}`,
        channel: 'wechat',
        merchantId: order.mchid,
        outTradeNo: order.outTradeNo,
        event,
        url,
        content: JSON.stringify(content),
      },
      notificationPlanOf(orderActs, notificationActs),
    );
  };
  return {
    // A payment by code is never notified: the merchant has to ask (research, 1.3).
    paid: (order) => send(order, order.notifyUrl, 'TRANSACTION.SUCCESS', notifiedView(order), order.acts),
    refundEnded: ({ order, url, status, content }) => send(order, url, `REFUND.${status}`, content, order.acts),
  };
};
