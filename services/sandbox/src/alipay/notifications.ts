import type { KeyObject } from 'node:crypto';
import type { Clock, Random } from '@tillmesh/clock';
import { spacedInBeijing } from '../beijing-time.ts';
import { isTerse } from '../discounts.ts';
import { yuanText } from '../fen.ts';
import type { Notifier, NotifyingChannel } from '../notifier.ts';
import { notificationPlanOf } from '../script.ts';
import type { Scripts } from '../scripts.ts';
import type { AlipayRefund } from './refunds.ts';
import { notificationTextToSign, signRsa2 } from './signature.ts';
import { type PaidTrade, tradeStatusOf } from './trade.ts';
import { fundBill, logonIdOf, paidAmounts, vouchers } from './trade-view.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

// Eight tries in about 25 hours: 4m,10m,10m,1h,2h,6h,15h (opendocs; Antom prints 2m for the first, research, 2.2).
const RETRY_MS = [4 * MINUTE, 10 * MINUTE, 10 * MINUTE, HOUR, 2 * HOUR, 6 * HOUR, 15 * HOUR];

export type AlipaySigning = { readonly privateKey: KeyObject; readonly certSn: string | undefined };

/** How Alipay notifies: a form with an RSA2 signature; only the word `success` ends the tries. */
export const alipayNotifying = (deps: {
  readonly clock: Clock;
  /** What an application is signed for with, and the number of the certificate where it is in certificate mode. */
  readonly keyFor: (appId: string) => AlipaySigning;
}): NotifyingChannel => ({
  retryMs: RETRY_MS,
  accepts: (status, body) => status === 200 && body === 'success',
  request: (notification) => {
    const { privateKey, certSn } = deps.keyFor(notification.merchantId);
    const parameters: Record<string, string> = {
      ...(JSON.parse(notification.content) as Record<string, string>),
      notify_time: spacedInBeijing(deps.clock.nowMs()),
      notify_id: notification.notificationId,
      sign_type: 'RSA2',
      ...(certSn === undefined ? {} : { alipay_cert_sn: certSn }),
    };
    const text = notificationTextToSign(parameters);
    if (notification.signature !== 'none') {
      parameters['sign'] = signRsa2(notification.signature === 'wrong' ? `${text} ` : text, privateKey);
    }
    return {
      body: new URLSearchParams(parameters).toString(),
      headers: { 'Content-Type': 'application/x-www-form-urlencoded; charset=utf-8', 'User-Agent': 'Mozilla/4.0' },
    };
  },
});

/** Sends Alipay's news about a trade, if the trade has an address for it and no script forbids. */
export interface AlipayNews {
  paid(trade: PaidTrade): void;
  refunded(trade: PaidTrade, refund: AlipayRefund): void;
}

/** Lists in a notification are JSON in a text, and their names are written in another way than in answers. */
const listParameters = (trade: PaidTrade): Readonly<Record<string, string>> => {
  const list = vouchers(trade);
  const bills = fundBill(trade).map(({ amount, fund_channel }) => ({ amount, fundChannel: fund_channel }));
  const told = list?.map(({ id, merchant_contribute, other_contribute, ...voucher }) => ({
    ...voucher,
    voucherId: id,
    merchantContribute: merchant_contribute,
    otherContribute: other_contribute,
  }));
  return {
    fund_bill_list: JSON.stringify(bills),
    ...(told === undefined ? {} : { voucher_detail_list: JSON.stringify(told) }),
  };
};

const detailParameters = (trade: PaidTrade): Readonly<Record<string, string>> => ({
  buyer_id: trade.buyerId,
  buyer_logon_id: logonIdOf(trade.buyerId),
  ...paidAmounts(trade),
  ...listParameters(trade),
});

const tradeParameters = (trade: PaidTrade): Readonly<Record<string, string>> => ({
  notify_type: 'trade_status_sync',
  charset: 'utf-8',
  version: '1.0',
  app_id: trade.appId,
  auth_app_id: trade.appId,
  trade_no: trade.tradeNo,
  out_trade_no: trade.outTradeNo,
  seller_id: trade.sellerId,
  trade_status: tradeStatusOf(trade),
  total_amount: yuanText(trade.amount),
  subject: trade.subject,
  ...(trade.body === undefined ? {} : { body: trade.body }),
  gmt_create: spacedInBeijing(trade.createdAtMs),
  gmt_payment: spacedInBeijing(trade.paidAtMs),
  ...(isTerse(trade.acts) ? {} : detailParameters(trade)),
});

export const createAlipayNews = (deps: {
  readonly clock: Clock;
  readonly random: Random;
  readonly notifier: Notifier;
  readonly scripts: Scripts;
}): AlipayNews => {
  const { clock, random, notifier, scripts } = deps;
  const send = (trade: PaidTrade, event: string, parameters: Readonly<Record<string, string>>) => {
    if (trade.notifyUrl === undefined) return;
    const notificationActs = scripts.take({
      channel: 'alipay',
      operation: 'notification',
      accountId: trade.accountId,
      merchantId: trade.appId,
      outTradeNo: trade.outTradeNo,
      description: trade.subject,
      paymentCode: trade.paymentCode,
    });
    notifier.send(
      {
        notificationId: `${spacedInBeijing(clock.nowMs()).slice(0, 10).replaceAll('-', '')}${random.hex(12)}`,
        channel: 'alipay',
        merchantId: trade.appId,
        outTradeNo: trade.outTradeNo,
        event,
        url: trade.notifyUrl,
        content: JSON.stringify(parameters),
      },
      notificationPlanOf(trade.acts, notificationActs),
    );
  };
  return {
    paid: (trade) => send(trade, 'trade_status_sync', tradeParameters(trade)),
    refunded: (trade, refund) =>
      send(trade, 'trade_status_sync.refund', {
        ...tradeParameters(trade),
        refund_fee: yuanText(trade.refunded),
        gmt_refund: `${spacedInBeijing(refund.atMs)}.000`,
        out_biz_no: refund.outRequestNo,
      }),
  };
};
